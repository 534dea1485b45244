"""The closed loop: order and ticks without servers, then a whole replay and simulation on a real Kafka."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

import pytest

from contracts.codec import Codec
from contracts.errors import SettingsError
from contracts.records import Engagement, Tick, TimelineRequest, Tweet
from contracts.settings import Settings
from contracts.topics import ENGAGEMENTS, TIMELINE_REQUESTS, TWEETS, Topic
from driftline.feeding.loop import FeedConfig, FeedLoop, Progress
from driftline.feeding.pace import Pace, parse_speed
from driftline.feeding.sorting import TweetSorter
from simulation.config import HOUR_MS
from simulation.viewers import RecordedWorld, ViewersConfig
from simulation.world import World
from tests.support.simulation_worlds import SMALL, answer
from transport.replay_writer import ReplayWriter

EPOCH = 3  # of the declared replay
_ticks = Codec(Tick)
_codecs = {
    TWEETS.name: Codec(Tweet),
    ENGAGEMENTS.name: Codec(Engagement),
    TIMELINE_REQUESTS.name: Codec(TimelineRequest),
}


def time_of(record: object) -> int:
    return record.created_ms if isinstance(record, Tweet) else record.at_ms  # type: ignore[attr-defined]


class Recorder:
    """Has a writer's face, and keeps (topic, is a tick, event time, record) of all that is written."""

    def __init__(self) -> None:
        self.written: list[tuple[str, bool, int, object]] = []

    async def send(self, topic: Topic, key: bytes | None, value: bytes, partition: int | None = None) -> None:
        record = _codecs[topic.name].deserialize(value)
        self.written.append((topic.name, False, time_of(record), record))

    async def send_tick(self, topics: Sequence[Topic], tick_ms: int, epoch: int) -> None:
        assert epoch == EPOCH
        self.written += [(topic.name, True, tick_ms, None) for topic in topics]

    async def flush(self) -> None:
        pass

    def records(self, topic: Topic) -> list[object]:
        return [record for name, tick, _, record in self.written if name == topic.name and not tick]


def loop_of(world: World | RecordedWorld, recorder: Recorder, look_s: float = 0.001, **config: object) -> FeedLoop:
    clock = iter(range(10**9))
    return FeedLoop(
        Settings(), world, FeedConfig(**config), ReplayWriter(recorder, Settings().time, EPOCH),  # type: ignore[arg-type]
        lambda: next(clock) * look_s,
    )  # fmt: skip


async def answer_all(
    loop: FeedLoop, recorder: Recorder, *, lag: int = 0, except_for: frozenset[str] = frozenset()
) -> None:
    """A scorer that answers requests in order, `lag` of them late, and some of them never."""
    done = 0
    while not loop.finished:
        asks = recorder.records(TIMELINE_REQUESTS)
        for ask in asks[done : max(done, len(asks) - lag)]:
            assert isinstance(ask, TimelineRequest)
            if ask.request_id not in except_for:
                loop.answer(answer(ask))
            done += 1
        lag = 0 if loop.progress.final_ms or loop.progress.event_ms >= (loop._config.end_ms or 0) else lag
        await asyncio.sleep(0)


async def run_loop(loop: FeedLoop, recorder: Recorder, **scorer: object) -> Progress:
    scoring = asyncio.create_task(answer_all(loop, recorder, **scorer))  # type: ignore[arg-type]
    await loop.run(lambda progress: None, asyncio.Event())
    loop.finished = True
    await scoring
    return loop.progress


def assert_nothing_is_late(recorder: Recorder) -> None:
    """On each topic no event is older than a tick before it, and ticks only rise."""
    reached: dict[str, int] = defaultdict(int)
    for topic, tick, at_ms, _ in recorder.written:
        if tick:
            assert at_ms > reached[topic]
            reached[topic] = at_ms
        else:
            assert at_ms >= reached[topic]


