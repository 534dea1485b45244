"""Snapshots of an owner's counters and histories, on the compacted topic `feature-state`.

`feature-updates` is kept for a week, and counters count for ever. So every SNAPSHOT_EVERY_MS the owner copies what
Redis holds of its entities into the log, a step with each batch, in the batch's own transaction. A wiped Redis gets
the newest snapshot back, and then the updates since it began.

A snapshot is not of one moment: values change while it is taken. Each value carries the version of the last update
in it, and an owner skips updates that a value already includes. So the values of a snapshot and all updates from its
`begin` on make the state, whatever each value had when it was copied. Redis' SCAN returns every key that is there
from the beginning to the end; a key that comes later has an update after `begin`.
"""

import itertools
import logging

import msgspec
import zstandard

from contracts.codec import Codec, serialize
from contracts.errors import SnapshotInvalid
from contracts.frames import Frame
from contracts.topics import FEATURE_STATE
from featurestore.store.writer import FeatureOwner
from transport.kafka.state_log import read_partition
from transport.metrics import FEATURE_SNAPSHOT
from transport.ports.kafka import Kafka
from transport.processor import Output

SNAPSHOT_EVERY_MS = 6 * 3_600_000  # by the append times of updates; well within their retention
CHUNK_VALUES = 4_096  # at most some 1.2 MB
NEWEST = b"newest"  # key of the record that names the newest snapshot

log = logging.getLogger(__name__)


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A whole snapshot. Its chunks have the keys `number.0`, `number.1`, ...

    topic_id, base: of `feature-updates` and of the owner's positions when it was taken. begin: the offset from which
    updates must be read after it. end: base + offset that no value is newer than. at_ms: append time of the update
    before `begin`.
    """

    number: int
    chunks: int
    topic_id: str
    base: int
    begin: int
    end: int
    at_ms: int


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot that is being taken, and how many of its chunks are in the log."""

    number: int
    chunks: int


class FeatureMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """Committed with the offset: the base of the owner's positions, and its snapshots."""

    base: int = 0
    newest: Snapshot | None = None
    begun: Begun | None = None


class _Chunk(Frame, frozen=True, kw_only=True):
    """Values of some entities, by their Redis keys without the owner's head."""

    keys: list[bytes]
    values: list[bytes]


_chunk = Codec(_Chunk).deserialize
_newest = msgspec.json.Decoder(Snapshot)


class FeatureSnapshots:
    """Takes the snapshots of one partition's owner."""

    def __init__(self, owner: FeatureOwner, partition: int, topic_id: str, former: FeatureMetadata) -> None:
        self._owner = owner
        self._partition = partition
        self._topic_id = topic_id
        self._newest = former.newest
        self._begun = former.begun
        self._taking: _Taking | None = None  # a snapshot begun by an owner before is never ended
        self._show()

    def _show(self) -> None:
        if self._newest is not None:
            FEATURE_SNAPSHOT.labels(str(self._partition)).set(self._newest.at_ms / 1000)

    def metadata(self) -> str:
        """For the commit of the batch."""
        found = FeatureMetadata(base=self._owner.base, newest=self._newest, begun=self._begun)
        return msgspec.json.encode(found).decode()

    async def advance(self, reached: int, at_ms: int) -> list[Output]:
        """The next step of a snapshot that is due: records for the batch that has reached offset `reached`.

        at_ms: append time of the batch's last record.
        """
        outputs: list[Output] = []
        if self._taking is None:
            if self._newest is not None and at_ms - self._newest.at_ms < SNAPSHOT_EVERY_MS:
                return []
            outputs += self._forget(self._begun)
            number = max((of.number for of in (self._newest, self._begun) if of is not None), default=0) + 1
            self._taking = _Taking(number, reached, at_ms)
        outputs += await self._step(self._taking, reached)
        return outputs

    async def _step(self, taking: "_Taking", reached: int) -> list[Output]:
        taking.cursor, values = await self._owner.scan(taking.cursor)
        taking.values |= values
        outputs = []
        while len(taking.values) >= CHUNK_VALUES or (taking.values and not taking.cursor):
            keys = list(itertools.islice(taking.values, CHUNK_VALUES))
            chunk = serialize(_Chunk(keys=keys, values=[taking.values.pop(key) for key in keys]))
            outputs.append(self._output(_key(taking.number, taking.chunks), zstandard.compress(chunk)))
            taking.chunks += 1
        self._begun = Begun(number=taking.number, chunks=taking.chunks)
        if not taking.cursor:
            outputs += self._end(taking, reached)
        return outputs

    def _end(self, taking: "_Taking", reached: int) -> list[Output]:
        former, base = self._newest, self._owner.base
        self._newest = Snapshot(
            number=taking.number,
            chunks=taking.chunks,
            topic_id=self._topic_id,
            base=base,
            begin=taking.begin,
            end=base + reached,
            at_ms=taking.at_ms,
        )
        self._taking = self._begun = None
        self._show()
        return [self._output(NEWEST, msgspec.json.encode(self._newest)), *self._forget(former)]

    def _forget(self, of: Snapshot | Begun | None) -> list[Output]:
        return [] if of is None else [self._output(_key(of.number, chunk), None) for chunk in range(of.chunks)]

    def _output(self, key: bytes, value: bytes | None) -> Output:
        return Output(FEATURE_STATE.name, value, key=key, partition=self._partition)


class _Taking:
    """How far a snapshot is; `values` are not in the log yet."""

    def __init__(self, number: int, begin: int, at_ms: int) -> None:
        self.number, self.begin, self.at_ms = number, begin, at_ms
        self.cursor = self.chunks = 0
        self.values: dict[bytes, bytes] = {}


async def find_snapshots(kafka: Kafka, partition: int) -> FeatureMetadata:
    """The newest snapshot, and one that was begun, by the topic itself: where the commit that names them is lost."""
    newest, chunks = None, dict[int, int]()
    async for records in read_partition(kafka, FEATURE_STATE, partition):
        for record in records:
            if record.key == NEWEST:
                newest = _newest.decode(record.value or b"")
            else:
                number, chunk = map(int, (record.key or b"").split(b"."))
                chunks[number] = max(chunks.get(number, 0), chunk + 1)
    last = max(chunks, default=0)
    begun = None if last == (newest.number if newest else 0) else Begun(number=last, chunks=chunks[last])
    return FeatureMetadata(base=newest.base if newest else 0, newest=newest, begun=begun)


async def restore(kafka: Kafka, owner: FeatureOwner, partition: int, snapshot: Snapshot) -> None:
    """Write the values of a snapshot to Redis, except where it has newer ones. Raises `SnapshotInvalid`."""
    log.warning("writing %d chunks of partition %d of the feature store to Redis", snapshot.chunks, partition)
    left = {_key(snapshot.number, chunk) for chunk in range(snapshot.chunks)}
    async for records in read_partition(kafka, FEATURE_STATE, partition):
        for record in records:
            if record.key in left and record.value is not None:
                left.remove(record.key)
                chunk = _chunk(zstandard.decompress(record.value))
                await owner.restore(chunk.keys, chunk.values)
                _say(partition, snapshot.chunks - len(left), snapshot.chunks)
    if left:
        raise SnapshotInvalid(f"{FEATURE_STATE.name}[{partition}] lacks {sorted(left)} of snapshot {snapshot.number}")


def _say(partition: int, done: int, chunks: int) -> None:
    if done % 100 == 0 or done == chunks:
        log.info("partition %d of the feature store: %d of %d chunks are in Redis again", partition, done, chunks)


def _key(number: int, chunk: int) -> bytes:
    return b"%d.%d" % (number, chunk)
