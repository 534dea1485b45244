"""Settings for compressed time: a demo passes hours or years of events in a few minutes of wall clock.

What is counted in event time (windows, panes, label windows) is derived from the span of the events and from how
fast they pass; what is counted in examples (publishing) from how many are expected. Everything else stays as set.
"""

from dataclasses import dataclass

import msgspec

from contracts.settings import Settings

FEWEST_WINDOWS = 200  # a vocabulary and bins need this many decisions to be seen drifting
LABEL_WALL_S = 4.0  # an answer must travel to its viewer and the reaction back before the label is taken
VERSIONS_WANTED = 16  # model versions of a run: enough for an early and a late third
_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000

# Lengths that people read easily. Neighbours differ by a factor of two at most, so that the number of windows of a
# span stays between FEWEST_WINDOWS and twice that.
WINDOW_LENGTHS_MS = (
    *(n * _SECOND for n in (1, 2, 3, 5, 10, 15, 20, 30)),
    *(n * _MINUTE for n in (1, 2, 3, 5, 10, 15, 20, 30)),
    *(n * _HOUR for n in (1, 2, 3, 4, 6, 8, 12)),
    *(n * _DAY for n in (1, 2, 4, 7, 14, 28, 56)),
)


@dataclass(frozen=True, slots=True)
class Span:
    """What will be fed: event times from `start_ms` to `end_ms`, in about `seconds` of wall clock.

    examples: impressions that are expected to become examples.
    """

    start_ms: int
    end_ms: int
    seconds: float
    examples: int

    @property
    def length_ms(self) -> int:
        """Event time that passes, at least a second."""
        return max(_SECOND, self.end_ms - self.start_ms)

    @property
    def speed(self) -> float:
        """Event time that passes in one unit of wall clock."""
        return self.length_ms / (self.seconds * 1000)


def window_length_ms(length_ms: int) -> int:
    """The longest readable window of which `length_ms` still holds FEWEST_WINDOWS; 1 s for a very short span."""
    fitting = [window for window in WINDOW_LENGTHS_MS if length_ms >= FEWEST_WINDOWS * window]
    return fitting[-1] if fitting else WINDOW_LENGTHS_MS[0]


def settings_for(base: Settings, span: Span) -> Settings:
    """`base` with its event-time settings fitted to `span`."""
    window_ms = window_length_ms(span.length_ms)
    windows = max(1, span.length_ms // window_ms)
    label_window_ms = max(window_ms, int(LABEL_WALL_S * 1000 * span.speed))
    replaced = msgspec.structs.replace
    return replaced(
        base,
        time=replaced(
            base.time,
            window_ms=window_ms,
            lateness_ms=window_ms // 2,
            # A source may have honest gaps of a twentieth of its span; a clock that is wrong is wrong by more.
            jump_ms=max(base.time.jump_ms, span.length_ms // 20),
        ),
        # The default is sized for a live city; a demo admits thousands of keys, and snapshots must be quick.
        vocab=replaced(base.vocab, capacity=1 << 15, rare_slots=1 << 12, half_life_windows=max(4.0, windows / 8)),
        bins=replaced(base.bins, rolling_windows=max(8, windows // 4)),
        features=replaced(base.features, pane_ms=12 * window_ms),
        join=replaced(base.join, label_window_ms=label_window_ms),
        trainer=replaced(base.trainer, publish_every_examples=max(500, span.examples // VERSIONS_WANTED)),
    )
