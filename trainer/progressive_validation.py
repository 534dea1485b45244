"""Progressive validation: what was predicted before it was learned, kept for figures and for the calibrator."""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from contracts.arrays import F32, F64, U8
from contracts.declared_arrays import checked
from contracts.examples import PROVENANCES
from contracts.records import Evaluation, Provenance
from model.calibration import Calibrator, fit
from model.evaluation import evaluate

RECENT_EXAMPLES = 50_000  # the calibrator is fitted on the newest so many predictions
# It is fitted again after so many examples, at least this share of those that it is fitted on: by count alone, so
# that the same log gives the same calibrators, whenever versions were published.
FIT_AFTER, FIT_AFTER_SHARE = 1_000, 0.25


class Progress:
    """Predictions since the last publication (for figures) and the newest of all (for the calibrator).

    A pure function of what was observed, in order: the newest stay, none is drawn by lot. `close` fits no calibrator.
    """

    def __init__(self, capacity: int = RECENT_EXAMPLES) -> None:
        self.capacity = capacity
        self.calibrator = Calibrator.identity()
        self._recent: list[tuple[F32, F32, F32]] = []  # (logits, labels, weights) a batch
        self._recent_size = 0
        self._since_fit = 0  # examples
        self._provenances = np.zeros(len(PROVENANCES), np.int64)  # examples of the stretch, by provenance
        self._stretch: list[tuple[F64, F32, F32]] = []  # (probabilities, labels, weights) a batch

    def observe(self, logits: F32, labels: F32, weights: F32, provenances: U8) -> None:
        """One batch's served logits [n], as they were before the batch was learned, and what happened.

        provenances: uint8[n], index of `PROVENANCES`.
        """
        self._provenances += np.bincount(provenances, minlength=len(PROVENANCES))
        self._stretch.append((self.calibrator.apply(logits), labels, weights))
        self._recent.append((logits, labels, weights))
        self._recent_size += len(logits)
        while self._recent_size - len(self._recent[0][0]) >= self.capacity:
            self._recent_size -= len(self._recent.pop(0)[0])
        self._since_fit += len(logits)
        if self._since_fit >= max(FIT_AFTER, FIT_AFTER_SHARE * min(self._recent_size, self.capacity)):
            self.calibrator = fit(*self._newest())
            self._since_fit = 0

    @property
    def examples(self) -> int:
        """Examples observed since the last `close`."""
        return sum(len(labels) for _, labels, _ in self._stretch)

    def close(self) -> Evaluation | None:
        """End the stretch, and return its figures."""
        figures = evaluate(*_joined(self._stretch)) if self._stretch else None
        if figures is not None:
            figures = msgspec.structs.replace(figures, provenance=self._by_provenance())
        self._stretch = []
        self._provenances[:] = 0
        return figures

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The newest predictions. Taken after `close`, this and the calibrator are the whole state."""
        logits, labels, weights = self._newest() if self._recent else (np.empty(0, np.float32),) * 3
        since_fit = np.array([self._since_fit], np.int64)
        return {"logits": logits, "labels": labels, "weights": weights, "since_fit": since_fit}

    def restore(self, arrays: dict[str, NDArray[Any]], calibrator: Calibrator) -> None:
        """The inverse of `to_arrays`, in an empty one. Raises `SnapshotInvalid` for other arrays."""
        n = len(arrays.get("logits", ()))
        recent = dict.fromkeys(("logits", "labels", "weights"), (np.float32, (n,)))
        logits, labels, weights, since_fit = checked("recent", arrays, {**recent, "since_fit": (np.int64, (1,))})
        self.calibrator = calibrator
        self._since_fit = int(since_fit[0])
        self._recent_size = n
        if n:
            self._recent = [(logits, labels, weights)]

    def _by_provenance(self) -> dict[Provenance, int]:
        counts = zip(PROVENANCES, self._provenances.tolist(), strict=True)
        return {provenance: count for provenance, count in counts if count}

    def _newest(self) -> tuple[F32, F32, F32]:
        logits, labels, weights = _joined(self._recent)
        return logits[-self.capacity :], labels[-self.capacity :], weights[-self.capacity :]


def _joined(parts: list[tuple[Any, Any, Any]]) -> tuple[Any, Any, Any]:
    first, second, third = zip(*parts, strict=True)
    return np.concatenate(first), np.concatenate(second), np.concatenate(third)
