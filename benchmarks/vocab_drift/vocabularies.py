"""The vocabularies of the study: Driftline's, the exact one, and the one fixed after the first month."""

import numpy as np

from benchmarks.vocab_drift.exact import Column, ExactCounter, Observed
from benchmarks.vocab_drift.memory import bytes_of
from benchmarks.vocab_drift.method import Admissions, Method, Sharing
from benchmarks.vocab_drift.rows import Rows
from contracts.arrays import I32, I64, U64
from contracts.columnar import VocabCounts, VocabDelta
from contracts.settings import VocabSettings
from vocab.keys import SHARDS
from vocab.owner.owner import VocabularyOwner
from vocab.replica.frozen_vocabulary import FrozenVocabulary
from vocab.slot_layout import SlotLayout

TOLERANCE = 2.0**-20  # relative tolerance between fixed-point counts and exact ones


class Driftline(Method):
    """Driftline's vocabulary owner of all 64 shards; its deltas say which key has which slot."""

    def __init__(
        self, settings: VocabSettings, source: tuple[str, int], exact: ExactCounter, brief_windows: int
    ) -> None:
        layout = SlotLayout.of(settings)
        self.name, self.capacity, self.rows = "Driftline", layout.capacity, layout.num_slots
        self.settings = settings
        self._exact = exact
        self.owner = VocabularyOwner.begin(settings, range(SHARDS), frozenset({source}))
        self.admissions = Admissions(brief_windows)
        self.most_admitted = 0
        self._rare = FrozenVocabulary.empty(settings)
        self._rows = Rows()
        self._held = Column(np.bool_)
        self._slots = Column(np.int32)
        self._held_now = 0

    def add_keys(self, keys: U64) -> None:
        """Add new keys, in the order of their numbers."""
        slots = self._rare.lookup(keys)
        self._rows.add_keys(slots.astype(np.int64))
        self._slots.extend(slots)
        self._held.fill_to(len(self._slots.values), 0)

    def observe(self, frame: VocabCounts) -> None:
        """Observe a frame, and apply the decisions of the windows before it."""
        self.owner.observe(frame)
        for delta in self.owner.close_windows():
            if len(delta.evicted_keys) or len(delta.admitted_keys):
                self._apply(delta)

    def update(self, observed: Observed) -> None:
        """Update which keys are live."""
        self._rows.update(observed)

    def sharing(self, keys: I64) -> Sharing:
        """How these live keys share rows."""
        others = self._rows.others(keys)
        held = self._held.values[keys]
        clean = held | self._rows.unused_by_others(keys)
        return Sharing(held, others == 0, others == 0, others.astype(np.float64), clean)

    def memory(self) -> tuple[int, int]:
        """(bytes of the owner's state, bytes of the table in which readers look keys up)."""
        held = np.flatnonzero(self._held.values)
        return bytes_of(self.owner), bytes_of(
            _view(self.settings, self._exact.keys.keys[held], self._slots.values[held])
        )

    def _apply(self, delta: VocabDelta) -> None:
        exact = self._exact
        gone, new = exact.keys.number(delta.evicted_keys), exact.keys.number(delta.admitted_keys)
        self._held.values[gone] = False
        self._give(gone, self._rare.lookup(delta.evicted_keys))
        self.admissions.evict(gone, delta.version)
        early = exact.counts_at(new, delta.version) < exact.admit_at * (1 - TOLERANCE)
        self._held.values[new] = True
        self._give(new, delta.admitted_slots)
        self.admissions.admit(new, delta.version, early)
        self._held_now += len(new) - len(gone)
        self.most_admitted = max(self.most_admitted, self._held_now)

    def _give(self, keys: I64, slots: I32) -> None:
        self._slots.values[keys] = slots
        self._rows.move(keys, slots.astype(np.int64), self._exact.live)


class Unbounded(Method):
    """The exact counter as a vocabulary: every key that reaches the threshold gets a row."""

    def __init__(self, exact: ExactCounter, brief_windows: int) -> None:
        self.name, self.capacity, self.rows = "exact", None, 0
        self.admissions = Admissions(brief_windows)
        self.most_admitted = 0
        self._exact = exact
        self._held_now = 0

    def add_keys(self, keys: U64) -> None:
        """Do nothing: the exact counter has numbered the keys."""

    def update(self, observed: Observed) -> None:
        """Record the keys evicted since the last window."""
        self.admissions.evict(observed.evicted, observed.evicted_at)
        self._held_now -= len(observed.evicted)

    def admit(self, keys: I64, window: int) -> None:
        """Record the keys admitted at the close of a window."""
        self.admissions.admit(keys, window, np.zeros(len(keys), bool))
        self._held_now += len(keys)
        self.rows = self.most_admitted = max(self.most_admitted, self._held_now)

    def sharing(self, keys: I64) -> Sharing:
        """How these live keys share rows: only admitted keys have one, and none is shared."""
        held = self._exact.admitted[keys]
        return Sharing(held, held, held, np.zeros(len(keys)), held)

    def memory(self) -> tuple[int, int]:
        """(bytes of the counter, 0): its key table also serves look-ups."""
        return self._exact.nbytes, 0


class FirstMonth(Method):
    """The keys with the highest counts of one month (ties: lowest key), fixed; all others share the rare rows."""

    def __init__(self, settings: VocabSettings, exact: ExactCounter) -> None:
        self.name, self.capacity, self.rows = (
            "first month",
            SlotLayout.of(settings).capacity,
            SlotLayout.of(settings).num_slots,
        )
        self.settings = settings
        self.admissions, self.most_admitted = None, 0
        self._exact = exact
        self._rows = Rows()
        self._view = FrozenVocabulary.empty(settings)

    def add_keys(self, keys: U64) -> None:
        """Add new keys, in the order of their numbers."""
        self._rows.add_keys(self._view.lookup(keys).astype(np.int64))

    def build(self, keys: U64, counts: I64) -> None:
        """Fix the vocabulary by a month's counts. keys: distinct."""
        best = np.lexsort((keys, -counts))[: self._view.layout.capacity]
        chosen = np.sort(keys[best])
        slots = len(self._view.layout.rare_rows) + np.arange(len(chosen), dtype=np.int32)
        self._view = _view(self.settings, chosen, slots)
        self.most_admitted = len(chosen)
        everyone = self._exact.keys.keys
        self._rows.move(np.arange(len(everyone)), self._view.lookup(everyone).astype(np.int64), self._exact.live)

    def update(self, observed: Observed) -> None:
        """Update which keys are live."""
        self._rows.update(observed)

    def sharing(self, keys: I64) -> Sharing:
        """How these live keys share rows."""
        others = self._rows.others(keys)
        held = self._view.is_admitted(self._exact.keys.keys[keys])
        clean = held | self._rows.unused_by_others(keys)
        return Sharing(held, others == 0, others == 0, others.astype(np.float64), clean)

    def memory(self) -> tuple[int, int]:
        """(0, bytes of the table): it no longer counts."""
        return 0, bytes_of(self._view)


def _view(settings: VocabSettings, keys: U64, slots: I32) -> FrozenVocabulary:
    """A table with these keys and slots, as readers hold it."""
    order = np.argsort(keys)
    return FrozenVocabulary(
        version=1,
        sequence=1,
        layout=SlotLayout.of(settings),
        keys=keys[order],
        slots=slots[order],
        generations=np.ones(len(keys), np.uint32),
    )
