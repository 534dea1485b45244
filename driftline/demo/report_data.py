"""The figures of a demo's report, read from its logs once everything has drained. Logs are streamed, not held."""

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from contracts.records import ModelPublished, Provenance, RankedTimeline
from contracts.settings import Settings
from contracts.topics import ALL
from driftline.demo.freshness import Freshness, FreshnessMeter
from driftline.demo.parity import check_parity
from driftline.demo.quality import Quality, early_and_late
from driftline.demo.truth import BestPossible
from driftline.feeding.loop import Progress as Fed
from driftline.inspect import bins, timelines, vocab, vocab_log
from driftline.inspect.backfill_report import Parity
from driftline.inspect.bins import BinsSummary
from driftline.inspect.examples import read_examples
from driftline.inspect.lags import trainer_lag
from driftline.inspect.models import read_models
from driftline.inspect.timelines import ShownTimeline
from transport.kafka.admin import topic_offsets

SHOWN_TIMELINES = 3
SHOWN_PLACES = 5
FEWEST_EDGES = 3  # fewer do not show a distribution: a count that is nearly always zero has fewer


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What the demo itself knows about its run: what it fed, the rising hashtags meanwhile, and the final lags."""

    description: str
    provenance: Provenance
    began_ms: int
    fed: Fed
    lags: Mapping[str, int]
    movers: vocab.Movers | None
    best_possible: BestPossible
    texts_shown: bool


class TopicFlow(msgspec.Struct, frozen=True, kw_only=True):
    """One topic. `offsets`: its records, plus one marker per transaction and partition.

    `events`: the exact number of `of` (tweets, timelines, ...) that it carries, None if unknown.
    """

    topic: str
    offsets: int
    events: int | None
    of: str


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """Timelines served, in all, by ranker (`model` or a fallback order), and by model version."""

    timelines: int
    rankers: dict[str, int]
    versions: dict[int, int]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the demo reports at its end.

    movers: rising and falling tokens at event time `movers_ms`, the last window seen while events were still fed.
    The ticks that close the last windows make everything fall.
    """

    description: str
    provenance: Provenance
    wall_s: dict[str, float]
    began_ms: int
    ended_ms: int
    flows: list[TopicFlow]
    lags: dict[str, int]
    vocabulary: vocab_log.Growth
    movers: vocab.Movers | None
    movers_ms: int | None
    bins: list[BinsSummary]
    early: Quality | None
    late: Quality | None
    best_possible: BestPossible
    published: int
    served: Served
    freshness: Freshness
    parity: Parity | None
    examples: int
    engaged: int
    timelines: list[ShownTimeline]
    texts_shown: bool


class TimelineScan:
    """One pass over `timelines-ranked`: rankers, when each model version first ranked, and timelines to show."""

    def __init__(self) -> None:
        self.timelines = 0
        self.rankers: Counter[str] = Counter()
        self.versions: Counter[int] = Counter()
        self.first_served_ms: dict[int, int] = {}
        self._shown: list[tuple[tuple[bool, int], str, RankedTimeline]] = []

    def observe(self, append_ms: int, timeline: RankedTimeline) -> None:
        """Observe one record; partitions may come in any order."""
        self.timelines += 1
        self.rankers[timeline.ranker] += 1
        if timeline.model_version is not None:
            self.versions[timeline.model_version] += 1
            first = self.first_served_ms.get(timeline.model_version, append_ms)
            self.first_served_ms[timeline.model_version] = min(first, append_ms)
        if not timeline.tweets:
            return
        # Keep timelines with reasons first, then the latest ones; the id breaks ties.
        explained = any(tweet.reasons for tweet in timeline.tweets)
        heapq.heappush(self._shown, ((explained, timeline.at_ms), timeline.request_id, timeline))
        if len(self._shown) > SHOWN_TIMELINES:
            heapq.heappop(self._shown)

    def shown(self) -> list[RankedTimeline]:
        """The timelines to show, in order of time."""
        return [timeline for _, _, timeline in sorted(self._shown, key=lambda entry: entry[0])]

    def served(self) -> Served:
        """The counts so far."""
        return Served(
            timelines=self.timelines, rankers=dict(self.rankers), versions=dict(sorted(self.versions.items()))
        )


