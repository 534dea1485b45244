"""The transactional producer for threads: aiokafka's, in an event loop of its own.

kafka-python's waits without end for a broker that goes away during a commit.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import TypeVar

from contracts.settings import Settings
from transport.kafka.clients import unavailable
from transport.kafka.transactional_producer import AiokafkaTransactionalProducer
from transport.ports.kafka_records import KafkaFailed, Output

ANSWER_S = 30.0  # a broker that has not answered a call after this is given up

ResultT = TypeVar("ResultT")


class BlockingTransactions:
    """`Kafka.own_blocking`: a context manager whose block gets itself, as the `Producer`."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._runner = asyncio.Runner()
        self._owned: AbstractAsyncContextManager[AiokafkaTransactionalProducer] | None = None

    def __enter__(self) -> "BlockingTransactions":
        """Own the id. Raises `ServerUnavailable`."""
        try:
            self._producer = self._runner.run(self._own())
        except KafkaFailed as error:
            self._runner.close()
            raise unavailable(self._settings, error) from error
        except BaseException:
            self._runner.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Close the connection. Raises `Fenced` in place of an error that came of another owner."""
        try:
            return self._runner.run(self._release(kind, error, trace))
        finally:
            self._runner.close()

    def deliver(self, outputs: Sequence[Output]) -> None:
        """See `Producer`. Call it once in a block."""
        if outputs:
            self._runner.run(self._in_time(self._producer.commit(outputs, {})))

    def close(self) -> None:
        """Nothing: the end of the block closes the connection."""

    async def _own(self) -> AiokafkaTransactionalProducer:
        owned = AiokafkaTransactionalProducer(self._settings, self._name, 0).owned()
        producer = await self._in_time(owned.__aenter__())
        self._owned = owned
        return producer

    async def _release(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return None if self._owned is None else await self._owned.__aexit__(kind, error, trace)

    async def _in_time(self, call: Awaitable[ResultT]) -> ResultT:
        try:
            return await asyncio.wait_for(call, ANSWER_S)
        except TimeoutError as error:
            raise unavailable(self._settings, f"no answer in {ANSWER_S:.0f} s") from error
