"""The closed loop: tweets and requests go out, ranked timelines come in, reactions go out, in order of event time.

A feed first declares itself (`transport/declare_time.py`): from then on only its ticks move event time.

Event time on `engagements` never runs ahead of a request that is still unanswered:

    horizon = min(now, at_ms of the oldest unanswered request)

Reactions wait in a heap until the horizon passes them; the tick on `engagements` is horizon - 1. So a slow scorer
delays that topic's event time, but does not change what is learned. With more than `most_outstanding` unanswered
requests the loop holds event time. A request without an answer for `give_up_s` of wall clock is given up.

Requests name the newest tweets, and only tweets in the store can be ranked. So they are written once ingest has
processed the tweets before them, where `behind` tells.
"""

import asyncio
import heapq
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from contracts.codec import Record, serialize
from contracts.partitioning import record_key
from contracts.records import Engagement, RankedTimeline, TimelineRequest, TimeMode, Tweet
from contracts.settings import Settings
from contracts.topics import CANDIDATES_SERVED, ENGAGEMENTS, TIMELINE_REQUESTS, TWEETS, Topic
from driftline.feeding.answers import Answers, open_answers
from driftline.feeding.pace import Pace, events_of_step
from transport.declare_time import declare_time
from transport.kafka.cluster import KafkaCluster
from transport.kafka.record_writer import RecordWriter
from transport.replay_writer import ReplayWriter

_REQUEST_COST = 20  # work of a request, in tweets
_IDLE_S = 0.01  # wait before looking again, when it is too early for the next step
_LOOK_S = 0.03  # between two looks at how far ingest is behind
_MOST_BEHIND = 20  # records: others may be writing tweets too
_MOST_BEHIND_S = 0.5  # wall clock: how much of a pause a feed at a fixed rate catches up


class Feedable(Protocol):
    """What is fed: `simulation.world.World` or `simulation.viewers.RecordedWorld`."""

    begin_ms: int

    def next_ms(self) -> int | None: ...
    def tweets(self, until_ms: int) -> list[Tweet]: ...
    def requests(self, until_ms: int) -> list[TimelineRequest]: ...
    def react(self, timeline: RankedTimeline) -> list[Engagement]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedConfig:
    """How to feed.

    name: of the program that feeds, as it declares itself. speed: event time per wall-clock time, None for as fast as
    possible. tweets_per_s: most tweets per second of wall clock, at any speed. end_ms: event time at which to stop,
    None for the end of the source. hold: event time is held while it returns True. go_on: at `end_ms`, the feed goes
    on for as long as it returns True. behind: the number of records of
    `tweets` that ingest has yet to process, None not to wait for it. closing_windows: how many windows
    event time goes on at the end, beyond the label window and the lateness.
    nobody_asks: the source makes no requests, so no scorer passes ticks on to `candidates-served`; the feed then
    writes them there itself.
    """

    name: str = "feed"
    speed: float | None = None
    tweets_per_s: float | None = None
    end_ms: int | None = None
    most_outstanding: int = 200
    hold: Callable[[], bool] | None = None
    go_on: Callable[[], bool] | None = None
    behind: Callable[[], Awaitable[int]] | None = None
    give_up_s: float = 30.0
    closing_windows: int = 5
    nobody_asks: bool = False


@dataclass(slots=True)
class Progress:
    """Counters of a feed so far. The same object is updated and shown after every step."""

    event_ms: int = 0
    tweets: int = 0
    requests: int = 0
    engagements: int = 0
    answered: int = 0
    given_up: int = 0
    outstanding: int = 0
    waited_s: float = 0.0  # how long event time was held
    behind: int = 0  # records that ingest has yet to process, while that is waited for
    behind_s: float = 0.0  # how long it is waited for by now
    final_ms: int = 0  # the last tick, once it is written