def gather(settings: Settings, run: Run) -> Report:
    """Make the report from what the run left on Kafka and in Redis. Raises `ServerUnavailable`."""
    models = list(read_models(settings, settings.scorer.model))
    scan = TimelineScan()
    for record, timeline in timelines.read_timelines(settings):
        scan.observe(record.timestamp, timeline)
    examples, engaged, freshness = _measure_examples(settings, models, scan.first_served_ms)
    early, late = early_and_late([model.evaluation for model in models if model.evaluation])
    shown = timelines.with_texts(settings, scan.shown(), SHOWN_PLACES)
    movers = run.movers
    return Report(
        description=run.description,
        provenance=run.provenance,
        wall_s={},
        began_ms=run.began_ms,
        ended_ms=run.fed.event_ms,
        flows=_flows(settings, run.fed, scan.timelines, examples, len(models)),
        lags={**run.lags, "trainer": trainer_lag(settings)},
        vocabulary=vocab_log.growth(settings),
        movers=movers if movers is None or run.texts_shown else without_token_texts(movers),
        movers_ms=None if movers is None else (movers.version + 1) * settings.time.window_ms,
        bins=most_moved_bins(bins.summarize(settings)),
        early=early,
        late=late,
        best_possible=run.best_possible,
        published=len(models),
        served=scan.served(),
        freshness=freshness,
        parity=check_parity(settings, models, scan.versions),
        examples=examples,
        engaged=engaged,
        timelines=shown if run.texts_shown else without_texts(shown),
        texts_shown=run.texts_shown,
    )


def most_moved_bins(summaries: Sequence[BinsSummary]) -> list[BinsSummary]:
    """The two features whose edges moved furthest since the first version. Features with few edges come last."""
    return sorted(
        summaries, key=lambda summary: (len(summary.newest.edges) < FEWEST_EDGES, -summary.moved, summary.feature)
    )[:2]


def without_token_texts(movers: vocab.Movers) -> vocab.Movers:
    """The same movers without token texts: their keys identify them."""

    def unspelled(tokens: Sequence[vocab.Token]) -> list[vocab.Token]:
        return [msgspec.structs.replace(token, token="") for token in tokens]

    return msgspec.structs.replace(movers, rising=unspelled(movers.rising), falling=unspelled(movers.falling))


def without_texts(shown: Sequence[ShownTimeline]) -> list[ShownTimeline]:
    """The same timelines without texts and author names."""
    return [
        msgspec.structs.replace(
            timeline,
            places=[msgspec.structs.replace(place, text=None, author=None) for place in timeline.places],
        )
        for timeline in shown
    ]


def _measure_examples(
    settings: Settings, models: Sequence[ModelPublished], first_served_ms: Mapping[int, int]
) -> tuple[int, int, Freshness]:
    """(number of examples, number with engagement, freshness), in one pass over the log."""
    meter = FreshnessMeter([(model.version, model.offsets) for model in models], first_served_ms)
    rows = engaged = 0
    for record, examples in read_examples(settings):
        rows += len(examples)
        engaged += int((examples.engaged_append_ms > 0).sum())
        meter.observe(record.partition, record.offset, examples.engaged_append_ms)
    return rows, engaged, meter.result()


def _flows(settings: Settings, fed: Fed, served: int, examples: int, models: int) -> list[TopicFlow]:
    """Every topic that holds records, in the order of the table of topics."""
    known = {
        "tweets": (fed.tweets, "tweets"),
        "engagements": (fed.engagements, "engagements"),
        "timeline-requests": (fed.requests, "requests"),
        "timelines-ranked": (served, "timelines"),
        "candidates-served": (served, "requests"),
        "examples": (examples, "examples"),
        "models": (models, "versions"),
    }
    held = topic_offsets(settings)
    return [
        TopicFlow(topic=topic.name, offsets=offsets, events=events, of=of)
        for topic in ALL
        if (offsets := sum(partition.count for partition in held.get(topic.name, {}).values()))
        for events, of in [known.get(topic.name, (None, topic.record))]
    ]
