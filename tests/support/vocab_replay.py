"""From `tweets` to `vocab-deltas` in one process, without servers: what the hops do, with any batches and restarts.

A source restarts from the metadata of its last commit, and an owner from its bytes, as in their processors.
"""

import random
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from contracts.columnar import VocabCounts, VocabDelta
from contracts.settings import Settings
from contracts.topics import TWEETS
from sources.decode_tweet import decode_tweet
from streams.event_source import EventSource
from streams.vocabulary_processor import sources_of
from tests.support.drifting_stream import Row
from tests.support.pipeline_runs import record_of
from tests.support.spilling import Stored
from transport.ports.kafka_records import LogRecord
from transport.processor import Position
from vocab.owner.owner import VocabularyOwner
from vocab.source_counter import SourceCounter
from vocab.tokens.tokenizer import Tokenizer

LARGEST_BATCH = 60
RESTART = 0.1  # probability of a source's restart after a batch
CLOSE = 0.2  # probability that an owner closes windows after a frame
RECOVER = 0.02  # probability of an owner's recovery after a frame
SPILL = 0.1  # probability that an owner spills windows after a frame


class _Source:
    """Counts one partition of `tweets` for `owners` owners, as ingest does."""

    def __init__(self, settings: Settings, partition: int, owners: int) -> None:
        self._made_with = settings, partition, owners
        self._tokenizer = Tokenizer()
        self._counter = SourceCounter(TWEETS.name, partition, owners, settings.vocab.shards)
        self._events = EventSource(
            settings,
            TWEETS,
            decode_tweet,
            lambda tweets: np.array([tweet.created_ms for tweet in tweets], np.int64),
            lambda batch: [tweet.id for tweet in batch.events],
        )

    def take(self, records: Sequence[LogRecord]) -> list[tuple[int, VocabCounts]]:
        """(owner, frame) of one batch."""
        batch, windows, closed_before = self._events.take(records)
        closed = self._events.clock.closed_through
        frames = []
        if batch.events:
            tokens = self._tokenizer.tokenize(batch.events)
            frames += self._counter.count(tokens, windows, closed)
        return frames + (self._counter.markers(closed) if closed != closed_before else [])

    def successor(self, log: Sequence[LogRecord], offset: int) -> "_Source":
        """A new source that resumes from this one's commit at `offset`, and re-reads as much as that requires."""
        successor = _Source(*self._made_with)
        begin = successor._events.resume({TWEETS.name: Position(offset, self._events.metadata())}).get(
            TWEETS.name, offset
        )
        if begin < offset:
            successor._events.replay(log[begin:offset])
        return successor


def replay(
    settings: Settings, rows: Sequence[Row], owners: int = 1, rng: random.Random | None = None
) -> tuple[list[VocabDelta], list[bytes]]:
    """(the deltas of `owners` owners, in order for each owner; the last states of the owners).

    rng: draws batches, restarts, interleaving, and when windows are spilled and closed. Without it every partition is
    one batch, and the partitions come one after the other.
    """
    counted = [
        list(_counted(settings, partition, rows, owners, rng)) for partition in range(TWEETS.partitions(settings))
    ]
    deltas: list[VocabDelta] = []
    states = []
    for number in range(owners):
        queues = [[frame for owner, frame in frames if owner == number] for frames in counted]
        shards = range(number, settings.vocab.shards, owners)
        owner = VocabularyOwner.begin(settings.vocab, shards, sources_of(settings), settings.time.window_ms)
        stored = Stored()
        for frame in _interleaved(queues, rng):
            owner.observe(frame)
            if rng and rng.random() < CLOSE:
                deltas += stored.close_windows(owner)
            if rng and rng.random() < SPILL:
                stored.spill(owner, rng.randrange(100))
            if rng and rng.random() < RECOVER:
                owner = VocabularyOwner.from_bytes(settings.vocab, owner.to_bytes(), settings.time.window_ms)
        deltas += stored.close_windows(owner)
        stored.take_back(owner, list(owner.pending.spilled))
        states.append(owner.to_bytes())
    return deltas, states


def _counted(
    settings: Settings, partition: int, rows: Sequence[Row], owners: int, rng: random.Random | None
) -> Iterator[tuple[int, VocabCounts]]:
    values = [(key, value) for topic, number, key, value in rows if (topic, number) == (TWEETS, partition)]
    log = [
        msgspec.structs.replace(record_of(TWEETS, offset, value), partition=partition, key=key)
        for offset, (key, value) in enumerate(values)
    ]
    source = _Source(settings, partition, owners)
    begin = 0
    while begin < len(log):
        end = begin + (rng.randint(1, LARGEST_BATCH) if rng else len(log))
        yield from source.take(log[begin:end])
        begin = min(end, len(log))
        if rng and rng.random() < RESTART:
            source = source.successor(log, begin)


def _interleaved(queues: list[list[VocabCounts]], rng: random.Random | None) -> Iterator[VocabCounts]:
    """Interleave runs of random length, so that sources get far ahead of each other. Each source keeps its order."""
    left = [iter(queue) for queue in queues]
    while left:
        frames = rng.choice(left) if rng else left[0]
        for _ in range(rng.randint(1, 12) if rng else 1):
            frame = next(frames, None)
            if frame is None:
                left.remove(frames)
                break
            yield frame
