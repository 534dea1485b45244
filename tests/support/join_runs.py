"""Logs of served candidates and engagements, fed to a joiner in any order, and a plain reference of the join."""

import numpy as np

from contracts.columnar import CandidatesServed
from contracts.examples import deserialize_examples, serialize_examples
from contracts.records import ACTIONS, Engagement, Provenance
from contracts.settings import JoinSettings
from eventtime.watermark import ClockBefore
from featurestore.features import CANDIDATE_DENSE, FEATURE_SET, VIEWER_DENSE, VIEWER_SIDE
from featurestore.join.joiner import Joiner
from featurestore.join.open_requests import NOT_YET, JoinPosition
from featurestore.join.served_requests import check_served, unpack_served

BEGIN = 1_760_000_000_000  # times below are in ms after this
WINDOW = 10
SETTINGS = JoinSettings(label_window_ms=WINDOW)
LATENESS = 3


def served(request_id, at, tweets, viewer=1) -> CandidatesServed:
    n = len(tweets)
    return CandidatesServed(
        request_id=request_id,
        viewer_id=viewer,
        at_ms=BEGIN + at,
        ranker="model",
        model_version=3,
        vocab_version=2,
        bins_version=1,
        tokenizer=1,
        feature_set=FEATURE_SET,
        provenance=Provenance.SIMULATED_WORLD,
        tweet_ids=np.array(tweets, np.uint64),
        author_ids=np.zeros(n, np.uint64),
        probabilities=np.linspace(0.9, 0.1, n, dtype=np.float32),
        viewer_dense=np.full(len(VIEWER_DENSE), at, np.float32),
        viewer_lengths=np.array([1, 0], np.uint8),
        viewer_keys=np.array([viewer], np.uint64),
        candidate_dense=np.repeat(np.array(tweets, np.float32), len(CANDIDATE_DENSE)),
        candidate_lengths=np.tile(np.array([1, 0, 1, 0], np.uint8), n),
        candidate_keys=np.repeat(np.array(tweets, np.uint64), 2),
        viewer_weights=np.empty(0, np.float32),
        viewer_vectors=np.full(VIEWER_SIDE.vector_width, at % 100, np.float32),
        candidate_weights=np.empty(0, np.float32),
        candidate_vectors=np.empty(0, np.float32),
    )


def engagement(request_id, tweet, action, at, viewer=1) -> Engagement:
    return Engagement(
        viewer_id=viewer,
        tweet_id=tweet,
        author_id=0,
        action=action,
        at_ms=BEGIN + at,
        request_id=request_id,
    )


def with_watermarks(records):
    """([(record, offset, watermark before it)], watermark at the end). An int among the records is a tick."""
    newest, entries = NOT_YET, []
    for offset, record in enumerate(records):
        entries.append((record, offset, newest - LATENESS if newest > 0 else NOT_YET))
        newest = max(newest, record + BEGIN if isinstance(record, int) else record.at_ms)
    return entries, newest - LATENESS


class Run:
    """Feeds both logs to a joiner and keeps its outputs."""

    def __init__(self, served_log, engagement_log, config=SETTINGS):
        self.config = config
        self.served, self.served_end = with_watermarks(served_log)
        self.engagements, self.engagements_end = with_watermarks(engagement_log)
        self.next_served = self.next_engagement = 0
        self.joiner = Joiner(config)
        self.examples, self.unjoined, self.counted, self.closed_ms = [], [], [], NOT_YET

    def step(self, which: int, amount: int) -> None:
        for _ in range(amount):
            if which == 0 and self.next_served < len(self.served):
                self.feed_served(self.next_served)
                self.next_served += 1
            elif which == 1 and self.next_engagement < len(self.engagements):
                self.feed_engagement(self.next_engagement)
                self.next_engagement += 1

    def feed_served(self, i):
        record, offset, watermark = self.served[i]
        if isinstance(record, int):
            self.joiner.advance_served(watermark)
        else:
            check_served(record)
            (request,) = unpack_served([record])
            self.joiner.observe_served(request, offset, ClockBefore(watermark))

    def feed_engagement(self, i):
        record, offset, watermark = self.engagements[i]
        if isinstance(record, int):
            self.joiner.advance_engagements(watermark)
        else:
            self.joiner.observe_engagement(record, offset, 50_000 + offset, ClockBefore(watermark))

    def commit(self) -> tuple[JoinPosition, int, int]:
        """Take the outputs that are ready, and return the position that is committed with them."""
        for closed in self.joiner.close():
            self.examples += rows_of(closed.examples)
            assert (closed.counted_ms >= self.closed_ms).all()  # nothing is counted into a closed time
            self.counted += zip(rows_of(closed.examples), closed.counted_ms.tolist(), strict=True)
        self.closed_ms = self.joiner.closed_ms
        self.unjoined += [(u.offset, u.reason) for u in self.joiner.take_unjoined()]
        return self.joiner.needed(), self.next_served, self.next_engagement

    def crash(self, committed) -> None:
        """Lose everything since the commit, and rebuild a new joiner from the committed position."""
        position, self.next_served, self.next_engagement = committed
        self.joiner = Joiner(
            self.config, position, served_committed=self.next_served, engagements_committed=self.next_engagement
        )
        begin = self.next_served if position.served_offset is None else position.served_offset
        for i in range(begin, self.next_served):
            self.feed_served(i)
        begin = self.next_engagement if position.engagements_offset is None else position.engagements_offset
        for i in range(begin, self.next_engagement):
            self.feed_engagement(i)

    def finish(self):
        self.step(0, len(self.served))
        self.step(1, len(self.engagements))
        self.joiner.advance_served(self.served_end)
        self.joiner.advance_engagements(self.engagements_end)
        self.commit()
        return sorted(self.examples), sorted(self.unjoined)


