"""The study of one stream with each encoding: learn the labels known by now, predict a window, then close it.

In the first month of `MONTH` windows, encodings only observe values for their edges, means and maxima; nothing is
learned or measured. It is the first month with `LEAST` examples. All later examples with a label are measured, also
the first ones of the untrained models, which are equal for all encodings.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.bins_study.edges import BINS
from benchmarks.bins_study.encodings import Encoded, Encoding, FirstMonthBins, RollingBins, all_encodings
from benchmarks.bins_study.learner import RATES, Learner, log_losses
from benchmarks.bins_study.stream import DAY_MS, MONTH, Stream, slices
from contracts.arrays import F32, F64, I64
from featurestore.features import CONTINUOUS

LEAST = 100  # fewest examples of the first month
_WEEK = 7  # windows per block: days of one week are not independent


@dataclass(frozen=True, slots=True)
class EncodingFigures:
    """An encoding at its best learning rate. Losses are in nats per example.

    by_rate: losses in the order of RATES. gain: its loss minus that of rolling bins. error: the standard error of
    `gain` over weeks. by_month: losses in the order of the stream's months.
    """

    name: str
    rate: float
    loss: float
    gain: float
    error: float
    by_rate: list[float]
    by_month: list[float]


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """The results for one stream.

    first: the day on which the first month begins. features: their names. months: those measured, YYYY-MM. entropy,
    truth_loss: mean entropy of the true probabilities, and the log-loss of predicting them; None if they are unknown.
    edge_changes: (day, feature, edges) of everything published. frozen: feature -> edges of the first month.
    """

    name: str
    first: str
    features: list[str]
    months: list[str]
    examples: int
    base_rate: float
    entropy: float | None
    truth_loss: float | None
    encodings: list[EncodingFigures]
    edge_changes: list[tuple[str, str, list[float]]]
    frozen: dict[str, list[float]]


def first_window(windows: I64) -> int:
    """The window at which the first month begins. Raises `ValueError` if no month has `LEAST` examples."""
    many = np.searchsorted(windows, windows + MONTH) - np.searchsorted(windows, windows) >= LEAST
    if not many.any():
        raise ValueError(f"no {MONTH} days of the stream have {LEAST} examples")
    return int(windows[np.argmax(many)])


def study(stream: Stream, progress: Callable[[], None], bins: int = BINS) -> StreamFigures:
    """Study one stream; calls `progress` after every window. Raises `ValueError` if there is nothing to measure."""
    first = first_window(stream.windows)
    rolling, frozen = RollingBins(bins), FirstMonthBins(bins)
    encodings = all_encodings(rolling, frozen)
    losses = predict_then_learn(stream, first, encodings, progress)
    measured = np.flatnonzero(_labelled(stream) & (stream.windows >= first + MONTH))
    if not len(measured):
        raise ValueError(f"{stream.name}: there is nothing to measure after the first month")
    labels, windows = stream.labels[measured], stream.windows[measured]
    truth = None if stream.truth is None else stream.truth[measured]
    months = _dates(windows).astype("datetime64[M]")
    return StreamFigures(
        name=stream.name,
        first=_day(first),
        features=[CONTINUOUS[number].name for number in stream.features],
        months=[str(month) for month in np.unique(months)],
        examples=len(measured),
        base_rate=float(labels.mean()),
        entropy=None if truth is None else float(_entropy(truth).mean()),
        truth_loss=None if truth is None else float(log_losses(truth, labels).mean()),
        encodings=_figures(encodings, losses, windows, months),
        edge_changes=[
            (_day(window), CONTINUOUS[number].name, of.tolist()) for window, number, of in rolling.edges.edge_changes
        ],
        frozen={CONTINUOUS[number].name: edges.tolist() for number, edges in frozen.view.edges.items()},
    )


class EncodingRun:
    """An encoding of the columns `features`, with its own learner and its losses so far."""

    def __init__(self, encoding: Encoding, features: tuple[int, ...]) -> None:
        self.encoding = encoding
        self._features = np.array(features)
        self._learner = Learner()
        self._losses = [np.empty((len(RATES), 0))]

    @property
    def losses(self) -> F64:
        """float64[len(RATES), examples predicted so far]."""
        return np.concatenate(self._losses, axis=1)

    def predict(self, dense: F32, labels: F64) -> None:
        """Predict examples, float32[n, len(CONTINUOUS)], and keep their losses. labels: float64[n]."""
        self._losses.append(log_losses(self._learner.predict(*self._encode(dense)), labels))

    def learn(self, dense: F32, labels: F64) -> None:
        """Learn the same examples, once their labels are known."""
        self._learner.learn(*self._encode(dense), labels)

    def close(self, window: int, dense: F32) -> None:
        """Observe a closed window, and mix the learner's rows."""
        self._learner.mix(self.encoding.observe(window, dense))

    def _encode(self, dense: F32) -> Encoded:
        rows, values = self.encoding.encode(dense)
        return rows[:, self._features], values[:, self._features]


