"""Requests are written once ingest has processed the tweets before them."""

import asyncio

from contracts.topics import TIMELINE_REQUESTS, TWEETS
from driftline.cli.simulate import _begin_ms
from simulation.config import HOUR_MS
from simulation.world import World
from tests.driftline.test_feeding import Recorder, loop_of, run_loop
from tests.support.installation import INSTALLED
from tests.support.simulation_worlds import SMALL


async def test_no_request_is_written_before_ingest_has_the_tweets_before_it() -> None:
    world, recorder = World(SMALL, seed=1), Recorder()
    ingested = looks = 0

    async def behind() -> int:
        """An ingest that takes ten looks to get through what was written."""
        nonlocal ingested, looks
        looks += 1
        written = len(recorder.records(TWEETS))
        if looks % 10 == 0:
            ingested = written
        return written - ingested

    write = recorder.send

    async def checked_send(topic: object, *arguments: object) -> None:
        if topic is TIMELINE_REQUESTS:
            assert len(recorder.records(TWEETS)) - ingested <= 20
        await write(topic, *arguments)  # type: ignore[arg-type]

    recorder.send = checked_send  # type: ignore[assignment, method-assign]
    loop = loop_of(world, recorder, end_ms=world.begin_ms + HOUR_MS // 20, behind=behind)
    progress = await run_loop(loop, recorder)
    assert progress.requests == progress.answered > 10
    assert looks > 10
    assert progress.behind == 0


async def test_a_feed_that_waits_for_ingest_can_be_stopped() -> None:
    world, recorder, stopping = World(SMALL, seed=1), Recorder(), asyncio.Event()

    async def behind() -> int:
        return 1_000_000

    shown: list[tuple[int, float]] = []
    loop = loop_of(world, recorder, behind=behind)
    running = asyncio.create_task(loop.run(lambda fed: shown.append((fed.behind, fed.behind_s)), stopping))
    while not any(behind for behind, _ in shown):
        await asyncio.sleep(0.01)
    stopping.set()
    await asyncio.wait_for(running, 60)


def test_a_world_begins_where_event_time_stands() -> None:
    wanted = 1_767_225_600_000
    assert _begin_ms(wanted, None, INSTALLED) == wanted
    assert _begin_ms(wanted, wanted - 1, INSTALLED) == wanted
    for stands in (wanted, wanted + 1, wanted + 59_999, wanted + 60_000):
        begin = _begin_ms(wanted, stands, INSTALLED)
        assert begin > stands
        assert begin % 60_000 == 0
        assert begin - stands <= 60_000


def test_two_worlds_of_one_seed_at_different_times_share_no_id() -> None:
    first = World(SMALL, seed=1)
    later = World(type(SMALL)(**{**_fields(), "begin_ms": first.begin_ms + HOUR_MS}), seed=1)
    ids = []
    for world in (first, later):
        until = world.begin_ms + HOUR_MS // 4
        ids.append(
            {tweet.id for tweet in world.tweets(until)} | {ask.request_id for ask in world.requests(until)}  # type: ignore[operator]
        )
    assert not ids[0] & ids[1]


def _fields() -> dict[str, object]:
    return {name: getattr(SMALL, name) for name in type(SMALL).__dataclass_fields__}
