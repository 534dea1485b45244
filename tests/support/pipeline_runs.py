"""Runs of the real pipeline: an hour of events, child processes that process them, and the outputs.

A run writes events to the topics, lets `driftline worker` processes drain them, and reads the output topics.
"""

import collections
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contracts.codec import Codec, serialize
from contracts.columnar import CandidatesServed, VocabCounts
from contracts.examples import deserialize_examples
from contracts.partitioning import record_key
from contracts.records import SETTINGS_KEY, Action, Engagement, Provenance, TimeMode, Tweet
from contracts.settings import Settings
from contracts.settings_sources import to_environ
from contracts.topics import (
    BIN_COUNTS,
    CANDIDATES_SERVED,
    ENGAGEMENTS,
    EXAMPLES,
    FEATURE_UPDATES,
    TWEETS,
    VOCAB_COUNTS,
    VOCAB_DELTAS,
    Topic,
)
from driftline.inspect.logs import read_log
from featurestore.features import (
    CANDIDATE_DENSE,
    CANDIDATE_FIELDS,
    FEATURE_SET,
    VIEWER_DENSE,
    VIEWER_FIELDS,
    VIEWER_SIDE,
)
from transport.declare_time import declare_time
from transport.kafka import admin as kafka_admin
from transport.kafka.cluster import KafkaCluster
from transport.kafka.writer import KafkaWriter
from transport.ports.kafka_records import LogRecord
from transport.replay_writer import ReplayWriter
from vocab.tokens.tokenizer import TOKENIZER_VERSION

BEGIN_MS = 1_760_000_000_000
SPAN_MS = 3_600_000
END_MS = BEGIN_MS + 2 * SPAN_MS  # a tick at this time closes all windows and all label windows
PLACES = 10
INPUTS = [TWEETS, ENGAGEMENTS, CANDIDATES_SERVED]
# In the order of the flow.
HOPS = {
    "ingest": [TWEETS],
    "engagements": [ENGAGEMENTS],
    "join": [CANDIDATES_SERVED, ENGAGEMENTS],
    "vocabulary": [VOCAB_COUNTS],
    "bins": [BIN_COUNTS],
    "features": [FEATURE_UPDATES],
}
READY = "[^---Recovery]: Worker ready"
WORDS = [f"word{i}" for i in range(400)]

_counts_of = Codec(VocabCounts).deserialize


def make_tweets(count: int, rng: random.Random) -> list[Tweet]:
    """Tweets 1000, 1001, ... spread evenly over the hour."""
    return [
        Tweet(
            id=1_000 + i,
            created_ms=BEGIN_MS + i * SPAN_MS // count,
            author_id=rng.randrange(50),
            author="someone",
            text=" ".join(rng.choices(WORDS, k=6)) + f" #tag{rng.randrange(30)}",
            provenance=Provenance.SIMULATED_WORLD,
        )
        for i in range(count)
    ]


def make_served(i: int, count: int) -> CandidatesServed:
    """Request i of `count` over the hour, with `PLACES` candidates."""
    return CandidatesServed(
        request_id=f"request-{i}",
        viewer_id=i % 40,
        at_ms=BEGIN_MS + i * SPAN_MS // count,
        ranker="fallback-recency",
        model_version=0,
        vocab_version=0,
        bins_version=0,
        tokenizer=TOKENIZER_VERSION,
        feature_set=FEATURE_SET,
        provenance=Provenance.SIMULATED_WORLD,
        tweet_ids=np.arange(1_000 + i, 1_000 + i + PLACES, dtype=np.uint64),
        author_ids=np.arange(PLACES, dtype=np.uint64),
        probabilities=np.full(PLACES, np.nan, np.float32),
        viewer_dense=np.full(len(VIEWER_DENSE), i, np.float32),
        viewer_lengths=np.zeros(len(VIEWER_FIELDS), np.uint8),
        viewer_keys=np.empty(0, np.uint64),
        candidate_dense=np.full(PLACES * len(CANDIDATE_DENSE), i, np.float32),
        candidate_lengths=np.zeros(PLACES * len(CANDIDATE_FIELDS), np.uint8),
        candidate_keys=np.empty(0, np.uint64),
        viewer_weights=np.empty(0, np.float32),
        viewer_vectors=np.zeros(VIEWER_SIDE.vector_width, np.float32),
        candidate_weights=np.empty(0, np.float32),
        candidate_vectors=np.empty(0, np.float32),
    )


def engagements_of(served: CandidatesServed) -> Iterator[Engagement]:
    """Engagements with a served timeline: every place is seen, every second one liked."""
    for place, tweet_id in enumerate(served.tweet_ids.tolist()):
        for action in (Action.SEEN, Action.LIKE)[: 1 + place % 2]:
            yield Engagement(
                viewer_id=served.viewer_id,
                tweet_id=tweet_id,
                author_id=place,
                action=action,
                at_ms=served.at_ms + 1_000 * (1 + place),
                request_id=served.request_id,
                position=place,
                provenance=Provenance.SIMULATED_WORLD,
            )


def impressions_of(requests: Sequence[CandidatesServed]) -> list[tuple[str, int, int]]:
    """(request, tweet, labels) of everything that `engagements_of` makes, sorted."""
    return sorted(
        (served.request_id, tweet_id, 1 + 2 * (place % 2))
        for served in requests
        for place, tweet_id in enumerate(served.tweet_ids.tolist())
    )


@contextlib.asynccontextmanager
async def replaying(settings: Settings) -> AsyncIterator[ReplayWriter]:
    """A writer of old events, as a declared replay: runs over several logs can be compared."""
    declared = await declare_time(settings, KafkaCluster(settings), TimeMode.REPLAY, "test")
    async with KafkaWriter(settings) as writer:
        yield ReplayWriter(writer, settings.time, declared.epoch)


