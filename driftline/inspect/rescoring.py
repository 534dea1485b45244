"""Scores past examples again with one model, as a pure function: figures of both scores, and whether bits agree.

It keeps 14 bytes per example, and no batches. Weights undo the sampling of examples, so figures are per impression.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from contracts.errors import BadRecord
from contracts.examples import PROVENANCES, Examples, engaged
from contracts.records import Evaluation
from driftline.inspect.backfill_report import Compared, Difference, Group, Parity, Report, Unusable
from model.evaluation import evaluate
from model.serving import Predictor

NAMED = 5  # differing scores that a report lists; the others are only counted

# What is kept per example. `served` is NaN if a fallback order ranked.
_KEPT = np.dtype(
    [
        ("now", np.float32),
        ("served", np.float32),
        ("weight", np.float32),
        ("engaged", np.bool_),
        ("learned", np.bool_),
    ]
)
_FIRST_CAPACITY = 4_096  # examples; doubled whenever it is full


@dataclass(frozen=True, slots=True)
class Span:
    """A span of event time in milliseconds since 1970: `since_ms` <= t < `until_ms`; None is no bound."""

    since_ms: int | None = None
    until_ms: int | None = None

    def rows(self, at_ms: NDArray[np.int64]) -> NDArray[np.int64]:
        """int64[k], the indices of the times int64[n] that are within the span."""
        inside = np.ones(len(at_ms), np.bool_)
        if self.since_ms is not None:
            inside &= at_ms >= self.since_ms
        if self.until_ms is not None:
            inside &= at_ms < self.until_ms
        return np.flatnonzero(inside)


@dataclass(frozen=True, slots=True)
class Scored:
    """The k examples of one record that were scored, of its n.

    rows: int64[k], their indices. probabilities: float32[k], by this snapshot. engaged: bool[k]. learned: whether
    the snapshot has learned from the record.
    """

    partition: int
    offset: int
    examples: Examples
    rows: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    engaged: NDArray[np.bool_]
    learned: bool


@dataclass(slots=True)
class _Kept:
    """A growing array of `_KEPT`."""

    buffer: NDArray[np.void] = field(default_factory=lambda: np.empty(_FIRST_CAPACITY, _KEPT))
    size: int = 0

    def append(self, columns: Mapping[str, ArrayLike], count: int) -> None:
        end = self.size + count
        if end > len(self.buffer):
            grown = np.empty(max(end, 2 * len(self.buffer)), _KEPT)
            grown[: self.size] = self.buffer[: self.size]
            self.buffer = grown
        for name, values in columns.items():
            self.buffer[name][self.size : end] = values
        self.size = end

    def all(self) -> NDArray[np.void]:
        return self.buffer[: self.size]


class Rescorer:
    """Scores record after record, partitions in any order, and keeps what the report needs."""

    def __init__(self, predictor: Predictor, span: Span = Span()) -> None:
        self._predictor = predictor
        self._span = span
        self._kept = _Kept()
        self._records = self._outside = 0
        self._unusable: dict[str, Unusable] = {}
        self._first_ms: int | None = None
        self._last_ms: int | None = None
        self._provenances = np.zeros(len(PROVENANCES), np.int64)
        self._served = self._others = 0
        self._different = 0
        self._differences: list[Difference] = []

    def refuse(self, partition: int, offset: int, error: BadRecord) -> None:
        """Count a record that cannot be scored."""
        self._records += 1
        known = self._unusable.get(error.reason)
        self._unusable[error.reason] = (
            Unusable(reason=error.reason, records=1, partition=partition, offset=offset, detail=error.detail)
            if known is None
            else msgspec.structs.replace(known, records=known.records + 1)
        )

    def observe(self, partition: int, offset: int, examples: Examples) -> Scored:
        """Score the examples of one record that are within the span, as one batch."""
        self._records += 1
        rows = self._span.rows(examples.at_ms)
        self._outside += len(examples) - len(rows)
        whole = len(rows) == len(examples)
        features = examples.features if whole else examples.features.take(rows)
        scored = Scored(
            partition=partition,
            offset=offset,
            examples=examples,
            rows=rows,
            probabilities=self._predictor.score(features) if len(rows) else np.empty(0, np.float32),
            engaged=engaged(examples.labels[rows]),
            learned=offset < self._predictor.manifest.offsets.get(partition, 0),
        )
        if len(rows):
            self._keep(scored)
            self._compare(scored)
        return scored

    def _keep(self, scored: Scored) -> None:
        examples, rows = scored.examples, scored.rows
        at_ms = examples.at_ms[rows]
        first, last = int(at_ms.min()), int(at_ms.max())
        self._first_ms = first if self._first_ms is None else min(self._first_ms, first)
        self._last_ms = last if self._last_ms is None else max(self._last_ms, last)
        self._provenances += np.bincount(examples.provenances[rows], minlength=len(PROVENANCES))
        columns: dict[str, ArrayLike] = {
            "now": scored.probabilities,
            "served": examples.probabilities[rows],
            "weight": examples.weights[rows],
            "engaged": scored.engaged,
            "learned": scored.learned,
        }
        self._kept.append(columns, len(rows))

    def _compare(self, scored: Scored) -> None:
        """Compare bits of the examples that this model served: those with its three versions; they lack its name."""
        manifest, examples, rows = self._predictor.manifest, scored.examples, scored.rows
        named = examples.model_versions[rows] == manifest.version
        ours = (
            named
            & (examples.vocab_versions[rows] == manifest.vocab_version)
            & (examples.bins_versions[rows] == manifest.bins_version)
        )
        served = examples.probabilities[rows]
        different = np.flatnonzero(ours & (served.view(np.uint32) != scored.probabilities.view(np.uint32)))
        self._served += int(ours.sum())
        self._others += int(named.sum() - ours.sum())
        self._different += len(different)
        for i in different[: NAMED - len(self._differences)].tolist():
            row = int(rows[i])
            self._differences.append(
                Difference(
                    partition=scored.partition,
                    offset=scored.offset,
                    request_id=examples.request_ids[row],
                    tweet_id=str(examples.tweet_ids[row]),
                    served=float(served[i]),
                    now=float(scored.probabilities[i]),
                )
            )

    def report(self) -> Report:
        """The report on everything observed so far."""
        manifest, kept = self._predictor.manifest, self._kept.all()
        return Report(
            name=manifest.name,
            version=manifest.version,
            epoch=manifest.epoch,
            vocab_version=manifest.vocab_version,
            bins_version=manifest.bins_version,
            records=self._records,
            unusable=list(self._unusable.values()),
            examples=len(kept),
            outside=self._outside,
            fallback=int(np.isnan(kept["served"]).sum()),
            engaged=int(kept["engaged"].sum()),
            first_ms=self._first_ms,
            last_ms=self._last_ms,
            provenance={PROVENANCES[i]: int(self._provenances[i]) for i in np.flatnonzero(self._provenances)},
            all=_group(kept),
            learned_from=_group(kept[kept["learned"]]),
            held_out=_group(kept[~kept["learned"]]),
            parity=Parity(
                version=manifest.version,
                served=self._served,
                same_bits=self._served - self._different,
                others=self._others,
                differences=self._differences,
            ),
        )


def _group(kept: NDArray[np.void]) -> Group:
    ranked = kept[~np.isnan(kept["served"])]
    return Group(
        examples=len(kept),
        this_snapshot=_figures(kept, "now"),
        ranked_by_a_model=Compared(
            examples=len(ranked), served_then=_figures(ranked, "served"), this_snapshot=_figures(ranked, "now")
        ),
    )


def _figures(kept: NDArray[np.void], column: str) -> Evaluation | None:
    """The figures of one column of scores; None if the weights sum to 0."""
    return evaluate(kept[column], kept["engaged"], kept["weight"]) if kept["weight"].any() else None
