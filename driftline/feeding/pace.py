"""How fast event time passes: at a multiple of the wall clock, or as fast as the system can take events."""

from dataclasses import dataclass

from contracts.errors import SettingsError

# Wall clock. A longer pause is not caught up: event time stays behind.
_LONGEST_STEP_S = 0.5
_LEAST_STEP_S = 0.01  # shorter steps would be work without events
MOST_EVENTS = 1_000  # per step at full speed
_RATE_STEP_S = 0.4  # wall clock: at a fixed rate, a step has at most the events of this time
_FIRST_STEP_MS, _SHORTEST_STEP_MS = 1_000, 10


def parse_speed(text: str) -> float | None:
    """The number of `100x`, `100` or `0.5x`; None for `max`. Raises `SettingsError`."""
    if text == "max":
        return None
    try:
        speed = float(text.removesuffix("x"))
    except ValueError as error:
        raise SettingsError(f"--speed {text!r}: expected a number such as 100x, or max") from error
    if not 0 < speed < float("inf"):
        raise SettingsError(f"--speed {text!r}: expected more than 0, or max")
    return speed


def events_of_step(tweets_per_s: float | None) -> int:
    """The most events of a step that still keep the given rate even."""
    return MOST_EVENTS if tweets_per_s is None else max(1, min(MOST_EVENTS, int(tweets_per_s * _RATE_STEP_S)))


@dataclass(slots=True)
class Pace:
    """Chooses the steps of event time.

    speed: event time per wall-clock time; None is full speed, where the length of a step adapts to its number of
    events, at most about `most_events`.
    """

    speed: float | None
    event_ms: int
    wall_s: float
    most_events: int = MOST_EVENTS
    _step_ms: int = _FIRST_STEP_MS

    def next_step(self, wall_s: float, next_event_ms: int) -> int:
        """The event time to go to next; not after `event_ms` if it is too early for a step."""
        if self.speed is None:
            return max(self.event_ms, next_event_ms) + self._step_ms
        passed_s = wall_s - self.wall_s
        if passed_s < _LEAST_STEP_S:
            return self.event_ms
        return self.event_ms + int(min(passed_s, _LONGEST_STEP_S) * 1000 * self.speed)

    def stepped(self, event_ms: int, wall_s: float, work: int) -> None:
        """Record a step that began at `wall_s`: event time is now `event_ms`, and the step was `work` events."""
        self.event_ms, self.wall_s = event_ms, wall_s
        if work < self.most_events // 4:
            self._step_ms *= 2
        elif work > self.most_events:
            self._step_ms = max(_SHORTEST_STEP_MS, self._step_ms // 2)
