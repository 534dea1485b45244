"""The exactly-once hop in one process: aborts, resuming, transaction markers, back-pressure, errors that surface."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError
from kafka.admin import NewPartitions

from contracts.errors import ServerUnavailable, TopicsDiffer
from contracts.partitioning import record_key
from contracts.settings import Settings
from contracts.topics import CANDIDATES_SERVED, ENGAGEMENTS, HOP_STARTS, MODELS, TWEETS, VOCAB_COUNTS, Topic
from tests.support.installation import PARTITIONS
from tests.support.transport_hops import Counting, assert_each_counted_once, drained, eventually, read_visible
from transport.hop.hop import ExactlyOnceHop, Output
from transport.kafka import admin as kafka_admin
from transport.kafka import aiokafka_consumer
from transport.kafka.clients import admin
from transport.kafka.cluster import KafkaCluster
from transport.kafka.writer import KafkaWriter
from transport.ports.kafka_records import LogRecord


async def write(settings: Settings, topic: Topic, count: int) -> None:
    async with KafkaWriter(settings) as writer:
        for number in range(count):
            await writer.send(topic, record_key(number), b"%d" % number)


@asynccontextmanager
async def running(
    settings: Settings, topics: Sequence[Topic], make: Callable[[int], Counting], max_records: int = 50
) -> AsyncIterator[ExactlyOnceHop]:
    hop = ExactlyOnceHop(
        KafkaCluster(settings), "hop", topics, make, partitions=PARTITIONS, max_records=max_records, linger_ms=0
    )
    task = asyncio.create_task(hop.run())
    try:
        yield hop
    finally:
        await hop.stop()
        await task


async def test_a_batch_that_fails_is_aborted_and_processed_again_by_a_new_processor(settings: Settings) -> None:
    kafka_admin.apply(settings, [TWEETS, VOCAB_COUNTS, HOP_STARTS])
    await write(settings, TWEETS, 600)
    made: list[int] = []

    class FailingOnce(Counting):
        async def process(self, records: Sequence[LogRecord]) -> Sequence[Output]:
            outputs = await super().process(records)
            if made.count(records[0].partition) == 1 and self.count > 70:
                raise ServerUnavailable("a store that the processor needs is away")
            return outputs

    def make(number: int) -> Counting:
        made.append(number)
        return FailingOnce(settings)

    async with running(settings, [TWEETS], make):
        await drained(settings, "hop")
    assert sorted(made) == [0, 0, 1, 1, 2, 2, 3, 3]
    await assert_each_counted_once(settings)


async def test_transactions_aborted_data_and_their_markers_are_passed_in_reading_and_in_replaying(
    settings: Settings,
) -> None:
    kafka_admin.apply(settings, [VOCAB_COUNTS, CANDIDATES_SERVED, HOP_STARTS])
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka, transactional_id=settings.prefix + "upstream")
    async with producer:
        for transaction in range(12):
            await producer.begin_transaction()
            for partition in range(PARTITIONS):
                for _ in range(10):
                    await producer.send(settings.prefix + VOCAB_COUNTS.name, b"x", partition=partition)
            await producer.flush()
            await (producer.abort_transaction() if transaction % 3 == 1 else producer.commit_transaction())
    made: list[Counting] = []

    def make(number: int) -> Counting:
        made.append(Counting(settings, VOCAB_COUNTS, CANDIDATES_SERVED))
        return made[-1]

    async with running(settings, [VOCAB_COUNTS], make, max_records=7):
        await drained(settings, "hop", [VOCAB_COUNTS])  # which passes the last marker: no lag stays for ever
    await assert_each_counted_once(settings, VOCAB_COUNTS, CANDIDATES_SERVED)
    made.clear()

    async def have_rebuilt() -> bool:
        return [processor.count for processor in made] == [80] * 4

    async with running(settings, [VOCAB_COUNTS], make, max_records=7):
        await eventually(have_rebuilt, "all processors have the state of the committed offsets")
    assert all(processor.replayed and max(processor.replayed) <= 7 for processor in made)


async def test_a_batch_without_outputs_still_advances_the_offsets(settings: Settings) -> None:
    kafka_admin.apply(settings, [TWEETS, HOP_STARTS])

    class Silent(Counting):
        async def process(self, records: Sequence[LogRecord]) -> Sequence[Output]:
            await super().process(records)
            return []

    await write(settings, TWEETS, 100)
    async with running(settings, [TWEETS], lambda number: Silent(settings)):
        await drained(settings, "hop")


async def test_a_paused_topic_waits_while_its_co_partitioned_one_is_read(settings: Settings) -> None:
    kafka_admin.apply(settings, [TWEETS, ENGAGEMENTS, VOCAB_COUNTS, HOP_STARTS])
    await write(settings, ENGAGEMENTS, 100)
    await write(settings, TWEETS, 100)
    open_gate = asyncio.Event()
    seen: list[tuple[str, int]] = []

    class Paused(Counting):
        async def process(self, records: Sequence[LogRecord]) -> Sequence[Output]:
            seen.extend((record.topic, record.partition) for record in records)
            return [Output(VOCAB_COUNTS.name, b"%d" % record.partition) for record in records]

        def paused(self) -> frozenset[str]:
            return frozenset() if open_gate.is_set() else frozenset({ENGAGEMENTS.name})

    async with running(settings, [TWEETS, ENGAGEMENTS], lambda number: Paused(settings)):
        await drained(settings, "hop", [TWEETS])
        assert {topic for topic, _ in seen} == {TWEETS.name}
        open_gate.set()
        await drained(settings, "hop", [TWEETS, ENGAGEMENTS])
    assert len(seen) == 200
    visible = await read_visible(settings, VOCAB_COUNTS)  # neither key nor partition: the input partition's number
    assert all(record.value == b"%d" % number for number, records in visible.items() for record in records)


async def test_an_error_of_the_processors_own_ends_the_hop_and_commits_nothing(settings: Settings) -> None:
    kafka_admin.apply(settings, [TWEETS, VOCAB_COUNTS, HOP_STARTS])
    await write(settings, TWEETS, 100)

    class Broken(Counting):
        async def process(self, records: Sequence[LogRecord]) -> Sequence[Output]:
            raise ZeroDivisionError("a bug")

    hop = ExactlyOnceHop(
        KafkaCluster(settings), "hop", [TWEETS], lambda number: Broken(settings), partitions=PARTITIONS
    )
    with pytest.raises(ZeroDivisionError):
        await hop.run()
    committed = kafka_admin.committed(settings, "hop")[TWEETS.name]
    assert {number: at.offset for number, at in committed.items()} == dict.fromkeys(range(4), 0)
    await hop.stop()  # which is safe to call again


async def test_a_hop_waits_for_its_topics_and_says_how_to_make_them(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="transport")
    async with running(settings, [TWEETS], lambda number: Counting(settings)) as hop:
        await eventually(lambda: says(caplog, "driftline topics apply"), "the hop says what is missing")
        await asyncio.to_thread(kafka_admin.apply, settings, [TWEETS, VOCAB_COUNTS, HOP_STARTS])
        await eventually(lambda: owns(hop, 4), "the hop begins")


async def says(caplog: pytest.LogCaptureFixture, words: str) -> bool:
    return any(words in record.getMessage() for record in caplog.records)


async def owns(hop: ExactlyOnceHop, partitions: int) -> bool:
    return len(hop.partitions) == partitions


async def test_a_broker_that_is_away_is_waited_for_and_named_without_a_stack_trace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = Settings(kafka="127.0.0.1:1")
    hop = ExactlyOnceHop(
        KafkaCluster(settings), "hop", [TWEETS], lambda number: Counting(settings), partitions=PARTITIONS
    )
    task = asyncio.create_task(hop.run())
    await eventually(lambda: says(caplog, "127.0.0.1:1 (setting DRIFTLINE_KAFKA)"), "the hop names what it waits for")
    assert not any(record.exc_info for record in caplog.records if record.name.startswith("transport"))
    await hop.stop()
    await task


async def test_a_broker_that_has_only_just_started_is_tried_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka_admin.apply(settings, [TWEETS, VOCAB_COUNTS, HOP_STARTS])
    await write(settings, TWEETS, 100)
    start, failed = AIOKafkaProducer.start, set()

    async def fail_once(producer: AIOKafkaProducer) -> None:
        if producer._txn_manager.transactional_id not in failed:
            failed.add(producer._txn_manager.transactional_id)
            raise AssertionError("Did we not perform bootstrap?")
        await start(producer)

    monkeypatch.setattr(AIOKafkaProducer, "start", fail_once)
    async with running(settings, [TWEETS], lambda number: Counting(settings)):
        await drained(settings, "hop")
    assert len(failed) == PARTITIONS
    await assert_each_counted_once(settings)


async def test_a_group_membership_that_broke_down_is_begun_anew(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka_admin.apply(settings, [TWEETS, VOCAB_COUNTS, HOP_STARTS])
    consumers: list[AIOKafkaConsumer] = []
    start = AIOKafkaConsumer.start

    async def start_watched(consumer: AIOKafkaConsumer) -> None:
        if consumer._group_id is not None:
            consumers.append(consumer)
        await start(consumer)

    monkeypatch.setattr(AIOKafkaConsumer, "start", start_watched)
    hop = ExactlyOnceHop(
        KafkaCluster(settings), "hop", [TWEETS], lambda number: Counting(settings), partitions=PARTITIONS, linger_ms=0
    )
    task = asyncio.create_task(hop.run())
    await eventually(lambda: owns(hop, 4), "the hop begins")
    consumers[0]._coordinator._pending_exception = KafkaError("the coordination broke down")

    async def joined_again() -> bool:
        return len(consumers) == 2

    await eventually(joined_again, "the hop joins its group again")
    monkeypatch.undo()
    await write(settings, TWEETS, 100)
    await drained(settings, "hop")
    await hop.stop()
    await task
    await assert_each_counted_once(settings)


async def test_partitions_assigned_while_the_hop_leaves_are_not_begun(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka_admin.apply(settings, [TWEETS, VOCAB_COUNTS, HOP_STARTS])
    stop = AIOKafkaConsumer.stop

    async def stop_after_a_rebalance(consumer: AIOKafkaConsumer) -> None:
        if consumer._group_id is not None:
            await consumer._subscription.listener.on_partitions_assigned(consumer.assignment())
        await stop(consumer)

    monkeypatch.setattr(AIOKafkaConsumer, "stop", stop_after_a_rebalance)
    async with running(settings, [TWEETS], lambda number: Counting(settings)) as hop:
        await eventually(lambda: owns(hop, 4), "the hop begins")
    assert hop.partitions == []


async def test_topics_with_another_number_of_partitions_are_refused(settings: Settings) -> None:
    kafka_admin.apply(settings, [TWEETS, MODELS, HOP_STARTS])
    for topics, count in (([TWEETS], 5), ([TWEETS, MODELS], 4)):
        hop = ExactlyOnceHop(
            KafkaCluster(settings), "hop", topics, lambda number: Counting(settings), partitions=count
        )
        with pytest.raises(TopicsDiffer, match=rf"hop hop reads topics of {count} partitions"):
            await hop.run()


async def test_a_topic_that_gets_more_partitions_ends_the_hop(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aiokafka_consumer, "METADATA_AGE_MS", 300)
    kafka_admin.apply(settings, [TWEETS, HOP_STARTS])
    hop = ExactlyOnceHop(
        KafkaCluster(settings), "hop", [TWEETS], lambda number: Counting(settings), partitions=PARTITIONS
    )
    running = asyncio.create_task(hop.run())
    await eventually(lambda: owns(hop, PARTITIONS), "the hop begins")
    with admin(settings) as client:
        client.create_partitions({settings.prefix + TWEETS.name: NewPartitions(6)})
    with pytest.raises(TopicsDiffer, match=r"no longer have 4 partitions each"):
        await running
