"""The log of vocabulary deltas: what one token's slot has been through, and how the vocabulary grew."""

from collections import Counter
from collections.abc import Iterator

import msgspec
import numpy as np

from contracts.codec import Codec
from contracts.errors import DriftlineError, VersionNotReached
from contracts.frames import VocabDelta
from contracts.settings import Settings
from contracts.topics import VOCAB_DELTAS
from driftline.inspect.logs import read_records
from vocab import patterns
from vocab.keys import SHARDS, key_of
from vocab.namespaces import Namespace
from vocab.vocabulary import Vocabulary, VocabularyView

_codec = Codec(VocabDelta)


class NoSuchToken(DriftlineError):
    """Text that is no token, or a token that the vocabulary never admitted."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A token got a slot or lost it. `version` is the window; the key behind a slot is (slot, generation)."""

    version: int
    at_ms: int
    admitted: bool
    slot: int
    generation: int | None


class Growth(msgspec.Struct, frozen=True, kw_only=True):
    """The vocabulary as its whole log tells it. `namespaces`: admitted keys by kind."""

    version: int
    deltas: int
    admitted: int
    capacity: int
    admissions: int
    evictions: int
    namespaces: dict[str, int]


def parse_token(text: str, kind: str | None = None) -> tuple[Namespace, str]:
    """A token as people write it (`#tag`, `@name`, `$CASH`, `word`, `two words`), or of the named kind.

    Raises `NoSuchToken` for what the tokenizer would drop.
    """
    if kind is not None:
        if kind.upper() not in Namespace.__members__:
            raise NoSuchToken(f"no kind {kind!r}; there are {', '.join(member.name.lower() for member in Namespace)}")
        namespace = Namespace[kind.upper()]
        meaning = namespace, patterns.canonical(namespace, text)
    elif " " in text.strip():
        meaning = Namespace.BIGRAM, patterns.canonical(Namespace.BIGRAM, text)
    else:
        meaning = (text and patterns.canonical_surface(text)) or (Namespace.WORD, "")
    if not meaning[1]:
        raise NoSuchToken(f"{text!r} is nothing that the tokenizer keeps")
    return meaning


def rebuild(settings: Settings, version: int) -> VocabularyView:
    """The vocabulary at `version`, however old, out of the log. Raises `VersionNotReached` past the log's end."""
    vocabulary, reached = Vocabulary(settings.vocab), dict.fromkeys(range(SHARDS), 0)
    for delta in _deltas(settings):
        reached[delta.shard] = delta.version
        if delta.version <= version:
            vocabulary.apply(delta)
    if min(reached.values()) < version:
        raise VersionNotReached(
            f"vocabulary {settings.vocab.name}: version {version} is past the log, which ends at "
            f"{min(reached.values())}"
        )
    return vocabulary.at(vocabulary.complete_through)


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
    """One pass over the log; holds the admitted keys, no more than the capacity."""
    kinds: dict[int, int] = {}
    version = deltas = admissions = evictions = 0
    for delta in _deltas(settings):
        deltas += 1
        version = max(version, delta.version)
        admissions += len(delta.admitted_keys)
        evictions += len(delta.evicted_keys)
        for key in delta.evicted_keys.tolist():
            kinds.pop(key, None)
        kinds.update(zip(delta.admitted_keys.tolist(), delta.admitted_namespaces.tolist(), strict=True))
    by_kind = Counter(Namespace(kind).name.lower() for kind in kinds.values())
    return Growth(
        version=version,
        deltas=deltas,
        admitted=len(kinds),
        capacity=settings.vocab.capacity,
        admissions=admissions,
        evictions=evictions,
        namespaces=dict(by_kind.most_common()),
    )


def _deltas(settings: Settings) -> Iterator[VocabDelta]:
    """Deltas of this vocabulary, each shard's in order."""
    for _, delta in read_records(settings, VOCAB_DELTAS, _codec):
        if delta.vocabulary == settings.vocab.name:
            yield delta
