"""What one virtual shard decides when a window closes: who leaves, who comes, who is forgotten.

All of it on the shard's columns, sorted by key, with counts already decayed and added to. In this order:

1. An admitted key whose count is below `evict_below` gives up its slot.
2. Keys without a slot and with a count of at least `admit_at` are candidates: highest count first, then lowest key.
   They take the free slots, smallest slot first.
3. With no slot left, the next candidate takes the place of the admitted key of lowest count, then lowest key, if its
   count is more than a quarter above that one's: so two keys that are about even do not take turns.
   The slots that come free so are given away smallest first.
4. Of the keys without a slot the `kept` highest counts stay (then lowest key); counts of zero go.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.errors import SettingsError
from contracts.settings import VocabSettings
from vocab.decay import fixed
from vocab.keys import SHARDS
from vocab.selection import kth_smallest

I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]
I32 = NDArray[np.int32]

HYSTERESIS_SHIFT = 2  # a newcomer must exceed the weakest by more than its count >> 2
NO_SLOT = -1
_MAX = np.uint64((1 << 64) - 1)


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings as integers. `per_shard`: slots of a shard; `kept`: keys counted without one."""

    rare_slots: int
    per_shard: int
    admit_at: int
    evict_below: int
    kept: int

    @staticmethod
    def of(settings: VocabSettings) -> "Rules":
        """Raises `SettingsError` for settings that contradict each other."""
        rules = Rules(
            rare_slots=settings.rare_slots,
            per_shard=settings.capacity // SHARDS,
            admit_at=fixed(settings.admit_at),
            evict_below=fixed(settings.evict_below),
            kept=int(settings.candidates_per_slot * (settings.capacity // SHARDS)),
        )
        if settings.capacity < SHARDS or settings.capacity % SHARDS:
            raise SettingsError(f"vocab.capacity is {settings.capacity}: it must be a positive multiple of {SHARDS}")
        if settings.rare_slots < 1 or settings.rare_slots + settings.capacity >= 1 << 31:
            raise SettingsError("vocab.rare_slots must be at least 1, and with vocab.capacity below 2^31")
        if not 0 <= settings.evict_below < settings.admit_at:
            raise SettingsError("vocab.evict_below must be at least 0 and below vocab.admit_at")
        if settings.half_life_windows <= 0 or settings.candidates_per_slot < 0:
            raise SettingsError("vocab.half_life_windows must be above 0, vocab.candidates_per_slot not below")
        return rules

    def first_slot(self, shard: int) -> int:
        """The smallest slot of a shard."""
        return self.rare_slots + shard * self.per_shard


@dataclass(frozen=True, slots=True)
class Decision:
    """Rows of the shard's columns, ascending, with the slots given (`admitted`) and given up (`evicted`)."""

    admitted: I64
    admitted_slots: I32
    evicted: I64
    evicted_slots: I32


NO_CHANGE = Decision(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.int32))


def decide(counts: U64, slots: I32, rules: Rules, first_slot: int) -> Decision:
    """Steps 1 to 3. counts: uint64[n] and slots: int32[n] (-1 = none) of one shard, in order of keys."""
    has_slot = slots != NO_SLOT
    leaving = np.flatnonzero(has_slot & (counts < np.uint64(rules.evict_below)))
    candidates = np.flatnonzero(~has_slot & (counts >= np.uint64(rules.admit_at)))
    if not len(candidates):
        return Decision(candidates, slots[candidates], leaving, slots[leaving])
    candidates = candidates[np.argsort(_MAX - counts[candidates], kind="stable")]
    has_slot[leaving] = False
    free = np.ones(rules.per_shard, bool)
    free[slots[has_slot] - first_slot] = False
    given = np.flatnonzero(free)[: len(candidates)]
    rest = candidates[len(given) :]
    losers = _replaced(counts, np.flatnonzero(has_slot), rest) if len(rest) else rest
    admitted = candidates[: len(given) + len(losers)]
    admitted_slots = np.concatenate([given + first_slot, np.sort(slots[losers])]).astype(np.int32)
    by_key = np.argsort(admitted)
    evicted = np.sort(np.concatenate([leaving, losers]))
    return Decision(admitted[by_key], admitted_slots[by_key], evicted, slots[evicted])


def _replaced(counts: U64, incumbents: I64, newcomers: I64) -> I64:
    """Rows of the incumbents that lose their slots: weakest against strongest, as long as the margin holds."""
    weakest = incumbents[np.argsort(counts[incumbents], kind="stable")][: len(newcomers)]
    weak, strong = counts[weakest], counts[newcomers[: len(weakest)]]
    margin = strong - np.minimum(weak, strong)
    loses = margin > weak >> np.uint64(HYSTERESIS_SHIFT)  # true, then false: newcomers fall, incumbents rise
    return weakest[: np.count_nonzero(loses)]


def forgotten(counts: U64, slots: I32, kept: int) -> NDArray[np.bool_]:
    """Step 4: bool[n], true for the keys to drop."""
    waiting = slots == NO_SLOT
    drop: NDArray[np.bool_] = waiting & (counts == 0)
    rows = np.flatnonzero(waiting)
    excess = len(rows) - kept
    if excess <= 0:
        return drop
    waiting_counts = counts[rows]
    if kept == 0:
        drop[rows] = True
        return drop
    threshold = kth_smallest(waiting_counts, excess)  # the lowest count that stays
    drop[rows[waiting_counts < threshold]] = True
    level = rows[waiting_counts == threshold]
    drop[level[kept - np.count_nonzero(waiting_counts > threshold) :]] = True
    return drop