async def feed(
    settings: Settings,
    writer: RecordWriter,
    world: Feedable,
    config: FeedConfig,
    on_progress: Callable[[Progress], None],
    stopping: asyncio.Event,
) -> Progress:
    """Declare a replay, and feed through `writer` until the source ends, until `end_ms` or `stopping`; then drain.

    Raises `ServerUnavailable` if Kafka cannot be reached, and `Fenced` if another program declares itself just now.
    """
    async with open_answers(settings) as answers:
        declared = await declare_time(settings, KafkaCluster(settings), TimeMode.REPLAY, config.name)
        replay_writer = ReplayWriter(writer, settings.time, declared.epoch)
        loop = FeedLoop(settings, world, config, replay_writer, time.monotonic)
        reading = asyncio.create_task(loop.read(answers))
        running = asyncio.create_task(loop.run(on_progress, stopping))
        try:
            await asyncio.wait((reading, running), return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                running.cancel()  # reading has failed: `await reading` raises the error
        finally:
            loop.finished = True
            await reading
        await running
        return loop.progress


class FeedLoop:
    """The state of one feed. `run` and `read` are two tasks of one event loop."""

    def __init__(
        self,
        settings: Settings,
        world: Feedable,
        config: FeedConfig,
        writer: ReplayWriter,
        wall_s: Callable[[], float],
    ) -> None:
        self._settings, self._world, self._config = settings, world, config
        self._writer, self._wall_s = writer, wall_s
        self._unasked = (CANDIDATES_SERVED,) if config.nobody_asks else ()
        self.progress = Progress(event_ms=world.begin_ms)
        self.finished = False
        # Request id -> (its event time, wall-clock deadline), oldest first.
        self._unanswered: dict[str, tuple[int, float]] = {}
        self._reactions: list[tuple[int, int, Engagement]] = []
        self._reacted = 0
        # Tweets already paced by `tweets_per_s`, and the wall clock at which they are due.
        self._rated, self._due_s = 0, 0.0

    async def read(self, answers: Answers) -> None:
        """Read answers until the feed is finished."""
        while not self.finished:
            for timeline in await answers.take():
                self.answer(timeline)

    def answer(self, timeline: RankedTimeline) -> None:
        """React to a timeline, if it answers a request that is still unanswered."""
        if self._unanswered.pop(timeline.request_id, None) is None:
            return
        self.progress.answered += 1
        for engagement in self._world.react(timeline):
            heapq.heappush(self._reactions, (engagement.at_ms, self._reacted, engagement))
            self._reacted += 1

    async def run(self, on_progress: Callable[[Progress], None], stopping: asyncio.Event) -> None:
        """Feed step by step until the end, then drain."""
        most_events = events_of_step(self._config.tweets_per_s)
        pace = Pace(self._config.speed, self._world.begin_ms, self._wall_s(), most_events)
        self._due_s = self._wall_s()
        while not stopping.is_set():
            next_ms = self._world.next_ms()
            end_ms = self._config.end_ms
            if next_ms is None:
                break
            if end_ms is not None and pace.event_ms >= end_ms:
                if self._config.go_on is None or not self._config.go_on():
                    break
                end_ms = None
            wall_s = self._wall_s()
            until = pace.next_step(wall_s, next_ms)
            until = until if end_ms is None else min(until, end_ms)
            if until <= pace.event_ms:
                await asyncio.sleep(_IDLE_S)
                continue
            work = await self._step(until, on_progress, stopping)
            pace.stepped(until, wall_s, work)
            on_progress(self.progress)
            await asyncio.sleep(0)  # sending rarely suspends: let `read` run
            await self._keep_rate(on_progress, stopping)
            await self._wait_for_room(on_progress, stopping)
        await self._drain(on_progress, stopping)

    async def _step(self, until_ms: int, on_progress: Callable[[Progress], None], stopping: asyncio.Event) -> int:
        """Send the events before `until_ms`. Returns how much work they are, in tweets."""
        tweets, requests = self._world.tweets(until_ms), self._world.requests(until_ms)
        for tweet in tweets:
            await self._write(TWEETS, tweet.created_ms, tweet.id, tweet)
        if requests:
            await self._until_ingested(on_progress, stopping)
        deadline = self._wall_s() + self._config.give_up_s
        for request in requests:
            self._unanswered[request.request_id] = (request.at_ms, deadline)
            await self._write(TIMELINE_REQUESTS, request.at_ms, request.viewer_id, request)
        await self._writer.tick((TWEETS, TIMELINE_REQUESTS, *self._unasked), until_ms - 1)
        self.progress.event_ms = until_ms
        self.progress.tweets += len(tweets)
        self.progress.requests += len(requests)
        await self._release(until_ms)
        return len(tweets) + _REQUEST_COST * len(requests)

    async def _until_ingested(self, on_progress: Callable[[Progress], None], stopping: asyncio.Event) -> None:
        """Wait until ingest has processed the tweets that were sent."""
        if self._config.behind is None:
            return
        began = self._wall_s()
        await self._writer.flush()
        while not stopping.is_set():
            self.progress.behind = await self._config.behind()
            self.progress.behind_s = self._wall_s() - began
            if self.progress.behind <= _MOST_BEHIND:
                break
            on_progress(self.progress)
            await self._release(self.progress.event_ms)
            await asyncio.sleep(_LOOK_S)
        self.progress.waited_s += self._wall_s() - began
        self.progress.behind = 0

    async def _write(self, topic: Topic, at_ms: int, key: int, record: Record) -> None:
        await self._writer.send(topic, at_ms, record_key(key), serialize(record))

    async def _release(self, now_ms: int) -> None:
        """Write the reactions that are older than the horizon, and the horizon's tick."""
        self._give_up()
        oldest = next(iter(self._unanswered.values()), None)
        horizon = now_ms if oldest is None else min(now_ms, oldest[0])
        while self._reactions and self._reactions[0][0] < horizon:
            engagement = heapq.heappop(self._reactions)[2]
            await self._write(ENGAGEMENTS, engagement.at_ms, engagement.viewer_id, engagement)
            self.progress.engagements += 1
        await self._writer.tick([ENGAGEMENTS], horizon - 1)
        self.progress.outstanding = len(self._unanswered)

    def _give_up(self) -> None:
        now = self._wall_s()
        while self._unanswered:
            request_id, (_, deadline) = next(iter(self._unanswered.items()))
            if deadline > now:
                return
            del self._unanswered[request_id]
            self.progress.given_up += 1

    async def _keep_rate(self, on_progress: Callable[[Progress], None], stopping: asyncio.Event) -> None:
        """Wait until the tweets sent so far are due."""
        if self._config.tweets_per_s is None:
            return
        fresh = self.progress.tweets - self._rated
        self._rated = self.progress.tweets
        self._due_s = max(self._due_s + fresh / self._config.tweets_per_s, self._wall_s() - _MOST_BEHIND_S)
        while self._wall_s() < self._due_s and not stopping.is_set():
            await asyncio.sleep(_IDLE_S)
            await self._release(self.progress.event_ms)
            on_progress(self.progress)

    async def _wait_for_room(self, on_progress: Callable[[Progress], None], stopping: asyncio.Event) -> None:
        """Hold event time while too many requests are unanswered, or while `hold()` is True."""
        began = self._wall_s()
        hold = self._config.hold or (lambda: False)
        while (len(self._unanswered) > self._config.most_outstanding or hold()) and not stopping.is_set():
            await asyncio.sleep(_IDLE_S)
            await self._release(self.progress.event_ms)
            on_progress(self.progress)
        self.progress.waited_s += self._wall_s() - began

    async def _drain(self, on_progress: Callable[[Progress], None], stopping: asyncio.Event) -> None:
        """Wait for answers, write every reaction, and move event time past all open windows.

        Once `stopping` is set, it does not wait for answers.
        """
        await self._writer.flush()
        while self._unanswered and not stopping.is_set():
            await self._release(self.progress.event_ms)
            on_progress(self.progress)
            await asyncio.sleep(_IDLE_S)
        self.progress.given_up += len(self._unanswered)
        self._unanswered.clear()
        last = max([self.progress.event_ms, *(at_ms + 1 for at_ms, _, _ in self._reactions)])
        await self._release(last)
        times = self._settings.time
        closing = self._config.closing_windows * times.window_ms
        final_ms = last + self._settings.join.label_window_ms + times.lateness_ms + closing
        await self._writer.tick((TWEETS, ENGAGEMENTS, TIMELINE_REQUESTS, *self._unasked), final_ms)
        await self._writer.flush()
        self.progress.final_ms = final_ms
        on_progress(self.progress)
