"""What the transactional producer changes of aiokafka's own."""

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.producer.producer import AIOKafkaProducer

from contracts.settings import Settings
from transport.kafka import aiokafka_private
from transport.kafka.transactional_producer import AiokafkaTransactionalProducer


async def drained_batch(producer: AIOKafkaProducer):
    """A batch of one record, taken out to be sent."""
    accumulator, partition = producer._message_accumulator, TopicPartition("topic", 0)
    producer._txn_manager.set_pid_and_epoch(1, 0)
    producer._txn_manager.begin_transaction()
    producer._txn_manager.maybe_add_partition_to_txn(partition)
    producer._txn_manager.partition_added(partition)
    batch = accumulator._append_batch(accumulator.create_builder(), partition)
    assert batch.append(b"key", b"value", None) is not None
    return accumulator._pop_batch(partition)


async def test_a_batch_that_failed_while_its_retry_waited_is_let_go():
    producer = AiokafkaTransactionalProducer(Settings(), "hop", 0)._client
    accumulator, batch = producer._message_accumulator, await drained_batch(producer)
    accumulator.fail_all(KafkaError("the sender died"))
    await accumulator.flush()
    accumulator.reenqueue(batch)
    assert not accumulator._batches
    batch.future.exception()
    await producer.stop()


async def test_a_batch_that_may_still_be_delivered_is_sent_again():
    producer = AiokafkaTransactionalProducer(Settings(), "hop", 0)._client
    accumulator, batch = producer._message_accumulator, await drained_batch(producer)
    accumulator.reenqueue(batch)
    assert list(accumulator._batches[TopicPartition("topic", 0)]) == [batch]
    batch.failure(KafkaError("the end of the test"))
    batch.future.exception()
    aiokafka_private.retrieve_failures(producer)
    accumulator._batches.clear()
    await producer.stop()
