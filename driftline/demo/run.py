"""The demo from start to end: servers, topics, processes, feeding, draining, stopping, summary.

Whatever happens, the demo asks the processes that it started to drain, waits for them, then stops the servers. If a
child dies, the demo fails and shows the end of the child's log. Ctrl-C and SIGTERM drain, without a summary.
"""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console

from contracts.errors import DriftlineError
from contracts.records import RankedTimeline
from contracts.settings import Settings
from driftline.demo.clean_up import delete_demo_data
from driftline.demo.compressed_time import settings_for
from driftline.demo.display import Display
from driftline.demo.feed_input import FeedInput, TimedSorter, recorded, simulated_world
from driftline.demo.processes import Children, commands
from driftline.demo.report_data import Report, Run, gather
from driftline.demo.waiting import Watch, wait_until_drained, wait_until_learned, wait_until_ready
from driftline.feeding.console import stop_on_signals
from driftline.feeding.loop import FeedConfig, feed
from driftline.feeding.loop import Progress as Fed
from driftline.feeding.replay import read_into
from driftline.inspect import timelines
from driftline.inspect.lags import LagMeter
from driftline.inspect.vocab import Movers, movers
from driftline.servers.local import local_servers
from sources import Source, open_source
from transport.installation import DEFAULT_PARTITIONS, install
from transport.kafka import admin as kafka_admin
from transport.kafka.publisher import KafkaPublisher
from transport.kafka.writer import KafkaWriter

_CLOCK_SKEW_MS = 86_400_000  # how far ahead of this machine's clock a tweet may be
_LOOKED_AT = 8  # newest timelines
MOVERS = 10  # how many rising and falling hashtags are shown
# What rises and falls is shown of the first kind that has enough: some tweets have hardly any hashtags.
_SHOWN_KINDS, _FEWEST_MOVERS = ("hashtag", "word"), 3
MOST_BEHIND = 2_000  # records of ingest's lag at which feeding waits
# Feeding ends after this multiple of the seconds that it should take: a slow machine feeds less, not longer.
_PATIENCE = 1.4
# But until a model has ranked a timeline there is nothing to show, so a world is fed for so many seconds more.
_UNTIL_SHOWN_S = 100.0


class Interrupted(DriftlineError):
    """The user stopped the demo; everything has drained and stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of `driftline demo`. seconds: how long to feed. texts: whether texts may be shown."""

    source: Path | None = None
    seconds: float = 150.0
    seed: int = 1
    workers: int = 1
    texts: bool = True
    keep: bool = False


class Stages:
    """Measures the wall-clock seconds of each stage."""

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self._clock_s = clock_s
        self._began = clock_s()
        self.seconds: dict[str, float] = {}

    def end(self, name: str) -> None:
        """End the stage `name`, which began at the last call."""
        now = self._clock_s()
        self.seconds[name] = now - self._began
        self._began = now


def run(base: Settings, options: Options, console: Console) -> Report:
    """Run the demo on the servers configured in `base`, or on fresh ones.

    Raises `BadSource` (before anything is started), `ServerUnavailable`, `NotReady`, `ChildFailed`, `Interrupted`.
    """
    source = _open(options.source)
    folder = Path(tempfile.mkdtemp(prefix="driftline-demo-"))
    failed = True
    try:
        with Display(console, time.monotonic) as display:
            report = _on_servers(base, options, source, folder, display)
        failed = False
        return report
    except (Interrupted, KeyboardInterrupt):
        failed = False
        raise
    finally:
        if not failed and not options.keep:
            shutil.rmtree(folder)
        else:
            console.print(f"logs and data are in {folder}", markup=False, highlight=False, soft_wrap=True)


def texts_shown(options: Options, source: Source | None) -> bool:
    """Whether texts may be shown. Those of a source that calls them offensive, as far as it was read, never are."""
    return options.texts and not (source is not None and source.offensive_texts)


def _open(path: Path | None) -> Source | None:
    return None if path is None else open_source(path, not_after_ms=int(time.time() * 1000) + _CLOCK_SKEW_MS)


def _on_servers(base: Settings, options: Options, source: Source | None, folder: Path, display: Display) -> Report:
    stages = Stages(time.monotonic)
    display.say(f"starting Kafka and Redis, unless they are configured; data and logs in {folder}")
    with local_servers(base, folder, display.say) as servers:
        settings = msgspec.structs.replace(
            servers.settings,
            prefix=f"{folder.name}-",
            installation="",
            data_dir=str(folder / "data"),
            metrics_port=0,
            partitions=base.partitions or DEFAULT_PARTITIONS,
        )
        kafka_admin.apply(settings)
        stages.end("servers")
        try:
            return asyncio.run(_Demo(settings, options, source, folder, display, stages).run())
        finally:
            delete_demo_data(settings, kafka="kafka" not in servers.started, redis="redis" not in servers.started)


