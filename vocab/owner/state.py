"""All that an owner of shards must not lose: what was counted, what was decided, and the settings in effect.

`packed_state.py` turns it into bytes and back, `reshard.py` makes others of it, `vocab/view/` shows it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from contracts.arrays import I32, U32, U64
from contracts.records import VocabConfigured
from contracts.settings import VocabSettings
from eventtime.pending_windows import PendingWindows
from eventtime.window_sources import Source
from vocab import decay
from vocab.owner.pending import PendingWindow
from vocab.owner.spellings import Spellings
from vocab.owner.tracked_keys import TrackedKeys
from vocab.rules import Rules, rules_of
from vocab.slot_layout import SlotLayout
from vocab.trends.drift import Drift
from vocab.trends.horizons import Trends


@dataclass(slots=True, kw_only=True)
class OwnerState:
    """The state of the owner of some shards.

    settings: those in effect. changes: settings that are not in effect yet, by the window from which they hold.
    layout: where the slots are. shards: ascending. closed: source -> newest window that it has closed.
    tracked: the counted keys. spellings: key -> token. generations: uint32[shards, places of a shard], how often each
    slot was given away. trends, drift: of the admitted keys. pending: the counts of open windows.
    version: newest window decided. first_window: the first one counted in. counted: newest window decided that a
    source counted in. sequence: number of decisions so far. rules: what `settings` say, by namespace.
    """

    settings: VocabSettings
    layout: SlotLayout
    shards: list[int]
    window_ms: int
    closed: dict[Source, int]
    generations: U32
    trends: Trends
    drift: Drift
    tracked: TrackedKeys = field(default_factory=TrackedKeys.none)
    spellings: Spellings = field(default_factory=Spellings)
    pending: PendingWindows[PendingWindow] = field(default_factory=lambda: PendingWindows(PendingWindow))
    changes: dict[int, VocabConfigured] = field(default_factory=dict)
    version: int = 0
    first_window: int = 0
    counted: int = 0
    sequence: int = 0
    rules: tuple[Rules, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.rules = rules_of(self.settings)

    @staticmethod
    def begin(
        settings: VocabSettings, shards: Sequence[int], sources: frozenset[Source], window_ms: int
    ) -> "OwnerState":
        """Before the first count. Raises `SettingsError` for settings that contradict each other, and `ValueError`
        without sources, or for shards that are not distinct numbers below `settings.shards`."""
        if not sources:
            raise ValueError("a vocabulary with no sources would never close a window")
        if sorted(set(shards)) != sorted(shards) or not all(0 <= shard < settings.shards for shard in shards):
            raise ValueError(f"shards are distinct numbers of 0..{settings.shards - 1}, got {list(shards)}")
        rules_of(settings)
        layout = SlotLayout.of(settings)
        return OwnerState(
            settings=settings,
            layout=layout,
            shards=sorted(shards),
            window_ms=window_ms,
            closed=dict.fromkeys(sorted(sources), 0),
            generations=np.zeros((len(shards), layout.places_per_shard), np.uint32),
            trends=Trends(window_ms),
            drift=Drift(window_ms),
        )

    @property
    def closed_through(self) -> int:
        """The newest window that every source has closed; 0 while one has not closed any."""
        return min(self.closed.values())

    @property
    def age(self) -> int:
        """Windows since the vocabulary began, the newest one decided included."""
        return self.version - self.first_window + 1

    def generations_of(self, slots: I32) -> U32:
        """How often each of these slots of the owner's was given away. int32[n] -> uint32[n]."""
        _, shards, places = self.layout.locate(slots)
        return self.generations[np.searchsorted(self.shards, shards), places]

    def left_after(self, windows: int) -> U64:
        """What so many windows of decay leave of a count (`decay.factor`): uint64[namespaces]."""
        return np.array([decay.factor(rules.half_life_windows, windows) for rules in self.rules], np.uint64)

    def put_in_effect(self, settings: VocabSettings) -> None:
        """Goes by other settings from now on. The table may grow; the slots that it had stay where they are."""
        self.settings = settings
        self.rules = rules_of(settings)
        # Before the first decision no slot was given away, so none has to stay.
        self.layout = self.layout.changed(settings) if self.sequence else SlotLayout.of(settings)
        generations = np.zeros((len(self.shards), self.layout.places_per_shard), np.uint32)
        if self.sequence:
            generations[:, : self.generations.shape[1]] = self.generations
        self.generations = generations
