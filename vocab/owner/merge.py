"""What several owners of one vocabulary hold, as if one owner did."""

from collections.abc import Sequence

import numpy as np

from eventtime.pending_windows import PendingWindows
from vocab.owner.pending import PendingWindow
from vocab.owner.spellings import Spellings
from vocab.owner.state import OwnerState
from vocab.owner.tracked_keys import TrackedKeys
from vocab.trends.drift import Drift
from vocab.trends.horizons import Trends

COLUMNS = ("keys", "namespaces", "counts", "first_seen", "last_seen", "slots")


def merge(states: Sequence[OwnerState]) -> OwnerState:
    """One state of all the shards of `states`, which have decided the same windows. Shares no array with them."""
    first = states[0]
    columns = {name: np.concatenate([state.tracked.column(name) for state in states]) for name in COLUMNS}
    by_key = np.argsort(columns["keys"])
    shards = np.concatenate([np.array(state.shards) for state in states])
    spellings = Spellings()
    for state in states:
        spellings.merge(state.spellings)
    return OwnerState(
        settings=first.settings,
        layout=first.layout,
        shards=sorted(shards.tolist()),
        window_ms=first.window_ms,
        closed=dict(first.closed),
        generations=np.concatenate([state.generations for state in states])[np.argsort(shards)],
        trends=_trends([state.trends for state in states]),
        drift=_drift([state.drift for state in states]),
        tracked=TrackedKeys(**{name: column[by_key] for name, column in columns.items()}),
        spellings=spellings,
        pending=_pending(states),
        changes=dict(first.changes),
        version=first.version,
        first_window=first.first_window,
        counted=first.counted,
        sequence=first.sequence,
    )


def _trends(parts: Sequence[Trends]) -> Trends:
    keys = np.concatenate([part.keys for part in parts])
    order = np.argsort(keys, kind="stable")  # rows of a key stay as they are: all languages first
    return Trends(
        parts[0].window_ms,
        keys=keys[order],
        languages=np.concatenate([part.languages for part in parts])[order],
        counts=np.concatenate([part.counts for part in parts], axis=1)[:, order],
    )


def _drift(parts: Sequence[Drift]) -> Drift:
    keys = np.concatenate([part.keys for part in parts])
    order = np.argsort(keys)
    return Drift(
        parts[0].window_ms,
        keys=keys[order],
        namespaces=np.concatenate([part.namespaces for part in parts])[order],
        counts=np.concatenate([part.counts for part in parts], axis=1)[:, order],
        rest=np.sum([part.rest for part in parts], axis=0, dtype=np.uint64),
        hour=parts[0].hour,
        changes=sum(part.changes for part in parts),
        occurrences=np.sum([part.occurrences for part in parts], axis=0, dtype=np.uint64),
        outside=np.sum([part.outside for part in parts], axis=0, dtype=np.uint64),
    )


def _pending(states: Sequence[OwnerState]) -> PendingWindows[PendingWindow]:
    pending = PendingWindows(PendingWindow)
    for state in states:
        for window, counted in state.pending.held.items():
            pending.open(window).add(*counted.by_language())
            pending.open(window).spellings.merge(counted.spellings)
    return pending