def predict_then_learn(
    stream: Stream, first: int, encodings: list[Encoding], progress: Callable[[], None]
) -> list[F64]:
    """Per encoding float64[len(RATES), m], the losses of the labelled examples after the first month, in order."""
    runs = [EncodingRun(encoding, stream.features) for encoding in encodings]
    labelled = _labelled(stream)
    blocks = [(window, rows) for window, rows in slices(stream.windows) if window >= first]
    month = [block for block in blocks if block[0] < first + MONTH]
    for window, rows in month:
        for run in runs:
            run.close(window, stream.dense[rows])
        progress()
    for encoding in encodings:
        encoding.freeze()
    waiting: deque[tuple[int, I64]] = deque()  # windows predicted but not learned, and their labelled rows
    for window, rows in blocks[len(month) :]:
        due = [waiting.popleft()[1] for earlier, _ in list(waiting) if earlier < window - stream.delay]
        now = rows.start + np.flatnonzero(labelled[rows])
        for run in runs:
            for learned in due:
                run.learn(stream.dense[learned], stream.labels[learned])
            run.predict(stream.dense[now], stream.labels[now])
            run.close(window, stream.dense[rows])
        waiting.append((window, now))
        progress()
    return [run.losses for run in runs]


def _figures(encodings: list[Encoding], losses: list[F64], windows: I64, months: np.ndarray) -> list[EncodingFigures]:
    best = [int(of.mean(axis=1).argmin()) for of in losses]
    reference = losses[0][best[0]]
    found = []
    for encoding, of_rates, at in zip(encodings, losses, best, strict=True):
        loss = of_rates[at]
        gain, error = mean_and_error(loss - reference, windows // _WEEK)
        by_month = [float(loss[months == month].mean()) for month in np.unique(months)]
        by_rate = of_rates.mean(axis=1).tolist()
        found.append(EncodingFigures(encoding.name, RATES[at], float(loss.mean()), gain, error, by_rate, by_month))
    return found


def mean_and_error(values: F64, blocks: I64) -> tuple[float, float]:
    """(mean, clustered standard error) of float64[n], independent between blocks, int64[n], but not within them."""
    mean = float(values.mean())
    _, block = np.unique(blocks, return_inverse=True)
    sums = np.bincount(block, weights=values - mean)
    return mean, float(np.sqrt((sums**2).sum()) / len(values))


def _entropy(p: F64) -> F64:
    inside = np.clip(p, 1e-15, 1 - 1e-15)
    return np.asarray(-inside * np.log(inside) - (1 - inside) * np.log1p(-inside), np.float64)


def _labelled(stream: Stream) -> np.ndarray:
    return ~np.isnan(stream.labels)


def _dates(windows: I64) -> np.ndarray:
    return (windows * DAY_MS).astype("datetime64[ms]")


def _day(window: int) -> str:
    return str(_dates(np.array([window]))[0])[:10]
