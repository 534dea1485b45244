"""Settings for compressed time: a demo feeds hours or years of events in a few minutes of wall clock.

Settings in event time (windows, panes, the label window) are derived from the times of the events. Settings in
examples (how often to publish) are derived from the number of examples expected. All others stay as they are.
"""

import msgspec
import numpy as np

from contracts.arrays import I64
from contracts.settings import DAY_MS, Settings, VocabSettings
from driftline.feeding.window_length import window_of_events_ms

REACTION_MS = 120_000  # event time within which simulated viewers have reacted
VERSIONS_WANTED = 16  # model versions per run: enough for an early and a late third
FEWEST_EXAMPLES = 500  # per version: with fewer, a version's figures are noise
# Per second of wall clock: what two cores sustain beside Kafka, Redis, trainer, scorer and viewers.
MOST_TWEETS_PER_S = 1_200
REQUESTS_WANTED = 6_000  # per run: viewers then see about 80,000 impressions
FEWEST_REQUESTS_PER_TWEET, MOST_REQUESTS_PER_TWEET = 0.005, 1.0
SEEN_PER_REQUEST = 13  # impressions that a simulated viewer sees, on average


def every_nth(tweets: int, seconds: float) -> int:
    """n such that feeding every nth of `tweets` tweets takes at most `seconds` of wall clock."""
    return max(1, -int(-tweets // (seconds * MOST_TWEETS_PER_S)))


def requests_per_tweet(tweets: int) -> float:
    """How often viewers ask. High for a short file, so that the model has enough to learn from."""
    return float(np.clip(REQUESTS_WANTED / max(1, tweets), FEWEST_REQUESTS_PER_TWEET, MOST_REQUESTS_PER_TWEET))


def settings_for(base: Settings, event_ms: I64, requests: int) -> Settings:
    """`base` with its settings fitted to event times int64[n] (all of them or a sample) and a number of requests."""
    window_ms = window_of_events_ms(event_ms)
    windows = len(np.unique(event_ms // window_ms))
    examples = requests * SEEN_PER_REQUEST
    replaced = msgspec.structs.replace
    return replaced(
        base,
        time=replaced(
            base.time,
            window_ms=window_ms,
            # One feeder writes in order of event time, so a short lateness is enough.
            lateness_ms=min(window_ms // 2, base.time.lateness_ms),
        ),
        # The default size is for a live stream. A demo admits only thousands of keys, and needs quick snapshots.
        vocab=_quarter(base.vocab, half_life_windows=max(4.0, windows / 8)),
        bins=replaced(base.bins, rolling_windows=max(8, windows // 4)),
        features=replaced(base.features, pane_ms=12 * window_ms),
        join=replaced(base.join, label_window_ms=REACTION_MS),
        trainer=replaced(
            base.trainer,
            publish_every_examples=max(FEWEST_EXAMPLES, examples // VERSIONS_WANTED),
            publish_every_ms=30 * DAY_MS,  # by examples alone: each version's figures are then of as many
        ),
    )


def _quarter(vocab: VocabSettings, half_life_windows: float) -> VocabSettings:
    """`vocab` with a quarter of the slots and another half-life."""
    kinds = {
        name: msgspec.structs.replace(
            kind,
            capacity=kind.capacity // 4 // vocab.shards * vocab.shards,
            rare_slots=max(kind.rare_slots // 4, 1),
            half_life_windows=half_life_windows,
        )
        for name, kind in vocab.kinds.items()
    }
    return msgspec.structs.replace(vocab, **kinds)
