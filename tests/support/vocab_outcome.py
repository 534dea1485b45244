"""The vocabulary that a run left behind, as digests: equal digests mean equal bytes."""

import asyncio
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from contracts.codec import Codec, serialize
from contracts.columnar import VocabCounts, VocabDelta
from contracts.partitioning import record_key
from contracts.records import SETTINGS_KEY
from contracts.settings import Settings
from contracts.topics import VOCAB_COUNTS, VOCAB_DELTAS, VOCAB_STATE
from streams.state_records import join_state
from streams.vocab_settings import deserialize_settings
from streams.vocabulary_processor import sources_of
from tests.support.bin_outcome import BinsOutcome, bins_outcome
from tests.support.pipeline_runs import read_all
from transport.kafka.cluster import KafkaCluster
from transport.kafka.state_log import read_latest
from transport.ports.kafka_records import LogRecord
from transport.redis.connection import connect_blocking
from vocab.keys import SHARDS
from vocab.owner.owner import VocabularyOwner
from vocab.replica.frozen_vocabulary import FrozenVocabulary
from vocab.replica.vocabulary import Vocabulary

_counts_of = Codec(VocabCounts).deserialize
_delta_of = Codec(VocabDelta).deserialize


@dataclass(frozen=True, slots=True)
class Decided:
    """The decisions of the vocabulary.

    deltas: shard -> digest of the bytes of all its deltas, in order. version: the newest that all shards reached.
    table: digest of `Vocabulary.at(version).to_arrays()`. admitted, evicted: the number of admissions and evictions.
    """

    deltas: Mapping[int, str]
    version: int
    table: str
    admitted: int
    evicted: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that a run of workers left behind.

    states: partition -> digest of its owner's state, recovered as a successor does, from the newest logged state and
    the counts since. view: Redis key without prefix -> digest. bins: the same for the bins.
    """

    decided: Decided
    states: Mapping[int, str]
    view: Mapping[bytes, str]
    bins: BinsOutcome


def digest(parts: Iterable[bytes]) -> str:
    """SHA-256 of a sequence of byte strings, including their lengths."""
    sha = hashlib.sha256()
    for part in parts:
        sha.update(len(part).to_bytes(8, "big"))
        sha.update(part)
    return sha.hexdigest()


def decided(settings: Settings, deltas: Iterable[VocabDelta]) -> Decided:
    """The decisions in these deltas. Raises `ChainBroken` on a gap, a repeat or a wrong order within a shard."""
    vocabulary = Vocabulary(settings.vocab)
    logs: dict[int, list[bytes]] = {shard: [] for shard in range(SHARDS)}
    admitted = evicted = 0
    for delta in deltas:
        vocabulary.apply(delta)
        logs[delta.shard].append(serialize(delta))
        admitted += len(delta.admitted_keys)
        evicted += len(delta.evicted_keys)
    version = vocabulary.complete_through
    return Decided(
        deltas={shard: digest(log) for shard, log in logs.items()},
        version=version,
        table=_table_digest(vocabulary.at(version)),
        admitted=admitted,
        evicted=evicted,
    )


def outcome(settings: Settings) -> Outcome:
    """The outcome of a drained run; committed records only."""
    counts: dict[int, list[LogRecord]] = {partition: [] for partition in range(VOCAB_COUNTS.partitions(settings))}
    for record in read_all(settings, VOCAB_COUNTS):
        counts[record.partition].append(record)
    return Outcome(
        decided=decided(settings, _committed_deltas(settings)),
        states={
            partition: digest([_recovered(settings, partition, records).to_bytes()])
            for partition, records in counts.items()
        },
        view=_view(settings),
        bins=bins_outcome(settings),
    )


def states_written(settings: Settings) -> set[int]:
    """The partitions whose owner's state is in the log."""
    return {record.partition for record in read_all(settings, VOCAB_STATE)}


def _committed_deltas(settings: Settings) -> Iterable[VocabDelta]:
    for record in read_all(settings, VOCAB_DELTAS):
        delta = _delta_of(record.value or b"")
        assert serialize(delta) == record.value  # so the digest of decoded deltas is also that of the log
        assert record.key == record_key(delta.shard)
        yield delta


def _recovered(settings: Settings, partition: int, counts: Iterable[LogRecord]) -> VocabularyOwner:
    state = join_state(asyncio.run(read_latest(KafkaCluster(settings), VOCAB_STATE, partition)))
    if state is None:
        shards = range(partition, SHARDS, VOCAB_COUNTS.partitions(settings))
        offset, owner = (
            0,
            VocabularyOwner.begin(settings.vocab, shards, sources_of(settings), settings.time.window_ms),
        )
    else:
        offset = state.offset
        owner = VocabularyOwner.from_bytes(settings.vocab, state.state, settings.time.window_ms)
    for record in counts:
        if record.offset < offset:
            continue
        if record.key == SETTINGS_KEY:
            owner.configure(deserialize_settings(record.value or b""))
        else:
            owner.observe(_counts_of(record.value or b""))
    owner.close_windows()
    return owner


def _view(settings: Settings) -> dict[bytes, str]:
    prefix = settings.prefix.encode()
    with connect_blocking(settings) as redis:
        keys = sorted(redis.scan_iter(prefix + b"vocab:*", count=1_000))
        values = redis.mget(keys)
    return {key.removeprefix(prefix): digest([value]) for key, value in zip(keys, values, strict=True)}


def _table_digest(view: FrozenVocabulary) -> str:
    arrays = view.to_arrays()
    return digest(part for name in sorted(arrays) for part in (name.encode(), arrays[name].tobytes()))
