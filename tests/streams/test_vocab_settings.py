"""Settings in the log hold from one window, whatever the batches."""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from contracts.codec import Codec, serialize
from contracts.columnar import VocabCounts
from contracts.errors import SettingsError
from contracts.records import SETTINGS_KEY, DeadLetter, Tick, VocabConfigured
from contracts.settings import Settings
from contracts.topics import TWEETS, VOCAB_COUNTS, dead_letters
from eventtime.ticks import TICK_KEY
from streams.ingest_processor import IngestProcessor
from tests.support.installation import INSTALLED, PARTITIONS
from tests.support.no_redis import NoRedis
from tests.support.pipeline_runs import (
    BEGIN_MS,
    record_of,
)
from tests.support.positions import begun
from tests.support.vocab_changes import BEGINNING, LATER
from transport.ports.kafka_records import LogRecord
from transport.processor import Output, Position
from vocab.rules import configured

WINDOW_MS = Settings().time.window_ms


settings_of_record = Codec(VocabConfigured).deserialize


def log_of(settings: Sequence[VocabConfigured | bytes]) -> list[LogRecord]:
    """Ticks of five windows, with settings after the third."""
    ticks = [serialize(Tick(tick_ms=BEGIN_MS + i * WINDOW_MS)) for i in range(5)]
    records = [(TICK_KEY, tick) for tick in ticks[:3]]
    records += [(SETTINGS_KEY, each if isinstance(each, bytes) else serialize(each)) for each in settings]
    records += [(TICK_KEY, tick) for tick in ticks[3:]]
    return [record_of(TWEETS, i, value, key) for i, (key, value) in enumerate(records)]


def outputs_of(records: Sequence[LogRecord], sizes: Sequence[int], committed: bool = True) -> list[Output]:
    async def run() -> list[Output]:
        processor = IngestProcessor(Settings(partitions=PARTITIONS, vocab=BEGINNING), None, 0, NoRedis())
        await processor.resume({TWEETS.name: Position(0, before)} if committed else begun(processor, [TWEETS]))
        outputs, begin = [], 0
        for size in [*sizes, len(records)]:
            if part := records[begin : begin + size]:
                outputs += await processor.process(part)
            begin += size
        return outputs

    processor = IngestProcessor(INSTALLED, None, 0, NoRedis())
    asyncio.run(processor.process(log_of([])[:1]))
    before = processor.metadata()
    return asyncio.run(run())


def windows(outputs: Sequence[Output]) -> list[int]:
    """Of the settings that the first owner gets."""
    mine = [output for output in outputs if output.topic == VOCAB_COUNTS.name and output.partition == 0]
    return [settings_of_record(output.value).from_window for output in mine if output.key == SETTINGS_KEY]


@pytest.mark.parametrize("sizes", [[], [1] * 9, [2, 2], [3, 1]])
def test_settings_get_the_first_window_that_their_source_has_not_closed_whatever_the_batches(sizes):
    records = log_of([configured(LATER), configured(LATER, 10**9)])
    outputs = outputs_of(records, sizes)
    closed = (BEGIN_MS + 2 * WINDOW_MS - Settings().time.lateness_ms) // WINDOW_MS - 1
    assert windows(outputs) == [closed + 1, 10**9]
    for partition in range(PARTITIONS):
        seen = []
        for output in outputs:
            if output.topic == VOCAB_COUNTS.name and output.partition == partition:
                is_settings = output.key == SETTINGS_KEY
                seen.append(("settings", 0) if is_settings else ("closed", _closed(output.value)))
        before = [window for kind, window in seen[: seen.index(("settings", 0))] if kind == "closed"]
        assert before[-1] == closed


def _closed(value: bytes) -> int:
    return Codec(VocabCounts).deserialize(value).closed_through


def test_the_first_batch_of_the_first_partition_says_what_its_worker_begins_with():
    assert windows(outputs_of(log_of([]), [1, 1], committed=False)) == [0]
    assert windows(outputs_of(log_of([]), [1, 1])) == []


def test_keys_counted_into_other_shards_are_not_gone_on_from():
    async def resumed(processor: IngestProcessor, metadata: str) -> None:
        await processor.resume({TWEETS.name: Position(5, metadata)})

    former = IngestProcessor(Settings(partitions=PARTITIONS, vocab=BEGINNING), None, 0, NoRedis())
    asyncio.run(resumed(former, former.metadata()))
    wider = Settings(partitions=PARTITIONS, vocab=msgspec.structs.replace(BEGINNING, shards=16))
    with pytest.raises(SettingsError, match=r"into 64 virtual shards.*vocab.shards is 16.*driftline vocab reshard"):
        asyncio.run(resumed(IngestProcessor(wider, None, 0, NoRedis()), former.metadata()))


def test_settings_that_no_owner_could_go_by_are_dead_letters():
    good = configured(LATER)
    no_viewers = {**good.kinds, "viewer": msgspec.structs.replace(good.kinds["viewer"], rare_slots=0)}
    bad = {
        "malformed": b"{",
        "foreign_vocabulary": msgspec.structs.replace(good, vocabulary="other"),
        "bad_settings": msgspec.structs.replace(good, kinds=no_viewers),
    }
    other_shards = msgspec.structs.replace(good, shards=16)
    outputs = outputs_of(log_of([*bad.values(), other_shards]), [])
    letters = [output for output in outputs if output.topic == dead_letters(TWEETS).name]
    assert [Codec(DeadLetter).deserialize(letter.value).reason for letter in letters] == [*bad, "bad_settings"]
    assert windows(outputs) == []
