"""A vocabulary of a given size: an owner that tracks the given keys, and a replica that has admitted them."""

import numpy as np

from benchmarks.vocab.draws import U64
from contracts.arrays import U32
from contracts.columnar import VocabCounts, empty
from contracts.settings import VocabSettings
from vocab.keys import SHARDS
from vocab.languages import UND
from vocab.namespaces import Namespace
from vocab.owner.owner import VocabularyOwner
from vocab.replica.frozen_vocabulary import FrozenVocabulary
from vocab.slot_layout import SlotLayout

SOURCE = ("tweets", 0)
CANDIDATES_PER_SLOT = 4  # the default: a fifth of the tracked keys have a slot
RARE_SLOTS = 1 << 13


def filled_owner(live: U64) -> VocabularyOwner:
    """An owner of all shards that is full with these keys, after a window in which each reached the threshold."""
    per_shard = -(-len(live) // (SHARDS * (1 + CANDIDATES_PER_SLOT)))
    settings = VocabSettings.uniform(
        candidates_per_slot=CANDIDATES_PER_SLOT, capacity=SHARDS * per_shard, rare_slots=RARE_SLOTS
    )
    owner = VocabularyOwner.begin(settings, range(SHARDS), frozenset({SOURCE}))
    _decide(owner, np.sort(live), np.full(len(live), round(settings.word.admit_at), np.uint32))
    return owner


def count_window(owner: VocabularyOwner, tokens: U64) -> None:
    """Sum the next window's tokens, as a source does, observe them, and decide."""
    keys, counts = np.unique(tokens, return_counts=True)
    _decide(owner, keys, counts.astype(np.uint32))


def _decide(owner: VocabularyOwner, keys: U64, counts: U32) -> None:
    window = owner.state.version + 1
    owner.observe(_frame(window, window - 1, keys, counts))
    owner.observe(_frame(window, window, empty(np.uint64), empty(np.uint32)))
    owner.close_windows()


def view_of(live: U64) -> FrozenVocabulary:
    """A replica's table in which all these keys have slots."""
    settings = VocabSettings.uniform(capacity=-(-len(live) // SHARDS) * SHARDS, rare_slots=RARE_SLOTS)
    layout = SlotLayout.of(settings)
    free = np.concatenate([layout.slots_of(Namespace.WORD, shard) for shard in range(SHARDS)])
    return FrozenVocabulary(
        version=1,
        sequence=1,
        layout=layout,
        keys=live,
        slots=np.random.default_rng(1).permutation(free)[: len(live)],
        generations=np.ones(len(live), np.uint32),
    )


def _frame(window: int, closed_through: int, keys: U64, counts: np.ndarray) -> VocabCounts:
    return VocabCounts(
        source_topic=SOURCE[0],
        source_partition=SOURCE[1],
        closed_through=closed_through,
        window=window,
        keys=keys,
        namespaces=np.zeros(len(keys), np.uint8),
        counts=counts,
        token_keys=empty(np.uint64),
        tokens=[],
        languages=np.full(len(keys), UND, np.uint16),
    )
