"""What a demo feeds: a simulated world, or a file of real tweets with simulated viewers around it."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.errors import DriftlineError
from contracts.records import Provenance, Tweet
from driftline.demo import plan
from driftline.demo.truth import WatchedWorld
from driftline.feeding.sorting import TweetSorter
from simulation.config import HOUR_MS, WorldConfig
from simulation.viewers import RecordedWorld, ViewersConfig
from simulation.world import World

WORLD_TWEETS_PER_S = 900  # of wall clock
WORLD_SPEED = 96  # event time per wall clock: the default 150 s pass four hours


class NothingToFeed(DriftlineError):
    """A source without a single readable tweet."""


@dataclass(frozen=True, slots=True)
class Material:
    """A world and how it will be fed.

    event_ms: int64[n], a sample of event times. tweets, requests: about how many. end_ms: event time to stop at, None
    for the source's end. description: what it is, for people.
    """

    world: WatchedWorld
    event_ms: NDArray[np.int64]
    tweets: int
    requests: int
    end_ms: int | None
    description: str

    @property
    def provenance(self) -> Provenance:
        """Of its requests and reactions."""
        return self.world.provenance


class TimedSorter(TweetSorter):
    """A sorter that also keeps every tweet's time, 8 bytes each."""

    def __init__(self) -> None:
        super().__init__()
        self._times = array("q")

    def add(self, tweet: Tweet) -> None:
        """As `TweetSorter.add`."""
        super().add(tweet)
        self._times.append(tweet.created_ms)

    @property
    def event_ms(self) -> NDArray[np.int64]:
        """int64[count], in the file's order."""
        return np.array(self._times, np.int64)


def simulated_world(seconds: float, seed: int) -> Material:
    """A world that passes in about `seconds` of wall clock."""
    hours = seconds * WORLD_SPEED / 3600
    tweets = int(seconds * WORLD_TWEETS_PER_S)
    requests = int(plan.REQUESTS_WANTED * seconds / 150)
    world = World(WorldConfig(tweets_per_hour=tweets / hours, requests_per_hour=requests / hours), seed)
    end_ms = world.begin_ms + int(hours * HOUR_MS)
    return Material(
        world=WatchedWorld(world),
        event_ms=np.linspace(world.begin_ms, end_ms, 10_000).astype(np.int64),
        tweets=tweets,
        requests=requests,
        end_ms=end_ms,
        description=f"a simulated world: {hours:.1f} hours, seed {seed}",
    )


def recorded(name: str, sorter: TimedSorter, counts: Mapping[str, int], seconds: float, seed: int) -> Material:
    """The tweets that were read out of a file, thinned if they are too many for `seconds`.

    Raises `NothingToFeed`. `counts` are the reader's: tweets, and what was left out by reason.
    """
    left_out = {reason: count for reason, count in counts.items() if reason != "tweets" and count}
    said = ", ".join(f"{count:,} {reason}" for reason, count in sorted(left_out.items()))
    if sorter.count == 0:
        raise NothingToFeed(f"{name} holds no tweet that can be read ({said or 'no rows'})")
    nth = plan.every_nth(sorter.count, seconds)
    tweets = -(-sorter.count // nth)
    per_tweet = plan.requests_per_tweet(tweets)
    chosen = (tweet for i, tweet in enumerate(sorter.sorted_tweets()) if i % nth == 0)
    world = RecordedWorld(chosen, ViewersConfig(requests_per_tweet=per_tweet), seed)
    thinned = f", 1 in {nth} of {sorter.count:,}" if nth > 1 else ""
    return Material(
        world=WatchedWorld(world),
        event_ms=np.sort(sorter.event_ms)[::nth],
        tweets=tweets,
        requests=int(tweets * per_tweet),
        end_ms=None,
        description=f"{tweets:,} real tweets of {name}{thinned}" + (f"; left out: {said}" if said else ""),
    )
