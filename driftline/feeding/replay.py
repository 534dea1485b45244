"""Replays a file to Kafka: unreadable rows become dead letters, tweets are published in order of event time."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from contracts.codec import serialize
from contracts.errors import BadSource
from contracts.settings import Settings
from contracts.topics import TWEETS, dead_letters
from driftline.feeding.follow_ingest import following_ingest
from driftline.feeding.loop import FeedConfig, Progress, feed
from driftline.feeding.sorting import TweetSorter
from simulation.viewers import RecordedWorld, ViewersConfig
from sources import Rejected, Source
from transport.kafka.publisher import KafkaPublisher
from transport.kafka.record_writer import RecordWriter

_ROWS_BETWEEN_REPORTS = 2_000
_FIRST_REJECTED = 3


@dataclass(slots=True)
class Reading:
    """Progress of reading a file. counts: rows by outcome: `tweets`, `duplicate`, or the reason of a rejection.

    rejected: the first rows that are no tweets.
    """

    rows: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    first_ms: int | None = None
    last_ms: int | None = None
    done: bool = False


async def read_into(
    sorter: TweetSorter,
    source: Source,
    writer: RecordWriter,
    *,
    limit: int | None,
    on_reading: Callable[[Reading], None],
    stopping: asyncio.Event,
) -> Reading:
    """Read the file (its first `limit` tweets) into `sorter`; rejected rows go to `tweets-dead-letters`.

    Raises `BadSource` for a damaged file.
    """
    reading = Reading()
    for found in source:
        reading.rows += 1
        if isinstance(found, Rejected):
            if len(reading.rejected) < _FIRST_REJECTED:
                reading.rejected.append(found)
            await writer.send(dead_letters(TWEETS), None, serialize(found.dead_letter()))
        else:
            sorter.add(found)
        if reading.rows % _ROWS_BETWEEN_REPORTS == 0:
            _report(reading, sorter, source, on_reading)
            await asyncio.sleep(0)
        if stopping.is_set() or sorter.count == limit:
            break
    await writer.flush()
    reading.done = True
    _report(reading, sorter, source, on_reading)
    return reading


def _no_tweet(source: Source, reading: Reading) -> str:
    first = "".join(f"\n  row {of.row} of {of.origin}: {of.reason}: {of.detail}" for of in reading.rejected)
    return (
        f"{source.name}: of {reading.rows} rows none is a tweet. The first:{first}\n"
        "All of them are dead letters: `driftline dead-letters list --topic tweets`"
        if reading.rows
        else f"{source.name}: there is nothing in it"
    )


def _report(reading: Reading, sorter: TweetSorter, source: Source, on_reading: Callable[[Reading], None]) -> None:
    reading.counts = dict(source.counts)
    reading.first_ms, reading.last_ms = sorter.first_ms, sorter.last_ms
    on_reading(reading)


async def replay(
    source: Source,
    settings: Settings,
    config: FeedConfig,
    *,
    viewers: int,
    seed: int,
    limit: int | None,
    on_reading: Callable[[Reading], None],
    on_progress: Callable[[Progress], None],
    stopping: asyncio.Event,
) -> tuple[Reading, Progress]:
    """Read, sort and feed one file. viewers: how many to simulate; 0 feeds only the tweets.

    Raises `BadSource` if nothing in it is a tweet.
    """
    with TweetSorter() as sorter:
        async with KafkaPublisher(settings) as writer:
            reading = await read_into(sorter, source, writer, limit=limit, on_reading=on_reading, stopping=stopping)
            if sorter.count == 0:
                if not stopping.is_set():
                    raise BadSource(_no_tweet(source, reading))
                return reading, Progress()
            world = RecordedWorld(sorter.sorted_tweets(), ViewersConfig(viewers=viewers), seed)
            if viewers == 0:
                config = replace(config, nobody_asks=True)
                return reading, await feed(settings, writer, world, config, on_progress, stopping)
            async with following_ingest(settings) as behind:
                config = replace(config, behind=behind)
                return reading, await feed(settings, writer, world, config, on_progress, stopping)
