"""The demo's input: a simulated world, or a file of real tweets with simulated viewers."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from contracts.arrays import I64
from contracts.errors import DriftlineError
from contracts.records import Provenance, Tweet
from driftline.demo import compressed_time
from driftline.demo.truth import WatchedWorld
from driftline.feeding.sorting import TweetSorter
from simulation.config import HOUR_MS, WorldConfig
from simulation.viewers import RecordedWorld, ViewersConfig
from simulation.world import World

WORLD_TWEETS_PER_S = 900  # of wall clock
WORLD_SPEED = 96  # event time per wall-clock time: the default 150 s simulate four hours


class NothingToFeed(DriftlineError):
    """The source has not a single readable tweet."""


@dataclass(frozen=True, slots=True)
class FeedInput:
    """A world to feed.

    event_ms: int64[n], a sample of its event times. tweets, requests: about how many there are. end_ms: event time at
    which to stop, None for the end of the source. description: the input in words.
    """

    world: WatchedWorld
    event_ms: I64
    tweets: int
    requests: int
    end_ms: int | None
    description: str

    @property
    def provenance(self) -> Provenance:
        """The provenance of its requests and reactions."""
        return self.world.provenance


class TimedSorter(TweetSorter):
    """A sorter that also keeps every tweet's event time, 8 bytes each."""

    def __init__(self) -> None:
        super().__init__()
        self._times = array("q")

    def add(self, tweet: Tweet) -> None:
        """Add a tweet and keep its time."""
        super().add(tweet)
        self._times.append(tweet.created_ms)

    @property
    def event_ms(self) -> I64:
        """int64[count], in the file's order."""
        return np.array(self._times, np.int64)


def simulated_world(seconds: float, seed: int) -> FeedInput:
    """A simulated world that takes about `seconds` of wall clock."""
    hours = seconds * WORLD_SPEED / 3600
    tweets = int(seconds * WORLD_TWEETS_PER_S)
    requests = int(compressed_time.REQUESTS_WANTED * seconds / 150)
    world = World(WorldConfig(tweets_per_hour=tweets / hours, requests_per_hour=requests / hours), seed)
    end_ms = world.begin_ms + int(hours * HOUR_MS)
    return FeedInput(
        world=WatchedWorld(world),
        event_ms=np.linspace(world.begin_ms, end_ms, 10_000).astype(np.int64),
        tweets=tweets,
        requests=requests,
        end_ms=end_ms,
        description=f"a simulated world: {hours:.1f} hours, seed {seed}",
    )


def recorded(name: str, sorter: TimedSorter, counts: Mapping[str, int], seconds: float, seed: int) -> FeedInput:
    """The tweets of a file, thinned out if they are too many for `seconds`.

    counts: the reader's counts: tweets, and rejected rows by reason. Raises `NothingToFeed` without a tweet.
    """
    left_out = {reason: count for reason, count in counts.items() if reason != "tweets" and count}
    said = ", ".join(f"{count:,} {reason}" for reason, count in sorted(left_out.items()))
    if sorter.count == 0:
        raise NothingToFeed(f"{name} holds no tweet that can be read ({said or 'no rows'})")
    nth = compressed_time.every_nth(sorter.count, seconds)
    tweets = -(-sorter.count // nth)
    per_tweet = compressed_time.requests_per_tweet(tweets)
    chosen = (tweet for i, tweet in enumerate(sorter.sorted_tweets()) if i % nth == 0)
    world = RecordedWorld(chosen, ViewersConfig(requests_per_tweet=per_tweet), seed)
    thinned = f", 1 in {nth} of {sorter.count:,}" if nth > 1 else ""
    return FeedInput(
        world=WatchedWorld(world),
        event_ms=np.sort(sorter.event_ms)[::nth],
        tweets=tweets,
        requests=int(tweets * per_tweet),
        end_ms=None,
        description=f"{tweets:,} real tweets of {name}{thinned}" + (f"; left out: {said}" if said else ""),
    )
