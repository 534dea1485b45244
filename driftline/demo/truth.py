"""The best possible log-loss of a run, and a world whose requests sometimes ask for reasons.

Viewers engage by known probabilities p. No prediction can have a lower mean log-loss than their entropy:

    H = mean over seen impressions of  -p log p - (1 - p) log (1 - p)      (nats)
"""

from array import array
from collections.abc import Sequence
from typing import Protocol

import msgspec
import numpy as np

from contracts.arrays import F64, I64
from contracts.records import Action, Engagement, Provenance, RankedTimeline, TimelineRequest, Tweet

EXPLAIN_EVERY = 20  # one request in 20 asks for reasons, which cost several scores per candidate


class KnownWorld(Protocol):
    """`simulation.world.World` or `simulation.viewers.RecordedWorld`."""

    provenance: Provenance
    begin_ms: int

    def next_ms(self) -> int | None: ...
    def tweets(self, until_ms: int) -> list[Tweet]: ...
    def requests(self, until_ms: int) -> list[TimelineRequest]: ...
    def react(self, timeline: RankedTimeline) -> list[Engagement]: ...
    def true_probability(self, viewer_id: int, tweet_ids: I64, at_ms: int) -> F64: ...


class BestPossible(msgspec.Struct, frozen=True, kw_only=True):
    """The entropy in nats, over all impressions and over the first and last third; None without impressions."""

    all: float | None
    early: float | None
    late: float | None


class WatchedWorld:
    """Wraps a world to be fed. Sets `explain` on one request in `EXPLAIN_EVERY` and sums the entropy of reactions."""

    def __init__(self, world: KnownWorld) -> None:
        self._world = world
        self._asked = 0
        self._entropies, self._seen = array("d"), array("q")  # of each timeline that was reacted to
        self.provenance, self.begin_ms = world.provenance, world.begin_ms

    def next_ms(self) -> int | None:
        """The world's `next_ms`."""
        return self._world.next_ms()

    def tweets(self, until_ms: int) -> list[Tweet]:
        """The world's tweets."""
        return self._world.tweets(until_ms)

    def requests(self, until_ms: int) -> list[TimelineRequest]:
        """The world's requests; some ask for reasons."""
        result = []
        for request in self._world.requests(until_ms):
            self._asked += 1
            explain = request.explain or self._asked % EXPLAIN_EVERY == 0
            result.append(msgspec.structs.replace(request, explain=explain))
        return result

    def react(self, timeline: RankedTimeline) -> list[Engagement]:
        """The world's reactions; adds the entropy of the seen tweets."""
        reactions = self._world.react(timeline)
        seen = [event.tweet_id for event in reactions if event.action is Action.SEEN]
        if seen:
            p = self._world.true_probability(int(timeline.viewer_id), np.array(seen, np.int64), timeline.at_ms)
            self._entropies.append(float(entropy(p).sum()))
            self._seen.append(len(seen))
        return reactions

    def best_possible(self) -> BestPossible:
        """The lowest possible log-loss so far."""
        third = max(1, len(self._seen) // 3)
        return BestPossible(
            all=_mean(self._entropies, self._seen),
            early=_mean(self._entropies[:third], self._seen[:third]),
            late=_mean(self._entropies[-third:], self._seen[-third:]),
        )


def entropy(p: F64) -> F64:
    """float64[n], the entropy in nats of probabilities strictly between 0 and 1."""
    return np.asarray(-p * np.log(p) - (1 - p) * np.log1p(-p), np.float64)


def _mean(sums: Sequence[float], counts: Sequence[int]) -> float | None:
    return sum(sums) / sum(counts) if len(counts) else None
