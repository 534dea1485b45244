"""The log of vocabulary deltas: a token's history, past versions and their differences, and the growth."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from contracts.arrays import I64, U64
from contracts.codec import Codec
from contracts.columnar import VocabDelta
from contracts.errors import VersionNotReached
from contracts.settings import Settings
from contracts.topics import VOCAB_DELTAS
from driftline.inspect.logs import read_records
from vocab.keys import key_of
from vocab.namespaces import Namespace

if TYPE_CHECKING:
    from vocab.replica.vocabulary import FrozenVocabulary

_codec = Codec(VocabDelta)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A token was admitted or evicted, at window `version`. generation: None for an eviction."""

    version: int
    at_ms: int
    admitted: bool
    slot: int
    generation: int | None


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """A token and its (slot, generation) at each of two versions, None if it has no slot there."""

    namespace: str
    token: str
    key: str
    before: tuple[int, int] | None
    after: tuple[int, int] | None


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """The differences between two versions, sorted by key. moved: slot or generation has changed."""

    base_version: int
    version: int
    admitted: list[Moved]
    evicted: list[Moved]
    moved: list[Moved]


class Growth(msgspec.Struct, frozen=True, kw_only=True):
    """The size of the vocabulary and its changes over the whole log. namespaces: name -> admitted keys."""

    version: int
    deltas: int
    admitted: int
    capacity: int
    admissions: int
    evictions: int
    namespaces: dict[str, int]


def rebuild(settings: Settings, version: int) -> "FrozenVocabulary":
    """The vocabulary at any past version, from the log. Raises `VersionNotReached` past the log's end."""
    return _rebuild(settings, [version])[0]


def difference(settings: Settings, base_version: int, version: int) -> Difference:
    """The tokens admitted, evicted and moved between two versions, in two passes over the log.

    Raises `VersionNotReached` past the log's end.
    """
    before, after = _rebuild(settings, [base_version, version])
    keys = np.union1d(before.keys, after.keys)
    slots = [_slots_of(view, keys) for view in (before, after)]
    changed = (slots[0] != slots[1]).any(axis=0)
    names = _names(settings, set(keys[changed].tolist()))
    rows = [
        Moved(namespace=names[key][0], token=names[key][1], key=f"{key:016x}", before=_pair(was), after=_pair(now))
        for key, was, now in zip(
            keys[changed].tolist(), slots[0][:, changed].T.tolist(), slots[1][:, changed].T.tolist(), strict=True
        )
    ]
    return Difference(
        base_version=base_version,
        version=version,
        admitted=[row for row in rows if row.before is None],
        evicted=[row for row in rows if row.after is None],
        moved=[row for row in rows if row.before and row.after],
    )


def history(settings: Settings, namespace: Namespace, token: str) -> list[Change]:
    """Every admission and eviction of one token, oldest first; empty if it never got a slot."""
    key = np.uint64(key_of(namespace, token))
    changes = []
    for delta in _deltas(settings):
        at_ms = (delta.version + 1) * settings.time.window_ms  # when the window closed
        changes += [
            Change(version=delta.version, at_ms=at_ms, admitted=False, slot=int(slot), generation=None)
            for slot in delta.evicted_slots[delta.evicted_keys == key]
        ]
        given = delta.admitted_keys == key
        changes += [
            Change(version=delta.version, at_ms=at_ms, admitted=True, slot=int(slot), generation=int(generation))
            for slot, generation in zip(delta.admitted_slots[given], delta.admitted_generations[given], strict=True)
        ]
    return changes


def growth(settings: Settings) -> Growth:
    """Compute the growth in one pass over the log. Memory holds the admitted keys."""
    kinds: dict[int, int] = {}
    version = deltas = admissions = evictions = capacity = 0
    for delta in _deltas(settings):
        deltas += 1
        version = max(version, delta.version)
        admissions += len(delta.admitted_keys)
        evictions += len(delta.evicted_keys)
        if delta.settings:
            capacity = sum(kind.capacity for kind in delta.settings.kinds.values())
        for key in delta.evicted_keys.tolist():
            kinds.pop(key, None)
        kinds.update(zip(delta.admitted_keys.tolist(), delta.admitted_namespaces.tolist(), strict=True))
    by_kind = Counter(Namespace(kind).name.lower() for kind in kinds.values())
    return Growth(
        version=version,
        deltas=deltas,
        admitted=len(kinds),
        capacity=capacity,
        admissions=admissions,
        evictions=evictions,
        namespaces=dict(by_kind.most_common()),
    )


def _rebuild(settings: Settings, versions: Sequence[int]) -> "list[FrozenVocabulary]":
    """The vocabulary at each of `versions`, in one pass over the log."""
    from vocab.replica.vocabulary import Vocabulary

    replicas = [(version, Vocabulary(settings.vocab)) for version in versions]
    reached = dict.fromkeys(range(settings.vocab.shards), 0)
    for delta in _deltas(settings):
        reached[delta.shard] = delta.version
        for version, vocabulary in replicas:
            if delta.version <= version:
                vocabulary.apply(delta)
    if min(reached.values()) < max(versions):
        raise VersionNotReached(
            f"vocabulary {settings.vocab.name}: version {max(versions)} is past the log, which ends at "
            f"{min(reached.values())}"
        )
    return [vocabulary.at(vocabulary.complete_through) for _, vocabulary in replicas]


def _slots_of(view: "FrozenVocabulary", keys: U64) -> I64:
    """int64[2, n], the slot and the generation of each key, -1 for none."""
    result = np.full((2, len(keys)), -1, np.int64)
    rows = np.searchsorted(keys, view.keys)
    result[0, rows], result[1, rows] = view.slots, view.generations
    return result


def _pair(slot: list[int]) -> tuple[int, int] | None:
    return None if slot[0] < 0 else (slot[0], slot[1])


def _names(settings: Settings, keys: set[int]) -> dict[int, tuple[str, str]]:
    """Key -> (namespace, token), of those of `keys` that were ever admitted; the token of a bigram is empty."""
    names = {}
    for delta in _deltas(settings):
        columns = (delta.admitted_keys.tolist(), delta.admitted_namespaces.tolist(), delta.admitted_tokens)
        for key, namespace, token in zip(*columns, strict=True):
            if key in keys:
                names[key] = (Namespace(namespace).name.lower(), token)
    return names


def _deltas(settings: Settings) -> Iterator[VocabDelta]:
    """The deltas of this vocabulary, in order within each shard."""
    for _, delta in read_records(settings, VOCAB_DELTAS, _codec):
        if delta.vocabulary == settings.vocab.name:
            yield delta
