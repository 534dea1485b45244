"""What a viewer does with a timeline that was shown, drawn from known probabilities.

The viewer looks at the first D places, where P(D > k) = (1 + k) ** -position_exponent, and engages with each tweet
there by its true probability. Places beyond D give no event: served but unseen is not a negative. Every draw is a
hash of (seed, request, tweet): whether a seen tweet is liked does not depend on its place.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.arrays import F64, I64
from contracts.records import Action, Engagement, Provenance
from simulation.config import Behavior
from simulation.noise import draw_key, uniforms

# Place k is looked at 400 + 1,500 k milliseconds after the request.
_FIRST_LOOK_MS, _PLACE_MS = 400, 1_500
_KINDS = (Action.LIKE, Action.RETWEET, Action.REPLY, Action.QUOTE)
_KIND_SHARES = np.cumsum([0.72, 0.16, 0.08, 0.04])
_MOST_CLICKS, _HIDDEN = 0.5, 0.01
_DEPTH, _ENGAGE, _KIND, _CLICK, _DWELL, _HIDE, _DELAY = range(7)


@dataclass(frozen=True, slots=True)
class Shown:
    """A timeline that was shown: n places from the top, and the true probability of engagement of each."""

    request_id: str
    viewer_id: int
    at_ms: int
    tweet_ids: I64
    author_ids: I64
    probability: F64


def examination(positions: NDArray[np.integer], behavior: Behavior) -> F64:
    """float64[n], the probability that each place (from 0) is looked at."""
    return np.asarray((1.0 + positions) ** -behavior.position_exponent, np.float64)


def freshness(age_ms: NDArray[np.integer], behavior: Behavior) -> F64:
    """float64[n], the log-odds that a tweet's freshness adds."""
    return np.asarray(behavior.freshness * 0.5 ** (np.maximum(age_ms, 0) / behavior.fresh_half_ms), np.float64)


def sigmoid(log_odds: F64) -> F64:
    """float64[n] in (0, 1)."""
    return np.asarray(1.0 / (1.0 + np.exp(-log_odds)), np.float64)


def draw_reactions(shown: Shown, behavior: Behavior, seed: int, provenance: Provenance) -> list[Engagement]:
    """The events of one timeline, in order of time."""
    key = draw_key(seed, shown.request_id)
    places = np.arange(len(shown.tweet_ids))
    seen = uniforms(key + _DEPTH, np.zeros(1, np.int64))[0] < examination(places, behavior)
    ids = shown.tweet_ids[seen]
    p = shown.probability[seen]
    draws = [uniforms(key + stream, ids) for stream in range(7)]
    engaged = draws[_ENGAGE] < p
    kind = np.minimum(np.searchsorted(_KIND_SHARES, draws[_KIND], side="right"), len(_KINDS) - 1)
    clicked = draws[_CLICK] < np.minimum(2.0 * p, _MOST_CLICKS)
    dwelled = draws[_DWELL] < 0.15 + 0.85 * p
    hidden = (draws[_HIDE] < _HIDDEN * (1.0 - p)) & ~engaged
    looked = shown.at_ms + _FIRST_LOOK_MS + _PLACE_MS * np.arange(len(ids))
    delay = (1_000 + 9_000 * draws[_DELAY]).astype(np.int64)

    authors = shown.author_ids[seen]
    everywhere = np.ones(len(ids), np.bool_)
    found: list[Engagement] = []
    for rows, at_ms, actions in (
        (everywhere, looked, [Action.SEEN] * len(ids)),
        (dwelled, looked + delay, [Action.DWELL] * len(ids)),
        (clicked, looked + delay // 2, [Action.CLICK] * len(ids)),
        (engaged, looked + delay, [_KINDS[k] for k in kind.tolist()]),
        (hidden, looked + delay, [Action.HIDE] * len(ids)),
    ):
        found += [
            Engagement(
                viewer_id=shown.viewer_id,
                tweet_id=int(ids[i]),
                author_id=int(authors[i]),
                action=actions[i],
                at_ms=int(at_ms[i]),
                request_id=shown.request_id,
                position=i,
                provenance=provenance,
                dwell_ms=int(delay[i]) if actions[i] is Action.DWELL else None,
            )
            for i in np.flatnonzero(rows).tolist()
        ]
    found.sort(key=lambda event: event.at_ms)
    return found
