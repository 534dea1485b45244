"""What rolling bins gain where counts drift: `python -m benchmarks.bins_drift FILE [--plot FILE.svg]`.

FILE holds tweets with public counts over years (anything that `contracts.sources` reads). Two questions are asked of
them, and one of a world whose counts grow four-hundredfold, in which the answer is a matter of rank or of the value:

* popular: does a tweet have more likes than the median of the 500 before it? Out of its retweets and length.
* link: does its text hold a link? Out of retweets, likes and length.
* world, by rank / by value: truth is a logistic function of the value relative to its time / of the value itself.

A logistic regression with Adagrad predicts each day's tweets, then learns them (progressive log-loss, in nats). It
sees every feature as a bin (one weight each) or as a number. Bins are the product's own: counted by day, owned by
`BinOwner` over 30 days, rows mixed as the trainer does. `frozen` keeps the edges of the first 30 days for ever, or
the first that there are.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.bins_drift_plot import plot
from benchmarks.normalization import Maximum, MeanVariance
from contracts.records import BinsVersion, Tweet
from contracts.settings import BinSettings
from contracts.sources import open_source
from featurestore.bin_counter import BinCounter
from featurestore.bin_owner import BinOwner
from featurestore.bins import BIN_ROWS, Bins, BinsView
from featurestore.features import CANDIDATE_DENSE, NUMBER, TWEET_COUNTED, VIEWER_DENSE
from trainer.bin_rows import row_mixtures

F64 = NDArray[np.float64]

DAY_MS = 86_400_000
FIRST_DAYS = 30
SETTINGS = BinSettings(bins=16, rolling_windows=30, minimum_values=150)
CARRIERS = ("author_followers", "text_length", "tag_count")  # features of the set that bear the study's values
BEFORE = 500
RATE = 0.1
SOURCES = {"tweets": frozenset({("tweets", 0)})}


@dataclass(frozen=True, slots=True)
class Task:
    """values: float64[n, d], d of `CARRIERS`. labels: float64[n]. days: int64[n], ascending from 1."""

    name: str
    values: F64
    labels: F64
    days: NDArray[np.int64]


class BinnedFeatures:
    """Rows of the bin table for each value; edges roll as their owner says, or stay as they were first.

    frozen_after: the day after which they stay, if there are any by then.
    """

    def __init__(self, frozen_after: int | None) -> None:
        self._frozen_after = frozen_after
        self._owner, self._counter, self._bins = BinOwner(SETTINGS, SOURCES), BinCounter("tweets", 0), Bins()
        self.weights, self._moments = np.zeros(BIN_ROWS), np.full(BIN_ROWS, 1.0)

    @property
    def view(self) -> BinsView:
        """The edges as they are."""
        return self._bins.at(self._bins.complete_through)

    def rows(self, values: F64) -> NDArray[np.int64]:
        """int64[n, d]."""
        block = np.full((len(values), len(CANDIDATE_DENSE)), np.nan, np.float32)
        columns = [NUMBER[name] - len(VIEWER_DENSE) for name in CARRIERS[: values.shape[1]]]
        block[:, columns] = values
        return self.view.candidate.discretize(block)[:, columns].astype(np.int64)

    def predict(self, values: F64) -> F64:
        """float64[n]: log-odds."""
        return np.asarray(self.weights[self.rows(values)].sum(axis=1))

    def learn(self, values: F64, errors: F64) -> None:
        """One Adagrad step of the rows touched; errors: float64[n], probability less label."""
        rows = self.rows(values)
        gradient = np.zeros(BIN_ROWS)
        np.add.at(gradient, rows, errors[:, None])
        self._moments += gradient**2
        self.weights -= RATE * gradient / np.sqrt(self._moments)

    def close(self, day: int, values: F64) -> None:
        """The day is over: count its values, and take what the owner decides."""
        dense = np.full((len(values), len(TWEET_COUNTED)), np.nan, np.float32)
        dense[:, [TWEET_COUNTED.index(name) for name in CARRIERS[: values.shape[1]]]] = values
        for frame in [
            *self._counter.count_tweets(dense, np.full(len(values), day), day - 1),
            self._counter.marker(day),
        ]:
            self._owner.observe(frame)
        for record in self._owner.close_windows():
            if self._frozen_after is None or record.version <= self._frozen_after or not self.view.edges:
                self._roll(record)

    def _roll(self, record: BinsVersion) -> None:
        mended = BinsVersion(
            base_version=self.view.version, version=record.version, sequence=self.view.sequence + 1,
            edges=record.edges, cells=record.cells,
        )  # fmt: skip
        for rows, shares in row_mixtures(self.view.edges, mended):
            self.weights[rows], self._moments[rows] = shares @ self.weights[rows], shares @ self._moments[rows]
        self._bins.apply(mended)


class NumberFeatures:
    """A weight a feature over normalized numbers, and a constant."""

    def __init__(self, normalization: MeanVariance | Maximum, width: int) -> None:
        self._normalization = normalization
        self._weights, self._moments = np.zeros(width + 1), np.full(width + 1, 1.0)
        self._inputs = np.empty((0, width + 1))

    def predict(self, values: F64) -> F64:
        """float64[n]: log-odds."""
        numbers = self._normalization.normalize(values)
        self._inputs = np.concatenate([numbers, np.ones((len(values), 1))], axis=1)
        return np.asarray(self._inputs @ self._weights)

    def learn(self, values: F64, errors: F64) -> None:
        """One Adagrad step on what was predicted last."""
        gradient = errors @ self._inputs
        self._moments += gradient**2
        self._weights -= RATE * gradient / np.sqrt(self._moments)

    def close(self, day: int, values: F64) -> None:
        """Nothing: the running figures have seen the day."""


def main() -> None:
    """Prints the table; writes the plot if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    tweets = [row for row in open_source(arguments.file) if isinstance(row, Tweet) and row.public_counts]
    tweets.sort(key=lambda tweet: (tweet.created_ms, tweet.id))
    tasks = [*tweet_tasks(tweets), world(by_rank=True), world(by_rank=False)]
    heads = "".join(f"{name:>10}" for name in ("rolling", "frozen", "z-score", "max"))
    print(f"{'log-loss, nats':<18}{'examples':>10}{'base rate':>11}{heads}")
    for task in tasks:
        width = task.values.shape[1]
        losses = [
            progressive(task, features)
            for features in (
                BinnedFeatures(None), BinnedFeatures(FIRST_DAYS),
                NumberFeatures(MeanVariance(width), width), NumberFeatures(Maximum(width), width),
            )
        ]  # fmt: skip
        late = task.days > FIRST_DAYS
        figures = "".join(f"{loss[late].mean():>10.4f}" for loss in losses)
        print(f"{task.name:<18}{late.sum():>10,}{_entropy(task.labels[late]):>11.4f}{figures}")
    if arguments.plot:
        begin = tweets[0].created_ms // DAY_MS - 1
        rolls = [(begin + day, edges) for day, edges in edges_over(tasks[0])]
        title = f"edges of the retweets of {len(tweets):,} tweets, {SETTINGS.bins} bins over {FIRST_DAYS} days"
        plot(rolls, [begin + 1, begin + int(tasks[0].days[-1])], title, arguments.plot)


