"""Should bins keep ranks or values when edges roll? `python -m benchmarks.bins_drift FILE [--plot FILE.svg]`.

FILE has tweets with public counts over years (anything that `sources` can read). The tasks are two on these tweets,
two on counts that grow 400-fold, and one in the simulated world:

* popular: does a tweet have more likes than the median of the 500 before it? Inputs: its retweets and length.
* link: does its text contain a link? Inputs: retweets, likes and length.
* by rank, by value: the label depends on the value relative to its time, or on the value itself (logistic).
* simulated world: is a tweet that a viewer saw engaged with? Inputs: counters that only grow, and the tweet's age.
  Windows are hours instead of days.

A logistic regression with Adagrad predicts each day's tweets, then learns them (progressive log-loss, in nats). It
gets every feature as a bin (one weight per bin) or as a number. The bins are Driftline's: counted by day, decided by
`BinOwner` over 30 days, rows mixed as in the trainer. `frozen` keeps the edges of the first 30 days, or the first
edges after that.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from benchmarks.bins_drift.plot import plot
from benchmarks.bins_drift.tasks import DAY_MS, Task, simulated_world, tweet_tasks, world
from benchmarks.normalization import Maximum, MeanVariance
from contracts.arrays import F64, I64
from contracts.columns import MISSING
from contracts.records import BinsVersion, Tweet
from contracts.settings import BinSettings
from featurestore.bins.counter import BinCounter
from featurestore.bins.owner import BinOwner
from featurestore.bins.replica import BIN_ROWS, Bins, FrozenBins
from featurestore.features import CANDIDATE_DENSE, NUMBER, TWEET_COUNTED, VIEWER_DENSE
from sources import open_source
from trainer.bin_rows import row_mixtures

FIRST_DAYS = 30
SETTINGS = BinSettings(bins=16, rolling_windows=30, minimum_values=150)
CARRIERS = (
    "tweet.author_followers",
    "tweet.text_length",
    "tweet.tag_count",
)  # declared features whose columns hold the inputs
RATES = (0.1, 0.3, 1.0)  # learning rates of Adagrad; each method is shown at its best rate
SOURCES = {"tweets": frozenset({("tweets", 0)})}


class BinnedFeatures:
    """A logistic regression over bins. Edges roll as the owner decides, or are frozen.

    frozen_after: the day after which a feature's edges no longer change once it has some; None: they always roll.
    """

    def __init__(self, rate: float, frozen_after: int | None) -> None:
        self._rate, self._frozen_after = rate, frozen_after
        self._owner, self._counter, self._bins = BinOwner(SETTINGS, SOURCES), BinCounter("tweets", 0), Bins()
        self.weights, self._moments = np.zeros(BIN_ROWS), np.full(BIN_ROWS, 1.0)

    @property
    def view(self) -> FrozenBins:
        """The present edges."""
        return self._bins.at(self._bins.complete_through)

    def rows(self, values: F64) -> I64:
        """int64[n, d], the row of the bin table of each value float64[n, d]."""
        block = np.full((len(values), len(CANDIDATE_DENSE)), MISSING)
        columns = [NUMBER[name] - len(VIEWER_DENSE) for name in CARRIERS[: values.shape[1]]]
        block[:, columns] = values
        return self.view.candidate.discretize(block)[:, columns].astype(np.int64)

    def predict(self, values: F64) -> F64:
        """float64[n], log-odds."""
        return np.asarray(self.weights[self.rows(values)].sum(axis=1))

    def learn(self, values: F64, errors: F64) -> None:
        """Make one Adagrad step. errors: float64[n], probability minus label."""
        rows = self.rows(values)
        gradient = np.zeros(BIN_ROWS)
        np.add.at(gradient, rows, errors[:, None])
        self._moments += gradient**2
        self.weights -= self._rate * gradient / np.sqrt(self._moments)

    def close(self, day: int, values: F64) -> None:
        """End the day: count its values, and apply what the owner decides."""
        dense = np.full((len(values), len(TWEET_COUNTED)), MISSING)
        dense[:, [TWEET_COUNTED.index(name) for name in CARRIERS[: values.shape[1]]]] = values
        for frame in [
            *self._counter.count_tweets(dense, np.full(len(values), day), day - 1),
            self._counter.marker(day),
        ]:
            self._owner.observe(frame)
        for record in self._owner.close_windows():
            self._roll(record)

    def _roll(self, record: BinsVersion) -> None:
        if self._frozen_after is not None and record.version > self._frozen_after:
            first = {name: edges for name, edges in record.edges.items() if NUMBER[name] not in self.view.edges}
            record = replace(record, edges=first)
        for rows, shares in row_mixtures(self.view.edges, record):
            self.weights[rows], self._moments[rows] = shares @ self.weights[rows], shares @ self._moments[rows]
        self._bins.apply(record)


class NumberFeatures:
    """A logistic regression over normalized numbers, with one weight per feature and a bias."""

    def __init__(self, rate: float, normalization: MeanVariance | Maximum, width: int) -> None:
        self._rate, self._normalization = rate, normalization
        self._weights, self._moments = np.zeros(width + 1), np.full(width + 1, 1.0)
        self._inputs = np.empty((0, width + 1))

    def predict(self, values: F64) -> F64:
        """float64[n], log-odds."""
        numbers = self._normalization.normalize(values)
        self._inputs = np.concatenate([numbers, np.ones((len(values), 1))], axis=1)
        return np.asarray(self._inputs @ self._weights)

    def learn(self, values: F64, errors: F64) -> None:
        """Make one Adagrad step on the values predicted last."""
        gradient = errors @ self._inputs
        self._moments += gradient**2
        self._weights -= self._rate * gradient / np.sqrt(self._moments)

    def close(self, day: int, values: F64) -> None:
        """Do nothing: the normalization has observed the day already."""


def main() -> None:
    """Print the table, and write the plot if asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bins_drift",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    tweets = [row for row in open_source(arguments.file) if isinstance(row, Tweet) and row.public_counts]
    tweets.sort(key=lambda tweet: (tweet.created_ms, tweet.id))
    tasks = [*tweet_tasks(tweets), world(by_rank=True), world(by_rank=False), simulated_world()]
    heads = "".join(f"{name:>10}" for name in ("rolling", "frozen", "z-score", "max"))
    print(f"{'log-loss, nats':<18}{'examples':>10}{'base rate':>11}{heads}")
    for task in tasks:
        width = task.values.shape[1]
        late = task.days > FIRST_DAYS
        methods: list[Callable[[float], BinnedFeatures | NumberFeatures]] = [
            lambda rate: BinnedFeatures(rate, None),
            lambda rate: BinnedFeatures(rate, FIRST_DAYS),
            lambda rate, width=width: NumberFeatures(rate, MeanVariance(width), width),
            lambda rate, width=width: NumberFeatures(rate, Maximum(width), width),
        ]
        best = [min(progressive(task, method(rate))[late].mean() for rate in RATES) for method in methods]
        figures = "".join(f"{loss:>10.4f}" for loss in best)
        print(f"{task.name:<18}{late.sum():>10,}{_entropy(task.labels[late]):>11.4f}{figures}")
    if arguments.plot:
        begin = tweets[0].created_ms // DAY_MS - 1
        edge_changes = [(begin + day, edges) for day, edges in edges_over(tasks[0])]
        title = f"edges of the retweets of {len(tweets):,} tweets, {SETTINGS.bins} bins over {FIRST_DAYS} days"
        plot(edge_changes, [begin + 1, begin + int(tasks[0].days[-1])], title, arguments.plot)


