"""`replay` and `simulate` at the terminal: a progress bar, draining on Ctrl-C, and a summary line."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from contracts.records import Provenance
from contracts.settings import Settings
from driftline.feeding.follow_ingest import following_ingest
from driftline.feeding.loop import FeedConfig, feed
from driftline.feeding.loop import Progress as Fed
from driftline.feeding.replay import Reading, replay
from simulation.world import World
from sources import Source
from transport.kafka.writer import KafkaWriter

_LINE_EVERY_S = 10.0  # in a file
_WORTH_SAYING_S = 5.0  # that ingest is a moment behind is how it should be

_MEANING = {
    Provenance.REAL: "real tweets, no viewers",
    Provenance.SIMULATED_VIEWERS: "real tweets, simulated viewers",
    Provenance.SIMULATED_WORLD: "a simulated world",
}


@contextlib.contextmanager
def stop_on_signals() -> Iterator[asyncio.Event]:
    """An event that SIGINT and SIGTERM set while the block runs. Needs a running event loop."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    try:
        yield stopping
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


class FeedBar:
    """A progress bar over event time on standard error; in a file, whole lines now and then. A context manager."""

    def __init__(self, provenance: Provenance) -> None:
        self._provenance = provenance
        self._console = Console(stderr=True, soft_wrap=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            console=self._console,
        )
        self._task: TaskID = self._bar.add_task("reading", total=None, state="")
        self._begin_ms = 0
        self._said_s = time.monotonic()

    def __enter__(self) -> "FeedBar":
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._console.is_terminal:
            self._bar.stop()

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self._console.print(text, markup=False, highlight=False)

    def reading(self, rows: int) -> None:
        """Show how many rows of the file have been read."""
        self._show(f"{rows:,} rows")

    def span(self, begin_ms: int, end_ms: int) -> None:
        """Set the event time that the bar spans."""
        self._begin_ms = begin_ms
        self._bar.update(self._task, description=_MEANING[self._provenance], total=max(1, end_ms - begin_ms))

    def fed(self, progress: Fed) -> None:
        """Show a feed's counters."""
        state = (
            f"{_shown(progress.event_ms)}  {progress.tweets:,} tweets  {progress.engagements:,} engagements  "
            f"{progress.answered:,}/{progress.requests:,} answered"
        )
        if progress.behind and progress.behind_s > _WORTH_SAYING_S:
            state += f"  waiting for `driftline worker`: {progress.behind:,} records behind"
        self._show(state, progress.event_ms - self._begin_ms)

    def _show(self, state: str, completed: int | None = None) -> None:
        self._bar.update(self._task, state=state, completed=completed)
        now_s = time.monotonic()
        if not self._console.is_terminal and now_s - self._said_s >= _LINE_EVERY_S:
            self._said_s = now_s
            self.say(state)


async def run_world(world: World, settings: Settings, config: FeedConfig) -> str:
    """Feed a simulated world until `config.end_ms`. Returns a summary line."""
    with stop_on_signals() as stopping, FeedBar(world.provenance) as bar:
        bar.span(world.begin_ms, config.end_ms or world.begin_ms)
        async with KafkaWriter(settings) as writer, following_ingest(settings) as behind:
            fed = await feed(settings, writer, world, replace(config, behind=behind), bar.fed, stopping)
    return _summary(fed, world.provenance, interrupted=stopping.is_set())


async def run_replay(
    source: Source,
    settings: Settings,
    config: FeedConfig,
    *,
    viewers: int,
    seed: int,
    limit: int | None,
    stands_at_ms: int | None,
) -> str:
    """Feed a file. Returns two lines: what was read, and what was fed. stands_at_ms: where event time stands."""
    provenance = Provenance.SIMULATED_VIEWERS if viewers else Provenance.REAL
    with stop_on_signals() as stopping, FeedBar(provenance) as bar:

        def on_reading(reading: Reading) -> None:
            bar.reading(reading.rows)
            if reading.done and reading.first_ms is not None and reading.last_ms is not None:
                bar.span(reading.first_ms, reading.last_ms)
                if late := late_warning(reading.first_ms, reading.last_ms, stands_at_ms):
                    bar.say(late)

        reading, fed = await replay(
            source,
            settings,
            config,
            viewers=viewers,
            seed=seed,
            limit=limit,
            on_reading=on_reading,
            on_progress=bar.fed,
            stopping=stopping,
        )
    counts = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(reading.counts.items()))
    return f"read {source.name}: {counts}\n{_summary(fed, provenance, interrupted=stopping.is_set())}"


def _summary(progress: Fed, provenance: Provenance, *, interrupted: bool) -> str:
    """The summary line of a feed that has ended."""
    unanswered = (
        "; nobody answered: is `driftline scorer` running?" if progress.requests and not progress.answered else ""
    )
    how = "interrupted and drained" if interrupted else "done"
    return (
        f"{how} ({_MEANING[provenance]}): {progress.tweets:,} tweets, "
        f"{progress.requests:,} requests ({progress.answered:,} answered, {progress.given_up:,} given up), "
        f"{progress.engagements:,} engagements; {_reached(progress)}{unanswered}"
    )


def _reached(progress: Fed) -> str:
    if not progress.event_ms:
        return "event time has not begun"
    closing = f", closing ticks at {_shown(progress.final_ms)}" if progress.final_ms else ""
    return f"event time reached {_shown(progress.event_ms)}{closing}"


def late_warning(first_ms: int, last_ms: int, stands_at_ms: int | None) -> str:
    """What to say of a file with tweets before the event time that the log has reached; "" if there are none."""
    if stands_at_ms is None or first_ms >= stands_at_ms:
        return ""
    which = "all tweets of the file are" if last_ms < stands_at_ms else "the tweets before that are"
    return (
        f"warning: this installation has reached event time {_shown(stands_at_ms)}, and the file begins at "
        f"{_shown(first_ms)}: {which} late. They count in the present window, and reactions to them label no "
        "example. An installation of its own, with another DRIFTLINE_PREFIX, has a clock of its own"
    )


def _shown(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
