"""When the ticker writes ticks to `candidates-served` in place of a scorer."""

from collections.abc import Mapping, Sequence

from contracts.settings import JoinSettings, Settings
from contracts.topics import CANDIDATES_SERVED, TIMELINE_REQUESTS
from scoring.service import NAME
from streams.live_ticks import SCORERS, LiveTicks
from tests.support.installation import PARTITIONS
from transport.ports.kafka_records import Committed, LogRecord, Output, TopicPartition

SETTINGS = Settings(partitions=PARTITIONS, join=JoinSettings(label_window_ms=60_000))
NOW_MS = 1_790_000_000_000


class EmptyLogs:
    """A consumer of topics in which nothing happens, and a producer that keeps what it delivers."""

    def __init__(self) -> None:
        self.delivered: list[Output] = []

    def assign(self, offsets: Mapping[TopicPartition, int]) -> None:
        pass

    def position(self, partition: TopicPartition) -> int:
        return 0

    def begins(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    def ends(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        ticks = [TopicPartition(output.topic, output.partition or 0) for output in self.delivered]
        return {partition: ticks.count(partition) for partition in partitions}

    def read(
        self, partitions: Sequence[TopicPartition], most: int, timeout_s: float
    ) -> dict[TopicPartition, list[LogRecord]]:
        return {}

    def deliver(self, outputs: Sequence[Output]) -> None:
        self.delivered += outputs


class Scorers:
    """The scorers' group as the broker describes it."""

    def __init__(self, members: int, *, once: bool) -> None:
        self.now, self.once = members, once

    def members(self, group: str) -> int:
        assert group == SCORERS
        return self.now

    def committed(self, groups: Sequence[str]) -> dict[str, dict[TopicPartition, Committed]]:
        return {SCORERS: {TopicPartition(TIMELINE_REQUESTS.name, 0): Committed(5, "")}} if self.once else {}


class Clock:
    """A clock that is moved by hand."""

    seconds = 0.0

    def now_ms(self) -> int:
        return NOW_MS

    def monotonic_us(self) -> int:
        return int(self.seconds * 1_000_000)


def ticks_of(scorers: Scorers) -> tuple[LiveTicks, Clock, EmptyLogs]:
    clock, logs = Clock(), EmptyLogs()
    return LiveTicks(SETTINGS, logs, logs, scorers, clock), clock, logs  # type: ignore[arg-type]


def served(ticks: LiveTicks, logs: EmptyLogs) -> bool:
    """Whether the next ticks go to `candidates-served` too; the first look only learns what is idle."""
    ticks.write()
    logs.delivered.clear()
    ticks._ends = logs.ends(list(ticks._ends))
    assert ticks.write()
    return CANDIDATES_SERVED.name in {output.topic for output in logs.delivered}


def test_scorers_are_known_by_the_name_of_their_hop() -> None:
    assert SCORERS == NAME


def test_where_there_never_was_a_scorer_they_are_written_at_once() -> None:
    ticks, _, logs = ticks_of(Scorers(0, once=False))
    assert served(ticks, logs)


def test_a_running_scorer_passes_them_on_itself() -> None:
    ticks, clock, logs = ticks_of(Scorers(2, once=True))
    assert not served(ticks, logs)
    clock.seconds = 10_000
    assert not served(ticks, logs)


def test_a_scorer_that_was_stopped_is_waited_for_as_long_as_its_answers_could_be_labelled() -> None:
    scorers = Scorers(1, once=True)
    ticks, clock, logs = ticks_of(scorers)
    assert not served(ticks, logs)
    scorers.now = 0
    clock.seconds = 59
    assert not served(ticks, logs)
    clock.seconds = 61
    assert served(ticks, logs)


def test_a_ticker_that_finds_no_scorer_but_its_commits_waits_from_then_on() -> None:
    ticks, clock, logs = ticks_of(Scorers(0, once=True))
    assert not served(ticks, logs)
    clock.seconds = 61
    assert served(ticks, logs)