def edges_over(task: Task) -> list[tuple[int, list[float]]]:
    """(day, edges of the first feature) for every roll."""
    features, edge_changes = BinnedFeatures(RATES[0], None), []
    for day in np.unique(task.days).tolist():
        features.close(day, task.values[task.days == day])
        edges = features.view.edges.get(NUMBER[CARRIERS[0]])
        if edges is not None and (not edge_changes or edge_changes[-1][1] != edges.tolist()):
            edge_changes.append((day, edges.tolist()))
    return edge_changes


def progressive(task: Task, features: BinnedFeatures | NumberFeatures) -> F64:
    """float64[n], the log-loss of each example, predicted before its day is learned."""
    losses = np.empty(len(task.labels))
    days, begins = np.unique(task.days, return_index=True)
    for day, begin, end in zip(days.tolist(), begins, [*begins[1:], len(losses)], strict=True):
        values, labels = task.values[begin:end], task.labels[begin:end]
        logits = features.predict(values)
        losses[begin:end] = np.logaddexp(0, np.where(labels > 0, -logits, logits))
        features.learn(values, 1 / (1 + np.exp(-logits)) - labels)
        features.close(day, values)
    return losses


def _entropy(labels: F64) -> float:
    """The log-loss of predicting the base rate."""
    rate = labels.mean()
    return float(-(rate * np.log(rate) + (1 - rate) * np.log1p(-rate)))


if __name__ == "__main__":
    main()
