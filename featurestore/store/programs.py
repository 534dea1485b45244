"""Compiles declared features into programs over columns: a program gives a feature's values for all rows at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from contracts.arrays import F32, F64, I64, Records
from contracts.columnar import COUNTERS
from contracts.columns import MISSING
from featurestore.declarations import Age, Count, Entity, Feature, HourOfDay, InHistory, Is, Share, Window, Written
from featurestore.store.counters import recent
from featurestore.store.redis_layout import QUOTE, REPLY, RETWEET

_HOUR_MS = 3_600_000
_FLAGS = {"reply": REPLY, "quote": QUOTE, "retweet": RETWEET}

Values = NDArray[np.generic]


@dataclass(slots=True)
class Inputs:
    """What programs read of n rows. Only what the compiled features need has to be there.

    at_ms: int64[n], of the requests. tweets: TWEET [n]. counters: entity -> COUNTERS [n]. in_history: what of the
    viewer's history a candidate repeats -> how often, float64[n].
    """

    tweets: Records
    at_ms: I64 = field(default_factory=lambda: np.zeros(0, np.int64))
    counters: Mapping[Entity, Records] = field(default_factory=dict)
    pane_ms: int = 0
    in_history: Mapping[str, F64] = field(default_factory=dict)
    _windows: dict[tuple[Entity, Window], F64] = field(default_factory=dict)
    _counts: dict[tuple[Entity, Count], F64] = field(default_factory=dict)

    def count(self, entity: Entity, count: Count) -> F64:
        """float64[n], made once for all features that read it."""
        made = self._counts.get((entity, count))
        if made is None:
            columns = [COUNTERS.index(name) for name in count.counted]
            every = self._window(entity, count.window)
            made = (
                every[:, columns[0]] if len(columns) == 1 else np.asarray(every[:, columns].sum(axis=1), np.float64)
            )
            self._counts[entity, count] = made
        return made

    def _window(self, entity: Entity, window: Window) -> F64:
        """float64[n, len(COUNTERS)]."""
        made = self._windows.get((entity, window))
        if made is None:
            records, pane_ms = self.counters[entity], self.pane_ms
            ever = window == "ever"
            made = records["totals"].astype(np.float64) if ever else recent(records, self.at_ms, pane_ms)
            self._windows[entity, window] = made
        return made


Program = Callable[[Inputs], Values]


class Compiled:
    """The programs of some features, in their order."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self._programs = [program(feature) for feature in features]

    def run(self, inputs: Inputs, rows: int) -> F32:
        """float32[rows, features]."""
        dense = np.empty((rows, len(self._programs)), np.float32)
        for column, compute in enumerate(self._programs):
            dense[:, column] = compute(inputs)
        return dense


def program(feature: Feature) -> Program:
    """The program of one feature."""
    entity = feature.entity
    match feature.source:
        case Count() as count:
            return lambda inputs: inputs.count(entity, count)
        case Share(part=part, whole=whole):
            return lambda inputs: _share(inputs.count(entity, part), inputs.count(entity, whole))
        case Written(field=name):
            return lambda inputs: inputs.tweets[name]
        case Is(kind=kind):
            bit = _FLAGS[kind]
            return lambda inputs: inputs.tweets["flags"] & bit != 0
        case Age():
            return lambda inputs: (inputs.at_ms - inputs.tweets["created_ms"]) / 1000.0
        case HourOfDay():
            return lambda inputs: (inputs.at_ms // _HOUR_MS % 24).astype(np.float64)
        case InHistory(of=of):
            return lambda inputs: inputs.in_history[of]


def _share(part: F64, whole: F64) -> F64:
    most = np.maximum(part, whole)
    return np.divide(part, most, out=np.full(len(most), MISSING, np.float64), where=most > 0)
