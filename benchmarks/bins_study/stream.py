"""A stream of examples of the study: feature columns, windows of event time, and labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.arrays import F32, F64, I64
from contracts.columns import MISSING
from featurestore.features import CONTINUOUS, NUMBER

DAY_MS = 86_400_000  # a window of the study
MONTH = 30  # windows in the rolling window, in the first month, and in a label's past
QUARTILE = 0.75
FEWEST = 30  # fewest values in a label's past


@dataclass(frozen=True, slots=True)
class Stream:
    """n examples in order of time.

    windows: int64[n], ascending. dense: float32[n, len(CONTINUOUS)], `MISSING` for unknown. features: numbers of the
    columns that the stream has, ascending. labels: float64[n], 1, 0, or NaN for none. truth: float64[n], the
    probability of each label, None if unknown. delay: whole windows until a window's labels are known.
    """

    name: str
    windows: I64
    dense: F32
    features: tuple[int, ...]
    labels: F64
    truth: F64 | None
    delay: int


def stream_of(
    name: str, created_ms: I64, columns: dict[str, NDArray], labels: F64, truth: F64 | None, delay: int
) -> Stream:
    """A stream from columns by feature name, [n] each, NaN = unknown. created_ms: int64[n], ascending."""
    dense = np.full((len(created_ms), len(CONTINUOUS)), MISSING)
    for feature, values in columns.items():
        dense[:, NUMBER[feature]] = values
    dense[np.isnan(dense)] = MISSING
    features = tuple(sorted(NUMBER[feature] for feature in columns))
    return Stream(name, created_ms // DAY_MS, dense, features, labels, truth, delay)


def slices(windows: I64) -> list[tuple[int, slice]]:
    """(window, its rows) for every window of ascending windows."""
    found, begins = np.unique(windows, return_index=True)
    ends = [*begins[1:].tolist(), len(windows)]
    return [(window, slice(*of)) for window, *of in zip(found.tolist(), begins.tolist(), ends, strict=True)]


def above_trailing_quartile(windows: I64, values: F64, delay: int) -> F64:
    """float64[n], 1 if a value is above the third quartile of the values of the past month, else 0.

    The past month of window w is the MONTH windows before w - delay. NaN if the value is NaN, or if the past has
    fewer than FEWEST values. windows: int64[n], ascending.
    """
    labels = np.full(len(values), np.nan)
    for window, rows in slices(windows):
        begin, end = np.searchsorted(windows, [window - delay - MONTH, window - delay])
        past = values[begin:end]
        past = past[~np.isnan(past)]
        if len(past) >= FEWEST:
            known = ~np.isnan(values[rows])
            labels[rows][known] = values[rows][known] > np.quantile(past, QUARTILE)
    return labels


def by_author(authors: I64) -> list[I64]:
    """The rows of each author, ascending."""
    order = np.argsort(authors, kind="stable")
    _, begins = np.unique(authors[order], return_index=True)
    return np.split(order, begins[1:])


def newest_before(created_ms: I64, authors: I64, age_ms: int) -> I64:
    """int64[n], the row of the same author's newest tweet that is at least `age_ms` older; -1 for none."""
    found = np.full(len(created_ms), -1, np.int64)
    for rows in by_author(authors):
        times = created_ms[rows]
        place = np.searchsorted(times, times - age_ms, side="right") - 1
        some = place >= 0
        found[rows[some]] = rows[place[some]]
    return found


def oldest_after(created_ms: I64, authors: I64, gap_ms: int) -> I64:
    """int64[n], the row of the same author's oldest tweet that is at least `gap_ms` later; -1 for none."""
    found = np.full(len(created_ms), -1, np.int64)
    for rows in by_author(authors):
        times = created_ms[rows]
        place = np.searchsorted(times, times + gap_ms, side="left")
        some = place < len(rows)
        found[rows[some]] = rows[place[some]]
    return found


def tweets_within(created_ms: I64, authors: I64, span_ms: int) -> I64:
    """int64[n], the number of the same author's tweets in the `span_ms` before; equal times count in row order."""
    found = np.zeros(len(created_ms), np.int64)
    for rows in by_author(authors):
        times = created_ms[rows]
        found[rows] = np.arange(len(rows)) - np.searchsorted(times, times - span_ms, side="left")
    return found


def at(values: NDArray, rows: I64) -> F64:
    """float64[n], the values of these rows; NaN for row -1."""
    return np.where(rows >= 0, values[rows], np.nan)
