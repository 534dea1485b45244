"""The study of one stream: learn what is known by now, predict a window, then close it; under each encoding.

The first month of `MONTH` windows only shows values: edges, means and maxima are taken from it, nothing is learned
and nothing measured. It begins where `LEAST` examples come in such a month for the first time. All later examples
with a label are measured, the first ones of untrained models too, which are alike for all.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.bins_study.edges import BINS
from benchmarks.bins_study.encodings import Encoded, Encoding, FrozenBins, RollingBins, all_encodings
from benchmarks.bins_study.learner import RATES, Learner, log_losses
from benchmarks.bins_study.stream import DAY_MS, MONTH, Stream, slices
from contracts.arrays import F32, F64, I64
from featurestore.features import CONTINUOUS

LEAST = 100  # examples of the first month
_WEEK = 7  # windows of a block: days of one week are not independent


@dataclass(frozen=True, slots=True)
class EncodingFigures:
    """An encoding at the learning rate that was best for it. Losses in nats an example.

    by_rate: in the order of RATES. gain: what rolling bins save beside it, and `error` the standard error of that
    over weeks. by_month: in the order of the stream's months.
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
    """What came out. first: day on which the first month begins. months: of what was measured, YYYY-MM.

    entropy, truth_loss: of the true probabilities, None where they are not known: mean entropy, and log-loss of
    predicting them. rolls: (day, feature, edges) of all that was published. frozen: feature -> edges of the first
    month. features: their names.
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
    rolls: list[tuple[str, str, list[float]]]
    frozen: dict[str, list[float]]


def first_window(windows: I64) -> int:
    """Where the first month begins. Raises `ValueError` where no month has so many examples."""
    many = np.searchsorted(windows, windows + MONTH) - np.searchsorted(windows, windows) >= LEAST
    if not many.any():
        raise ValueError(f"no {MONTH} days of the stream have {LEAST} examples")
    return int(windows[np.argmax(many)])


def study(stream: Stream, progress: Callable[[], None], bins: int = BINS) -> StreamFigures:
    """Runs it; `progress` is called after every window. Raises `ValueError` where nothing can be measured."""
    first = first_window(stream.windows)
    rolling, frozen = RollingBins(bins), FrozenBins(bins)
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
        rolls=[(_day(window), CONTINUOUS[number].name, of.tolist()) for window, number, of in rolling.edges.rolls],
        frozen={CONTINUOUS[number].name: edges.tolist() for number, edges in frozen.view.edges.items()},
    )


class Contestant:
    """An encoding with a learner of its own, and what it lost so far, of the columns `features`."""

    def __init__(self, encoding: Encoding, features: tuple[int, ...]) -> None:
        self.encoding = encoding
        self._features = np.array(features)
        self._learner = Learner()
        self._losses = [np.empty((len(RATES), 0))]

    @property
    def losses(self) -> F64:
        """float64[len(RATES), examples that were predicted]."""
        return np.concatenate(self._losses, axis=1)

    def predict(self, dense: F32, labels: F64) -> None:
        """Examples, float32[n, len(CONTINUOUS)], whose labels, float64[n], are then looked up."""
        self._losses.append(log_losses(self._learner.predict(*self._encode(dense)), labels))

    def learn(self, dense: F32, labels: F64) -> None:
        """The same, later."""
        self._learner.learn(*self._encode(dense), labels)

    def close(self, window: int, dense: F32) -> None:
        """Takes in the values of a window, and what becomes of rows."""
        self._learner.mix(self.encoding.observe(window, dense))

    def _encode(self, dense: F32) -> Encoded:
        rows, values = self.encoding.encode(dense)
        return rows[:, self._features], values[:, self._features]


def predict_then_learn(
    stream: Stream, first: int, encodings: list[Encoding], progress: Callable[[], None]
) -> list[F64]:
    """Per encoding float64[len(RATES), m]: the losses of the labelled examples after the first month, in order."""
    contestants = [Contestant(encoding, stream.features) for encoding in encodings]
    labelled = _labelled(stream)
    blocks = [(window, rows) for window, rows in slices(stream.windows) if window >= first]
    month = [block for block in blocks if block[0] < first + MONTH]
    for window, rows in month:
        for contestant in contestants:
            contestant.close(window, stream.dense[rows])
        progress()
    for encoding in encodings:
        encoding.freeze()
    waiting: deque[tuple[int, I64]] = deque()  # windows that were predicted, and their labelled rows
    for window, rows in blocks[len(month) :]:
        due = [waiting.popleft()[1] for earlier, _ in list(waiting) if earlier < window - stream.delay]
        now = rows.start + np.flatnonzero(labelled[rows])
        for contestant in contestants:
            for learned in due:
                contestant.learn(stream.dense[learned], stream.labels[learned])
            contestant.predict(stream.dense[now], stream.labels[now])
            contestant.close(window, stream.dense[rows])
        waiting.append((window, now))
        progress()
    return [contestant.losses for contestant in contestants]


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
    """(mean, its standard error) of float64[n] that are independent between blocks, int64[n], but not within.

    The error of a ratio of sums over blocks, as clustered standard errors are.
    """
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
