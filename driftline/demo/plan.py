"""Settings for compressed time: a demo passes hours or years of events in a few minutes of wall clock.

What is counted in event time (windows, panes, label windows) is derived from when the events were; what is counted
in examples (publishing) from how many are expected. Everything else stays as it is set.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from contracts.settings import Settings, VocabSettings
from driftline.feeding.window_length import window_of_events_ms

REACTION_MS = 120_000  # simulated viewers have looked and reacted within so much event time
VERSIONS_WANTED = 16  # model versions of a run: enough for an early and a late third
FEWEST_EXAMPLES = 500  # of a version: below it, the figures of one version are noise
MOST_TWEETS_PER_S = 1_200  # of wall clock: what two cores carry with Kafka, Redis, trainer, scorer and viewers beside
REQUESTS_WANTED = 6_000  # of a run: some 80,000 impressions are seen
FEWEST_REQUESTS_PER_TWEET, MOST_REQUESTS_PER_TWEET = 0.005, 1.0
SEEN_PER_REQUEST = 13  # impressions that a simulated viewer looks at, on average


def every_nth(tweets: int, seconds: float) -> int:
    """Of a source of so many tweets, each how-manieth is fed, so that `seconds` of wall clock suffice."""
    return max(1, -int(-tweets // (seconds * MOST_TWEETS_PER_S)))


def requests_per_tweet(tweets: int) -> float:
    """How often viewers ask, so that a short file too gives the model something to learn from."""
    return float(np.clip(REQUESTS_WANTED / max(1, tweets), FEWEST_REQUESTS_PER_TWEET, MOST_REQUESTS_PER_TWEET))


def settings_for(base: Settings, event_ms: NDArray[np.int64], requests: int) -> Settings:
    """`base` with its event-time settings fitted to events [n] (or a sample of them), and to so many requests."""
    window_ms = window_of_events_ms(event_ms)
    windows = len(np.unique(event_ms // window_ms))
    examples = requests * SEEN_PER_REQUEST
    replaced = msgspec.structs.replace
    return replaced(
        base,
        time=replaced(
            base.time,
            window_ms=window_ms,
            lateness_ms=min(window_ms // 2, base.time.lateness_ms),  # one feeder writes in order of event time
            jump_ms=max(base.time.jump_ms, 2 * window_ms),
        ),
        # The default is sized for a live city; a demo admits thousands of keys, and snapshots must be quick.
        vocab=_quarter(base.vocab, half_life_windows=max(4.0, windows / 8)),
        bins=replaced(base.bins, rolling_windows=max(8, windows // 4)),
        features=replaced(base.features, pane_ms=12 * window_ms),
        join=replaced(base.join, label_window_ms=REACTION_MS),
        trainer=replaced(base.trainer, publish_every_examples=max(FEWEST_EXAMPLES, examples // VERSIONS_WANTED)),
    )


def _quarter(vocab: VocabSettings, half_life_windows: float) -> VocabSettings:
    """Tables of a quarter of the size, whose keys fade at another speed."""
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
