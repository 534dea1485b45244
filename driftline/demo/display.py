"""The demo's progress: bars in a terminal, otherwise a plain line every few seconds."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from driftline.feeding.loop import Progress as Fed

_LINE_EVERY_S = 10.0


class Display:
    """Messages, and progress bars while events are fed. A context manager. `clock_s`: a wall clock in seconds."""

    def __init__(self, console: Console, clock_s: Callable[[], float]) -> None:
        self._console = console
        self._clock_s = clock_s
        self._bars = Progress(
            TextColumn("{task.description:<12}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}
        self._lags: Mapping[str, int] = {}
        self._span_ms = (0, 1)
        self._last_line_s = float("-inf")

    def __enter__(self) -> "Display":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def say(self, message: str) -> None:
        """Print one line."""
        self._console.print(message, markup=False, highlight=False, soft_wrap=True)

    def reading(self, rows: int) -> None:
        """Show how many rows of the source have been read."""
        if self._due():
            self.say(f"reading: {rows:,} rows")

    def begin(self, begin_ms: int, end_ms: int, tweets: int, requests: int) -> None:
        """Start the bars. They run from event time `begin_ms` to `end_ms`; tweets, requests: the expected numbers."""
        self._span_ms = (begin_ms, max(end_ms, begin_ms + 1))
        if not self._console.is_terminal:
            return
        totals = {
            "event time": 100,
            "tweets": tweets,
            "timelines": requests,
            "engagements": None,
            "lag": None,
        }
        self._tasks = {name: self._bars.add_task(name, total=total, state="") for name, total in totals.items()}
        self._bars.start()

    def lags(self, lags: Mapping[str, int]) -> None:
        """Set each consumer's lag, to show with the next figures."""
        self._lags = dict(lags)

    def fed(self, fed: Fed) -> None:
        """Show the counters of the feed so far."""
        if self._tasks:
            self._show(fed)
        elif self._due():
            done = self._done_percent(fed)
            self.say(
                f"{_utc(fed.event_ms)} ({done:.0f}%): {fed.tweets:,} tweets, {fed.answered:,} of {fed.requests:,} "
                f"timelines answered, {fed.engagements:,} engagements; lag {_lag_text(self._lags)}"
            )

    def end(self) -> None:
        """Stop the bars; they stay on the screen."""
        if self._tasks:
            self._bars.stop()
            self._tasks = {}

    def _show(self, fed: Fed) -> None:
        update, tasks = self._bars.update, self._tasks
        update(tasks["event time"], completed=round(self._done_percent(fed)), state=_utc(fed.event_ms))
        update(tasks["tweets"], completed=fed.tweets)
        update(tasks["timelines"], completed=fed.answered, state=f"{fed.outstanding} awaited")
        update(tasks["engagements"], completed=fed.engagements)
        update(tasks["lag"], completed=sum(self._lags.values()), state=_lag_text(self._lags))

    def _done_percent(self, fed: Fed) -> float:
        begin, end = self._span_ms
        return min(100.0, 100.0 * (fed.event_ms - begin) / (end - begin))

    def _due(self) -> bool:
        now = self._clock_s()
        if now - self._last_line_s < _LINE_EVERY_S:
            return False
        self._last_line_s = now
        return True


def _lag_text(lags: Mapping[str, int]) -> str:
    behind = [f"{name} {lag:,}" for name, lag in lags.items() if lag]
    return ", ".join(behind) or "none"


def _utc(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