async def write_tweet(writer: ReplayWriter, tweet: Tweet) -> None:
    await writer.send(TWEETS, tweet.created_ms, record_key(tweet.id), serialize(tweet))


async def write_engagement(writer: ReplayWriter, engagement: Engagement) -> None:
    await writer.send(ENGAGEMENTS, engagement.at_ms, record_key(engagement.viewer_id), serialize(engagement))


async def write_events(writer: ReplayWriter, tweets: Sequence[Tweet], requests: Sequence[CandidatesServed]) -> None:
    """Write tweets, served candidates and engagements, without the tick that ends a run."""
    for tweet in tweets:
        await write_tweet(writer, tweet)
        if tweet.id % 100 == 0:  # some tweets are sent twice
            await write_tweet(writer, tweet)
    for served in requests:
        await writer.send(CANDIDATES_SERVED, served.at_ms, record_key(served.viewer_id), serialize(served))
        for engagement in engagements_of(served):
            await write_engagement(writer, engagement)
    await writer.flush()


async def write_run(settings: Settings, tweets: Sequence[Tweet], requests: Sequence[CandidatesServed]) -> None:
    """Write a whole run's input, with the tick that ends it."""
    async with replaying(settings) as writer:
        await write_events(writer, tweets, requests)
        await writer.tick(INPUTS, END_MS)


@dataclass(frozen=True, slots=True)
class Child:
    """A child process and its log."""

    process: subprocess.Popen[bytes]
    log: Path

    def wait_until(self, condition: Callable[[], bool], seconds: float = 120) -> None:
        """Poll until `condition()`; fails with the end of the log if the process dies or after `seconds`."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"the process died:\n{self.said()[-4_000:]}"
            assert time.monotonic() < deadline, f"not reached in {seconds} s:\n{self.said()[-4_000:]}"
            time.sleep(0.1)

    def said(self) -> str:
        return self.log.read_text()

    def ready(self) -> bool:
        """Whether it is a worker that has started, and so handles SIGTERM."""
        return READY in self.said()

    def drain(self, settings: Settings) -> None:
        """Wait until every hop has committed everything; a failure shows the lags."""
        try:
            self.wait_until(lambda: self.ready() and drained(settings))
        except AssertionError as error:
            left = kafka_admin.lags(settings, HOPS)
            raise AssertionError(f"ready: {self.ready()}, left to do: {left}\n{error}") from error

    def terminate(self) -> None:
        """Send SIGTERM; the process must end with status 0."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, self.said()[-4_000:]


@contextlib.contextmanager
def child(settings: Settings, log: Path, *arguments: str, **environ: str) -> Iterator[Child]:
    """Run `python -m ARGUMENTS...` with these settings, in the folder of its log; kill it at the end of the block."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            env={**os.environ, **to_environ(settings), **environ},
            cwd=log.parent,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Child(process, log)
    finally:
        process.kill()
        process.wait()


def worker(settings: Settings, log: Path, **environ: str) -> contextlib.AbstractContextManager[Child]:
    """A stream worker."""
    return child(settings, log, "driftline", "worker", **environ)


def run_worker(settings: Settings, log: Path, **environ: str) -> str:
    """Run one worker until the topics are drained, then end it by SIGTERM. Returns its log."""
    with worker(settings, log, **environ) as running:
        running.drain(settings)
        running.terminate()
        return running.said()


def drained(settings: Settings) -> bool:
    """Whether every hop has committed everything in its topics."""
    return not any(kafka_admin.lags(settings, HOPS).values())


def left(settings: Settings) -> int:
    """The number of offsets of the input topics that their hops have not committed."""
    return sum(kafka_admin.lags(settings, {hop: HOPS[hop] for hop in ("ingest", "join")}).values())


def done(settings: Settings) -> int:
    """The number of offsets of the input topics that are committed."""
    held = sum(
        offsets.count for by in kafka_admin.topic_offsets(settings, INPUTS).values() for offsets in by.values()
    )
    return held - left(settings)


def read_all(settings: Settings, topic: Topic) -> list[LogRecord]:
    """Every committed record, in offset order within a partition."""
    return list(read_log(settings, topic))


def record_of(topic: Topic, offset: int, value: bytes, key: bytes = b"1") -> LogRecord:
    """A record as a processor gets it, without a broker: of partition 0."""
    return LogRecord(topic.name, 0, offset, END_MS, key, value)


def counted_tokens(settings: Settings) -> collections.Counter[tuple[int, int]]:
    """(window, key) -> how often all sources counted it."""
    counted: collections.Counter[tuple[int, int]] = collections.Counter()
    for record in read_all(settings, VOCAB_COUNTS):
        if record.key == SETTINGS_KEY:
            continue
        frame = _counts_of(record.value or b"")
        for key, count in zip(frame.keys.tolist(), frame.counts.tolist(), strict=True):
            counted[frame.window, key] += count
    return counted


def impressions(settings: Settings) -> list[tuple[str, int, int]]:
    """(request, tweet, labels) of every example, sorted."""
    return sorted(
        row
        for record in read_all(settings, EXAMPLES)
        for examples in [deserialize_examples(record.value or b"")]
        for row in zip(examples.request_ids, examples.tweet_ids.tolist(), examples.labels.tolist(), strict=True)
    )


def deltas_by_shard(settings: Settings) -> dict[bytes, list[bytes]]:
    """Shard's key -> its deltas in order, as bytes."""
    logs: dict[bytes, list[bytes]] = collections.defaultdict(list)
    for record in read_all(settings, VOCAB_DELTAS):
        logs[record.key or b""].append(record.value or b"")
    return logs