def rows_of(piece):
    piece = deserialize_examples(serialize_examples(piece))
    return [
        (
            piece.request_ids[i],
            int(piece.tweet_ids[i]),
            int(piece.positions[i]),
            int(piece.at_ms[i]),
            int(piece.labels[i]),
            float(piece.weights[i]),
            int(piece.engaged_append_ms[i]),
            piece.features.candidate_dense[i].tolist(),
            piece.features.viewer_dense[piece.features.viewer_row[i]].tolist(),
            [bags[i].tolist() for bags in piece.features.candidate_keys.values()],
        )
        for i in range(len(piece))
    ]


def plain_join(served_log, engagement_log):
    """The join by the rule in `featurestore/join/joiner.py`, over whole logs.

    Returns (labels as sorted (request id, tweet, bits); unjoined engagements as sorted (offset, reason)).
    """
    served_entries, served_end = with_watermarks(served_log)
    entries, engagements_end = with_watermarks(engagement_log)
    labels: dict[tuple[int, int], int] = {}
    unjoined = []
    for e, offset, watermark in entries:
        if isinstance(e, int) or e.request_id is None:
            continue
        if e.at_ms < watermark:
            unjoined.append((offset, "late"))
            continue
        for r, place, read_ms in served_entries:
            if isinstance(r, int) or r.request_id != e.request_id or r.viewer_id != e.viewer_id:
                continue
            in_time = r.at_ms <= e.at_ms <= r.at_ms + WINDOW and watermark < r.at_ms + WINDOW
            if in_time and e.tweet_id in r.tweet_ids.tolist() and read_ms <= e.at_ms + WINDOW:
                labels[place, e.tweet_id] = labels.get((place, e.tweet_id), 0) | 1 << ACTIONS.index(e.action)
                break
        else:
            if e.at_ms + WINDOW < served_end:
                unjoined.append((offset, "orphan"))
    found = sorted(
        (r.request_id, tweet, bits)
        for (place, tweet), bits in labels.items()
        if (r := served_entries[place][0]).at_ms + WINDOW <= engagements_end
    )
    return found, sorted(unjoined)


def make_logs(random):
    """Two logs whose records mostly match, with duplicate request ids, jitter, late records and ticks."""
    served_log, engagement_log = [], []
    jitter = random.choice([0, 2, 8, 50])
    for _ in range(random.randint(1, 12)):
        at = random.randint(0, 60)
        request = served(
            random.choice("abcdefgh"), at, random.sample(range(1, 5), random.randint(1, 4)), random.choice([1, 1, 2])
        )
        served_log.append((at + random.randint(0, jitter), request))
        for _ in range(random.randint(0, 5)):
            when = max(0, at + random.randint(-1, WINDOW + 2))
            action = engagement(
                request.request_id, random.randint(1, 4), random.choice(ACTIONS), when, request.viewer_id
            )
            engagement_log.append((when + random.randint(0, jitter), action))
    for log in (served_log, engagement_log):
        log += [(at, at) for at in random.choices(range(70), k=random.randint(0, 4))]
        log.sort(key=lambda entry: entry[0])
    return [record for _, record in served_log], [record for _, record in engagement_log]
