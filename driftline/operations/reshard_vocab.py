"""Reshards the vocabulary: makes a new one with another number of virtual shards, in one transaction.

The transaction writes new owner states, the new vocabulary's first deltas, and the committed metadata of the counting
sources, which says into how many shards they count. All or nothing is written, so a killed run can be repeated. From
then on a worker with the old settings refuses to count; before, a worker with the new settings does.
"""

import asyncio
import re

import msgspec

from contracts.codec import Codec, serialize
from contracts.columnar import VocabDelta
from contracts.errors import DriftlineError, SettingsError
from contracts.partitioning import record_key
from contracts.settings import NAME, Settings
from contracts.topics import TWEETS, VOCAB_COUNTS, VOCAB_DELTAS, VOCAB_STATE
from driftline.inspect.logs import read_records
from streams.ingest_processor import IngestMetadata
from streams.state_records import state_outputs
from streams.vocabulary_processor import VocabularyProcessor
from transport.hop.position import from_committed, to_committed
from transport.kafka import admin as kafka_admin
from transport.kafka.cluster import KafkaCluster
from transport.ports.kafka_records import Committed, TopicPartition
from transport.processor import Output, Position
from transport.redis.connection import connect
from vocab.owner import reshard as resharding
from vocab.owner.packed_state import pack
from vocab.owner.state import OwnerState

SOURCE_HOP, OWNER_HOP = "ingest", "vocabulary"  # as `streams/services.py` names them

_deltas = Codec(VocabDelta)


class NotAtRest(DriftlineError):
    """Workers still run, or the owners have not read all counts yet."""


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """A token that keeps its count but has no slot in the new vocabulary."""

    namespace: str
    token: str
    key: str
    count: float


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The vocabulary `former` at `version`, and the new one made from it. rows: of the embedding table."""

    former: str
    name: str
    version: int
    former_shards: int
    shards: int
    counted: int
    admitted: int
    former_rows: int
    rows: int
    lost: list[Lost]


def reshard(settings: Settings, name: str, shards: int, *, write: bool) -> Plan:
    """Plan the new vocabulary and, with `write`, make it.

    Raises `NotAtRest`, `CannotReshard` if the owners have decided nothing yet, `ServerUnavailable`, and
    `SettingsError` for a name already used or an invalid number of shards.
    """
    _check_at_rest(settings)
    _check_name(settings, name)
    return asyncio.run(_reshard(settings, name, shards, write))


async def _reshard(settings: Settings, name: str, shards: int, write: bool) -> Plan:
    redis = connect(settings)  # processors take a connection; here it is not used
    kafka = KafkaCluster(settings)
    try:
        partitions = VOCAB_COUNTS.partitions(settings)
        processors = [VocabularyProcessor(settings, kafka, number, redis) for number in range(partitions)]
        states = [await processor.catch_up() for processor in processors]
        spilled = [output for processor in processors for output in processor.forget_decided()]
    finally:
        await redis.aclose()
    made = resharding.reshard(states, name, shards, partitions)
    if write:
        await _write(settings, made, spilled)
    return _plan(states, made)


async def _write(settings: Settings, made: resharding.Resharded, obsolete: list[Output]) -> None:
    """Write everything in one transaction, with what deletes the `obsolete`.

    Its transactional id is that of a source's hop, so a repeated run aborts the transaction that a killed run left.
    """
    owners = await asyncio.to_thread(kafka_admin.committed, settings, OWNER_HOP)
    outputs = list(obsolete)
    for partition, state in enumerate(made.states):
        at = _position(owners[VOCAB_COUNTS.name][partition])
        outputs += state_outputs(VOCAB_STATE, partition, at.topic_id, at.offset, pack(state))
    outputs += [
        Output(
            VOCAB_DELTAS.name,
            serialize(delta),
            key=record_key(delta.shard),
            partition=delta.shard % VOCAB_DELTAS.partitions(settings),
        )
        for delta in made.deltas
    ]
    async with KafkaCluster(settings).own(SOURCE_HOP, 0) as producer:
        await asyncio.to_thread(_check_at_rest, settings)
        sources = await asyncio.to_thread(kafka_admin.committed, settings, SOURCE_HOP)
        await producer.commit(
            outputs,
            {
                TopicPartition(TWEETS.name, partition): _counting_into(committed, made.states[0].settings.shards)
                for partition, committed in sources[TWEETS.name].items()
            },
        )


def _counting_into(committed: Committed, shards: int) -> Committed:
    position = _position(committed)
    source = msgspec.json.decode(position.metadata, type=IngestMetadata)
    metadata = msgspec.json.encode(msgspec.structs.replace(source, shards=shards)).decode()
    return to_committed(position._replace(metadata=metadata))


def _position(committed: Committed) -> Position:
    position = from_committed(committed)
    if position is None:
        raise NotAtRest("another program has committed offsets of the hops: see `driftline offsets show`")
    return position


def _check_at_rest(settings: Settings) -> None:
    for hop in (SOURCE_HOP, OWNER_HOP):
        if members := kafka_admin.group_members(settings, hop):
            raise NotAtRest(
                f"the group {settings.prefix}{hop} still has {members} members: stop every `driftline worker`; a "
                f"killed one leaves the group after {settings.hop.session_timeout_ms / 1000:.0f} s"
            )
    if left := kafka_admin.lags(settings, {OWNER_HOP: [VOCAB_COUNTS]})[OWNER_HOP]:
        raise NotAtRest(
            f"the owners have not read {left} offsets of {settings.prefix}{VOCAB_COUNTS.name}: stop whatever writes "
            "tweets, let `driftline worker` run until it has read them, then stop it"
        )


def _check_name(settings: Settings, name: str) -> None:
    if not re.search(NAME, name):
        raise SettingsError(f"a vocabulary's name is 1 to 100 letters, digits, '.', '_' and '-', not {name!r}")
    names = {delta.vocabulary for _, delta in read_records(settings, VOCAB_DELTAS, _deltas)}
    if name in names | {settings.vocab.name}:
        raise SettingsError(
            f"a vocabulary named {name!r} already exists: take another name, which tells their deltas apart"
        )


def _plan(states: list[OwnerState], made: resharding.Resharded) -> Plan:
    former, first = states[0], made.states[0]
    return Plan(
        former=former.settings.name,
        name=first.settings.name,
        version=former.version,
        former_shards=former.settings.shards,
        shards=first.settings.shards,
        counted=sum(len(state.tracked) for state in states),
        admitted=sum(int((state.tracked.slots >= 0).sum()) for state in states),
        former_rows=former.layout.num_slots,
        rows=first.layout.num_slots,
        lost=[
            Lost(namespace=lost.namespace.name.lower(), token=lost.token, key=f"{lost.key:016x}", count=lost.count)
            for lost in made.lost
        ],
    )
