"""The figures of the study as records for JSON: one for the run, and one per method."""

from collections.abc import Sequence

import msgspec
import numpy as np

from benchmarks.vocab_drift.method import Admissions
from benchmarks.vocab_drift.study import Study, Tally
from contracts.arrays import I64, Bools

WITHIN_MINUTES = (1, 2, 5, 15, 60, 1440)


class Recall(msgspec.Struct, frozen=True, kw_only=True):
    """How soon the new top hashtags that crossed the threshold were admitted. Shares are between 0 and 1.

    same_window: share admitted in the window in which the exact count crossed. within: minutes after the occurrence
    that crossed -> share. median_minutes: None if fewer than half were admitted. by_month: share admitted within one
    window's length; None for a month in which none crossed.
    """

    same_window: float
    within: dict[int, float]
    median_minutes: float | None
    by_month: list[float | None]


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """All admissions of the run, of hashtags and of all keys.

    false: admitted while the exact count was below the threshold. brief: the share evicted within a day.
    """

    hashtags: int
    keys: int
    false_hashtags: int
    false_keys: int
    brief_hashtags: float
    brief_keys: float


class MethodFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One method. capacity: None for unbounded.

    Shares are between 0 and 1, named as in `Sharing`. Those with `tags` are of the new top hashtags; the others are
    of token occurrences in all measured months.
    """

    method: str
    capacity: int | None
    rows: int
    most_admitted: int
    recall: Recall | None
    admitted: Admitted | None
    tags_alone: float
    tags_each_alone: float
    tags_clean: float
    own: float
    alone: float
    each_alone: float
    others: float
    clean: float
    own_by_month: list[float]
    alone_by_month: list[float]
    clean_by_month: list[float]
    counting_bytes: int
    table_bytes: int


class StudyFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The run. top: the number of top new hashtags in `months`. crossed: how many of them reached the threshold."""

    tweets: int
    windows: int
    window_minutes: float
    half_life_hours: float
    admit_at: float
    evict_below: float
    built_in: str
    months: list[str]
    keys: int
    top: int
    crossed: int
    methods: list[MethodFigures]


def figures(study: Study) -> StudyFigures:
    """The figures of a finished study."""
    tops = [study.tags.top(month) for month in study.months]
    rules = study.settings[0].word
    crossed = [top[study.tags.crossed_in[top] >= 0] for top in tops]
    return StudyFigures(
        tweets=study.tweets,
        windows=study.windows,
        window_minutes=study.window_ms / 60_000,
        half_life_hours=rules.half_life_windows * study.window_ms / 3_600_000,
        admit_at=rules.admit_at,
        evict_below=rules.evict_below,
        built_in=_month_name(study.built_in),
        months=[_month_name(month) for month in study.months],
        keys=len(study.exact.keys),
        top=sum(map(len, tops)),
        crossed=sum(map(len, crossed)),
        methods=[_method(study, place, crossed) for place in range(len(study.methods))],
    )


def recall(crossed: Sequence[I64], crossed_at: I64, crossed_in: I64, first: I64, window_ms: int) -> Recall:
    """How soon the hashtags `crossed` (by month) were admitted; columns are indexed by key number.

    crossed_at: in ms. crossed_in: windows. first: the version of a key's first admission, -1 for none; a version
    holds from the end of its window.
    """
    every = np.concatenate([np.empty(0, np.int64), *crossed])
    minutes = np.where(first >= 0, ((first + 1) * window_ms - crossed_at) / 60_000, np.inf)
    median = float(np.median(minutes[every])) if len(every) else np.inf
    return Recall(
        same_window=_share(first[every] == crossed_in[every]),
        within={within: _share(minutes[every] <= within) for within in WITHIN_MINUTES},
        median_minutes=median if np.isfinite(median) else None,
        by_month=[_share(minutes[rows] <= window_ms / 60_000) if len(rows) else None for rows in crossed],
    )


def _method(study: Study, place: int, crossed: Sequence[I64]) -> MethodFigures:
    method, tallies, stood = study.methods[place], study.tallies[place], study.tags_stood[place]
    flags = [stood[row] for rows in crossed for row in rows.tolist()]
    months = [tallies[month] for month in study.months]
    total = Tally(*(sum(getattr(month, name) for month in months) for name in Tally.__slots__))
    counting, table = study.memory[place]
    admissions, tags = method.admissions, study.tags
    return MethodFigures(
        method=method.name,
        capacity=method.capacity,
        rows=method.rows,
        most_admitted=method.most_admitted,
        recall=recall(crossed, tags.crossed_at, tags.crossed_in, admissions.first, study.window_ms)
        if admissions
        else None,
        admitted=_admitted(admissions) if admissions else None,
        tags_alone=_share(np.array([flag[0] for flag in flags])),
        tags_each_alone=_share(np.array([flag[1] for flag in flags])),
        tags_clean=_share(np.array([flag[2] for flag in flags])),
        own=total.own / total.occurrences,
        alone=total.alone / total.occurrences,
        each_alone=total.each_alone / total.occurrences,
        others=total.others / total.occurrences,
        clean=total.clean / total.occurrences,
        own_by_month=[month.own / month.occurrences for month in months],
        alone_by_month=[month.alone / month.occurrences for month in months],
        clean_by_month=[month.clean / month.occurrences for month in months],
        counting_bytes=counting,
        table_bytes=table,
    )


def _admitted(admissions: Admissions) -> Admitted:
    return Admitted(
        hashtags=admissions.admitted[0],
        keys=admissions.admitted[1],
        false_hashtags=admissions.early[0],
        false_keys=admissions.early[1],
        brief_hashtags=admissions.brief[0] / max(1, admissions.admitted[0]),
        brief_keys=admissions.brief[1] / max(1, admissions.admitted[1]),
    )


def _share(flags: Bools) -> float:
    """The share of True; 0 for no flags."""
    return float(np.mean(flags)) if len(flags) else 0.0


def _month_name(month: int) -> str:
    return str(np.datetime64(month, "M"))
