"""Sorts a file's tweets by event time in bounded memory: sorted runs on disk, merged as they are read.

In memory are at most `RUN_TWEETS` tweets (some 60 MB), plus one tweet and one file buffer per run. The sort is
stable: if time stamps are to the minute, only the file's order tells the order within a minute.
"""

import heapq
import tempfile
from collections.abc import Iterator
from typing import IO

import msgspec

from contracts.records import Tweet

RUN_TWEETS = 100_000
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Tweet)


class TweetSorter:
    """`add` every tweet, then read `sorted_tweets()` once. A context manager: leaving it deletes the runs."""

    def __init__(self, run_tweets: int = RUN_TWEETS) -> None:
        self._run_tweets = run_tweets
        self._held: list[Tweet] = []
        self._runs: list[IO[bytes]] = []
        self.count = 0
        self.first_ms: int | None = None
        self.last_ms: int | None = None

    def __enter__(self) -> "TweetSorter":
        return self

    def __exit__(self, *exc_info: object) -> None:
        for run in self._runs:
            run.close()

    def add(self, tweet: Tweet) -> None:
        """Add the next tweet of the file."""
        self.count += 1
        self.first_ms = tweet.created_ms if self.first_ms is None else min(self.first_ms, tweet.created_ms)
        self.last_ms = tweet.created_ms if self.last_ms is None else max(self.last_ms, tweet.created_ms)
        self._held.append(tweet)
        if len(self._held) >= self._run_tweets:
            self._spill()

    def sorted_tweets(self) -> Iterator[Tweet]:
        """All tweets by event time; equal times keep the order in which they were added."""
        self._held.sort(key=_time)
        runs = [*(_read(run) for run in self._runs), iter(self._held)]
        return heapq.merge(*runs, key=_time)

    def _spill(self) -> None:
        self._held.sort(key=_time)
        run = tempfile.TemporaryFile(prefix="driftline-run-")  # noqa: SIM115 - closed on leaving
        run.writelines(_encoder.encode(tweet) + b"\n" for tweet in self._held)
        run.seek(0)
        self._runs.append(run)
        self._held = []


def _time(tweet: Tweet) -> int:
    return tweet.created_ms


def _read(run: IO[bytes]) -> Iterator[Tweet]:
    return (_decoder.decode(line) for line in run)