class _Demo:
    """One run, on servers that answer and whose topics exist."""

    def __init__(
        self,
        settings: Settings,
        options: Options,
        source: Source | None,
        folder: Path,
        display: Display,
        stages: Stages,
    ) -> None:
        self._settings = settings
        self._options = options
        self._source = source
        self._folder = folder
        self._display = display
        self._stages = stages
        self._fed = Fed()
        self._lags: dict[str, int] = {}
        self._movers: Movers | None = None
        self._ranked_by_model = False

    async def run(self) -> Report:
        sorter = TimedSorter()
        with stop_on_signals() as stopping, sorter:
            feed_input = await self._read_input(sorter, stopping)
            if stopping.is_set():
                raise Interrupted("nothing was fed")
            self._settings = settings_for(self._settings, feed_input.event_ms, feed_input.requests)
            await asyncio.to_thread(install, self._settings)
            self._stages.end("reading")
            with LagMeter.connected(self._settings) as meter:
                lags = await self._with_children(feed_input, meter, stopping)
            if stopping.is_set():
                raise Interrupted("the processes were stopped in order")
        self._display.say("reading the logs for the summary")
        run = Run(
            description=feed_input.description,
            provenance=feed_input.provenance,
            began_ms=feed_input.world.begin_ms,
            fed=self._fed,
            lags=lags,
            movers=self._movers,
            best_possible=feed_input.world.best_possible(),
            texts_shown=texts_shown(self._options, self._source),
        )
        report = gather(self._settings, run)
        self._stages.end("summary")
        return msgspec.structs.replace(report, wall_s=self._stages.seconds)

    async def _read_input(self, sorter: TimedSorter, stopping: asyncio.Event) -> FeedInput:
        options, source = self._options, self._source
        if source is None:
            return simulated_world(options.seconds, options.seed)
        self._display.say(f"reading {source.name}")
        async with KafkaPublisher(self._settings) as writer:
            reading = await read_into(
                sorter,
                source,
                writer,
                limit=None,
                stopping=stopping,
                on_reading=lambda reading: self._display.reading(reading.rows),
            )
        return recorded(source.name, sorter, reading.counts or {}, options.seconds, options.seed)

    async def _with_children(self, feed_input: FeedInput, meter: LagMeter, stopping: asyncio.Event) -> dict[str, int]:
        """Start the child processes, feed, drain and stop them. Returns the final lag of each consumer group."""
        children = Children(self._settings, self._folder / "logs", commands(self._options.workers))
        for name, log in children.logs.items():
            self._display.say(f"started {name}, log {log}")
        watch = Watch(children, meter, stopping, time.monotonic, self._note_movers)
        try:
            await wait_until_ready(watch, self._options.workers)
            self._stages.end("start-up")
            await self._feed(feed_input, watch, stopping)
            self._stages.end("feeding")
            self._display.say("draining: waiting until every consumer has read everything")
            lags = await wait_until_drained(watch)
            await wait_until_learned(watch, self._settings)
            self._stages.end("draining")
        finally:
            self._display.end()
            failures = await asyncio.to_thread(children.stop)
        # After an interrupt a child may have died of SIGTERM while it was still starting.
        if failures and not stopping.is_set():
            raise failures[0]
        self._stages.end("stopping")
        return lags

    async def _feed(self, feed_input: FeedInput, watch: Watch, stopping: asyncio.Event) -> None:
        end_ms = int(feed_input.event_ms.max())
        self._display.say(f"feeding {feed_input.description}")
        self._display.begin(feed_input.world.begin_ms, end_ms, feed_input.tweets, feed_input.requests)
        rate = feed_input.tweets / self._options.seconds
        config = FeedConfig(
            name="driftline demo",
            tweets_per_s=rate,
            end_ms=feed_input.end_ms,
            hold=self._ingest_is_behind,
            go_on=lambda: not self._ranked_by_model,
        )
        enough = asyncio.Event()
        feeding = asyncio.create_task(self._publish(feed_input, config, enough))
        watching = asyncio.create_task(self._watch(watch, stopping, enough))
        try:
            await asyncio.wait({feeding, watching}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                await watching  # raises the failure that it found
            await feeding
        finally:
            watching.cancel()
            feeding.cancel()
            await asyncio.gather(feeding, watching, return_exceptions=True)

    async def _publish(self, feed_input: FeedInput, config: FeedConfig, enough: asyncio.Event) -> None:
        """Feed a world through the batching writer, and a file as `driftline replay` does."""
        writer_of = KafkaWriter if self._source is None else KafkaPublisher
        async with writer_of(self._settings) as writer:
            await feed(self._settings, writer, feed_input.world, config, self._on_fed, enough)

    async def _watch(self, watch: Watch, stopping: asyncio.Event, enough: asyncio.Event) -> None:
        """Show lags. End the feed when interrupted or when it takes too long. Raises `ChildFailed`."""
        deadline = time.monotonic() + self._options.seconds * _PATIENCE
        while True:
            self._lags = await watch.look()
            self._display.lags(self._lags)
            if not self._ranked_by_model:
                self._ranked_by_model = await asyncio.to_thread(self._has_ranked)
            late = time.monotonic() > deadline + (0 if self._ranked_by_model else _UNTIL_SHOWN_S)
            if stopping.is_set() or late:
                enough.set()

    def _has_ranked(self) -> bool:
        """Whether one of the newest timelines was ranked by a model."""
        newest = timelines.newest_answers(self._settings, _LOOKED_AT)
        return any(isinstance(answer, RankedTimeline) and answer.model_version for answer in newest)

    def _ingest_is_behind(self) -> bool:
        """Whether to hold the feed. Requests name the newest tweets, which must be in the store to be ranked."""
        return self._lags.get("ingest", 0) > MOST_BEHIND

    def _on_fed(self, fed: Fed) -> None:
        self._fed = fed
        self._display.fed(fed)

    def _note_movers(self) -> None:
        """Keep the movers of the newest window with events: the ticks that close the last windows make all fall."""
        for namespace in _SHOWN_KINDS:
            found = movers(self._settings, namespace, MOVERS)
            if found is None or found.version * self._settings.time.window_ms > self._fed.event_ms:
                return
            if len(found.rising) >= _FEWEST_MOVERS:
                break
        self._movers = found