async def test_engagements_come_in_order_of_event_time_though_answers_lag() -> None:
    world, recorder = World(SMALL, seed=1), Recorder()
    loop = loop_of(world, recorder, end_ms=world.begin_ms + HOUR_MS // 4)
    progress = await run_loop(loop, recorder, lag=25)
    assert progress.requests == progress.answered > 150
    engagements = recorder.records(ENGAGEMENTS)
    assert progress.engagements == len(engagements) > 1_000
    times = [time_of(event) for event in engagements]
    assert times == sorted(times)
    assert_nothing_is_late(recorder)


@pytest.mark.slow
@pytest.mark.slow
async def test_an_unanswered_request_holds_time_on_engagements_until_it_is_given_up() -> None:
    world, recorder = World(SMALL, seed=1), Recorder()
    held = World(SMALL, seed=1).requests(world.begin_ms + HOUR_MS // 8)[3]
    loop = loop_of(world, recorder, end_ms=world.begin_ms + HOUR_MS // 4, give_up_s=0.3)
    progress = await run_loop(loop, recorder, except_for=frozenset([held.request_id]))
    assert (progress.given_up, progress.answered) == (1, progress.requests - 1)
    sent = next(i for i, (_, _, _, record) in enumerate(recorder.written) if record == held)
    after = [at_ms for topic, tick, at_ms, _ in recorder.written[sent:] if topic == ENGAGEMENTS.name and tick]
    assert after[0] == held.at_ms - 1, "time stands just before it"
    assert after[1] > held.at_ms, "then it was given up"
    assert_nothing_is_late(recorder)


async def test_event_time_waits_while_too_many_requests_are_unanswered() -> None:
    world, recorder = World(SMALL, seed=2), Recorder()
    loop = loop_of(world, recorder, end_ms=world.begin_ms + HOUR_MS, most_outstanding=20, give_up_s=10**6)
    most, answered_once = 0, False

    def look(progress: Progress) -> None:
        nonlocal most, answered_once
        most = max(most, progress.outstanding)
        if progress.outstanding > 20:
            assert answered_once or progress.event_ms < world.begin_ms + HOUR_MS
            asks = recorder.records(TIMELINE_REQUESTS)
            for ask in asks[-progress.outstanding :]:
                assert isinstance(ask, TimelineRequest)
                loop.answer(answer(ask))
            answered_once = True

    stopping = asyncio.Event()
    running = asyncio.create_task(loop.run(look, stopping))
    while loop.progress.event_ms < world.begin_ms + HOUR_MS:
        await asyncio.sleep(0)
    stopping.set()
    await running
    assert answered_once
    assert most < 20 + 80, "a step's worth past the limit"
    assert loop.progress.waited_s > 0


async def test_a_rate_is_kept_whatever_the_speed() -> None:
    world, recorder = World(SMALL, seed=1), Recorder()
    end_ms = world.begin_ms + HOUR_MS // 20
    loop = loop_of(world, recorder, look_s=0.02, end_ms=end_ms, tweets_per_s=50.0, give_up_s=10**6)
    began = loop._wall_s()
    progress = await run_loop(loop, recorder)
    assert loop._wall_s() - began > progress.tweets / 50.0 - 1.0 > 1.0


async def test_the_end_closes_label_windows_on_every_topic() -> None:
    settings = Settings()
    world, recorder = World(SMALL, seed=1), Recorder()
    loop = loop_of(world, recorder, end_ms=world.begin_ms + HOUR_MS // 10, closing_windows=3)
    progress = await run_loop(loop, recorder)
    last = {topic: at_ms for topic, _, at_ms, _ in recorder.written}
    assert set(last.values()) == {progress.final_ms}
    least = settings.join.label_window_ms + settings.time.lateness_ms + 3 * settings.time.window_ms
    assert progress.final_ms >= max(time_of(event) for event in recorder.records(ENGAGEMENTS)) + least


async def test_gaps_in_the_data_are_announced_by_ticks() -> None:
    times = [1_500_000_000_000 + i * 3 * HOUR_MS for i in range(300)]
    tweets = [Tweet(id=i, created_ms=at, author_id=i, author="a", text="t") for i, at in enumerate(times)]
    recorder = Recorder()
    loop = loop_of(RecordedWorld(tweets, ViewersConfig(viewers=0), 1), recorder)
    await run_loop(loop, recorder)
    assert recorder.records(TWEETS) == tweets
    reached = 0
    for topic, tick, at_ms, _ in recorder.written:
        if topic == TWEETS.name:
            if tick:
                reached = at_ms
            assert at_ms <= reached + Settings().time.lateness_ms, "a worker would take it for a wrong clock"


async def test_stopping_drains_without_waiting_for_answers() -> None:
    world, recorder = World(SMALL, seed=1), Recorder()
    loop = loop_of(world, recorder, give_up_s=10**6)
    stopping = asyncio.Event()
    await loop.run(lambda progress: stopping.set() if progress.requests > 20 else None, stopping)
    assert loop.progress.given_up == loop.progress.requests
    assert loop.progress.final_ms > loop.progress.event_ms


def test_speed_scales_gaps_and_pauses_are_not_made_up_for() -> None:
    pace = Pace(100.0, event_ms=1_000_000, wall_s=5.0)
    assert pace.next_step(5.25, 0) == 1_025_000
    assert pace.next_step(65.0, 0) == 1_050_000
    assert (parse_speed("100x"), parse_speed("0.5"), parse_speed("max")) == (100.0, 0.5, None)
    for bad in ("fast", "-1x", "0", "inf", "nan"):
        with pytest.raises(SettingsError, match="--speed"):
            parse_speed(bad)


@pytest.mark.parametrize("run_tweets", [7, 1_000])
def test_sorting_is_by_time_and_stable_within_it(run_tweets: int) -> None:
    tweets = [
        Tweet(id=i, created_ms=1_500_000_000_000 + (i * 37 % 11), author_id=1, author="a", text=f"né {i}")
        for i in range(100)
    ]
    with TweetSorter(run_tweets) as sorter:
        for tweet in tweets:
            sorter.add(tweet)
        assert list(sorter.sorted_tweets()) == sorted(tweets, key=lambda tweet: tweet.created_ms)
        assert (sorter.count, sorter.first_ms, sorter.last_ms) == (100, 1_500_000_000_000, 1_500_000_000_010)
