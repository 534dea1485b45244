"""How fast event time goes by: so many times as fast as the wall clock, or as fast as the system takes it."""

from dataclasses import dataclass

from contracts.errors import SettingsError

_LONGEST_STEP_S = 0.5  # of wall clock: what a pause cost is not made up for afterwards, event time is later instead
MOST_EVENTS = 1_000  # of a step at full speed
_RATE_STEP_S = 0.4  # of wall clock: at a given rate a step has the events of so long, at most
_FIRST_STEP_MS, _SHORTEST_STEP_MS = 1_000, 10


def parse_speed(text: str) -> float | None:
    """`100x`, `100` or `0.5x` as a number; None for `max`. Raises `SettingsError`."""
    if text == "max":
        return None
    try:
        speed = float(text.removesuffix("x"))
    except ValueError as error:
        raise SettingsError(f"--speed {text!r}: a number such as 100x, or max") from error
    if not 0 < speed < float("inf"):
        raise SettingsError(f"--speed {text!r}: more than 0, or max")
    return speed


def events_of_step(tweets_per_s: float | None) -> int:
    """How many events a step may have, so that a given rate is kept evenly."""
    return MOST_EVENTS if tweets_per_s is None else max(1, min(MOST_EVENTS, int(tweets_per_s * _RATE_STEP_S)))


@dataclass(slots=True)
class Pace:
    """Where event time goes next. `speed` None is full speed: a step is then as long as some hundred events last."""

    speed: float | None
    event_ms: int
    wall_s: float
    most_events: int = MOST_EVENTS  # of a step, where speed is None
    _step_ms: int = _FIRST_STEP_MS

    def next_step(self, wall_s: float, next_event_ms: int) -> int:
        """The event time to go to; no further than it was where it is too early to go on."""
        if self.speed is None:
            return max(self.event_ms, next_event_ms) + self._step_ms
        return self.event_ms + int(min(wall_s - self.wall_s, _LONGEST_STEP_S) * 1000 * self.speed)

    def stepped(self, event_ms: int, wall_s: float, work: int) -> None:
        """Event time is there now, and the step was so much work (in events)."""
        self.event_ms, self.wall_s = event_ms, wall_s
        if work < self.most_events // 4:
            self._step_ms *= 2
        elif work > self.most_events:
            self._step_ms = max(_SHORTEST_STEP_MS, self._step_ms // 2)
