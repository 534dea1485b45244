"""What is decided of one namespace in one shard when a window closes: who leaves, who comes, who is forgotten.

All of it on columns sorted by key, with counts already decayed and added to. In this order:

1. An admitted key gives up its slot if its count is below `evict_below`, or if it was not seen in the last
   `idle_windows` windows. If the capacity was lowered, so do the keys of lowest count, then lowest key, that are too
   many.
2. Keys without a slot, with a count of at least `admit_at`, seen in these windows, are candidates: highest count
   first, then lowest key. They take the free slots, smallest slot first, up to the capacity.
3. With no slot left, the next candidate takes the place of the admitted key of lowest count, then lowest key, if its
   count exceeds that one's by more than the share `hysteresis`: so two keys that are about even do not take turns.
   The slots that this frees are given away smallest first.
4. Of the keys without a slot the `kept` highest counts stay (then lowest key); counts of zero go.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contracts.arrays import I32, I64, U64, Bools
from vocab.decay import decay
from vocab.owner.kth_smallest import kth_smallest
from vocab.rules import Rules

NO_SLOT = -1
_MAX = np.uint64((1 << 64) - 1)


@dataclass(frozen=True, slots=True)
class Decision:
    """Rows of the columns, ascending, with the slots given (`admitted`) and given up (`evicted`)."""

    admitted: I64
    admitted_slots: I32
    evicted: I64
    evicted_slots: I32


def decide(counts: U64, slots: I32, idle: Bools, rules: Rules, table: I32) -> Decision:
    """Steps 1 to 3. counts: uint64[n], slots: int32[n] (-1 = none) and idle: bool[n] (not seen within `idle_windows`)
    of one namespace in one shard, in order of keys. table: int32, all slots that it has there, ascending."""
    has_slot = slots != NO_SLOT
    leaves = has_slot & ((counts < np.uint64(rules.evict_below)) | idle)
    leaves[_weakest(counts, np.flatnonzero(has_slot & ~leaves), rules.per_shard)] = True
    leaving = np.flatnonzero(leaves)
    candidates = np.flatnonzero(~has_slot & ~idle & (counts >= np.uint64(rules.admit_at)))
    if not len(candidates):
        return Decision(candidates, slots[candidates], leaving, slots[leaving])
    candidates = candidates[np.argsort(_MAX - counts[candidates], kind="stable")]
    has_slot[leaving] = False
    free = np.ones(len(table), bool)
    free[np.searchsorted(table, slots[has_slot])] = False
    room = max(rules.per_shard - np.count_nonzero(has_slot), 0)
    given = table[free][: min(room, len(candidates))]
    rest = candidates[len(given) :]
    losers = _replaced(counts, np.flatnonzero(has_slot), rest, rules.hysteresis) if len(rest) else rest
    admitted = candidates[: len(given) + len(losers)]
    admitted_slots = np.concatenate([given, np.sort(slots[losers])])
    by_key = np.argsort(admitted)
    evicted = np.sort(np.concatenate([leaving, losers]))
    return Decision(admitted[by_key], admitted_slots[by_key], evicted, slots[evicted])


def _weakest(counts: U64, rows: I64, capacity: int) -> I64:
    """The rows that are too many for the capacity: lowest count first, then lowest key."""
    excess = len(rows) - capacity
    return rows[np.argsort(counts[rows], kind="stable")][: max(excess, 0)]


def _replaced(counts: U64, incumbents: I64, newcomers: I64, hysteresis: int) -> I64:
    """Rows of the incumbents that lose their slots: weakest against strongest, as long as the margin holds."""
    weakest = incumbents[np.argsort(counts[incumbents], kind="stable")][: len(newcomers)]
    weak, strong = counts[weakest], counts[newcomers[: len(weakest)]]
    margin = strong - np.minimum(weak, strong)
    loses = margin > decay(weak, hysteresis)  # true, then false: newcomers fall, incumbents rise
    return weakest[: np.count_nonzero(loses)]


def forgotten(counts: U64, slots: I32, kept: int) -> Bools:
    """Step 4: bool[n], true for the keys to drop."""
    waiting = slots == NO_SLOT
    drop: Bools = waiting & (counts == 0)
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


def joined(decisions: Sequence[Decision]) -> Decision:
    """One decision out of those of a shard's namespaces (at least one), in order of row, and so of key."""
    admitted, admitted_slots, evicted, evicted_slots = (
        np.concatenate([getattr(decision, field) for decision in decisions])
        for field in ("admitted", "admitted_slots", "evicted", "evicted_slots")
    )
    come, go = np.argsort(admitted), np.argsort(evicted)
    return Decision(admitted[come], admitted_slots[come], evicted[go], evicted_slots[go])