def edges_over(task: Task) -> list[tuple[int, list[float]]]:
    """(day, edges of the first feature) of every roll."""
    features, rolls = BinnedFeatures(None), []
    for day in np.unique(task.days).tolist():
        features.close(day, task.values[task.days == day])
        edges = features.view.edges.get(NUMBER[CARRIERS[0]])
        if edges is not None and (not rolls or rolls[-1][1] != edges.tolist()):
            rolls.append((day, edges.tolist()))
    return rolls


def progressive(task: Task, features: BinnedFeatures | NumberFeatures) -> F64:
    """float64[n]: the log-loss of each example as it was predicted before its day was learned."""
    losses = np.empty(len(task.labels))
    days, begins = np.unique(task.days, return_index=True)
    for day, begin, end in zip(days.tolist(), begins, [*begins[1:], len(losses)], strict=True):
        values, labels = task.values[begin:end], task.labels[begin:end]
        logits = features.predict(values)
        losses[begin:end] = np.logaddexp(0, np.where(labels > 0, -logits, logits))
        features.learn(values, 1 / (1 + np.exp(-logits)) - labels)
        features.close(day, values)
    return losses


def tweet_tasks(tweets: Sequence[Tweet]) -> list[Task]:
    """`popular` and `link`."""
    counts = [tweet.public_counts for tweet in tweets if tweet.public_counts]
    retweets = np.array([count.retweets for count in counts], np.float64)
    likes = np.array([count.likes for count in counts], np.float64)
    length = np.array([len(tweet.text) for tweet in tweets], np.float64)
    days = np.array([tweet.created_ms // DAY_MS for tweet in tweets], np.int64)
    days -= days[0] - 1
    medians = np.array([np.median(likes[max(0, i - BEFORE) : i]) if i else 0.0 for i in range(len(likes))])
    link = np.array(["http" in tweet.text for tweet in tweets], np.float64)
    return [
        Task("popular", np.stack([retweets, length], axis=1), (likes > medians).astype(np.float64), days),
        Task("link", np.stack([retweets, length, likes], axis=1), link, days),
    ]


def world(*, by_rank: bool, days: int = 365, a_day: int = 200) -> Task:
    """Counts that grow 400-fold in a year, and answers whose probabilities are known."""
    random = np.random.default_rng(1)
    day = np.repeat(np.arange(1, days + 1), a_day)
    grown = np.log(400) * day / days
    relative = random.normal(size=len(day))
    values = np.rint(np.exp(4 + grown + 1.5 * relative))
    logit = 1.5 * relative if by_rank else np.log1p(values) - 4 - np.log(20)
    labels = (random.random(len(day)) < 1 / (1 + np.exp(-logit))).astype(np.float64)
    return Task(f"world, by {'rank' if by_rank else 'value'}", values[:, None], labels, day)


def _entropy(labels: F64) -> float:
    """The log-loss of one who knows the base rate and nothing else."""
    rate = labels.mean()
    return float(-(rate * np.log(rate) + (1 - rate) * np.log1p(-rate)))


if __name__ == "__main__":
    main()
