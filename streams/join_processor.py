"""candidates-served + engagements -> examples, and bin counts of served and of labelled values.

The join itself is pure (`featurestore/join/joiner.py`). This hop keeps the clocks of both partitions. With its
offsets it commits where a rebuild must begin to read, and the clocks there.

The `engagements` hop reports engagements that it cannot decode or believe; this hop skips them.
"""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from contracts.arrays import I64
from contracts.codec import Codec, serialize
from contracts.columnar import CandidatesServed
from contracts.columns import FeatureColumns, is_nan
from contracts.errors import BadRecord
from contracts.examples import engaged, serialize_examples
from contracts.records import Engagement
from contracts.settings import Settings
from contracts.text_ids import EventCodec
from contracts.topics import BIN_COUNTS, CANDIDATES_SERVED, ENGAGEMENTS, EXAMPLES
from eventtime.watermark import ClockState, Watermark
from featurestore.bins.counter import BinCounter
from featurestore.bins.settings import supervised_numbers
from featurestore.features import CANDIDATE_DENSE, VIEWER_DENSE
from featurestore.join.closed_requests import Closed
from featurestore.join.joiner import Joiner
from featurestore.join.open_requests import JoinPosition
from featurestore.join.served_requests import ServedRequest, blocks_of, check_served, dense_of, unpack_served
from streams.event_batch import decode_batch
from streams.observe_times import observe_times, show_lag
from transport import metrics
from transport.dead_letters import dead_letter
from transport.ports.kafka_records import LogRecord
from transport.processor import Output, Position, Processor

MAX_WAITING = 200_000  # engagements whose request was not read yet; more pause `engagements`

_deserialize_engagement = EventCodec(Engagement).deserialize
_deserialize_frame = Codec(CandidatesServed).deserialize


def _decode_served(value: bytes) -> CandidatesServed:
    record = _deserialize_frame(value)
    check_served(record)
    return record


class JoinMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """Committed with the offsets: where to re-read from, and the clocks at the commit."""

    position: JoinPosition
    served: ClockState
    engagements: ClockState


def _readable(position: JoinPosition, served: Position, engagements: Position) -> JoinPosition:
    """`position`; where it begins with records that are gone, without all that was open."""
    begins = ((position.served_offset, served), (position.engagements_offset, engagements))
    if all(begin is None or at.readable_from <= begin <= at.offset for begin, at in begins):
        return position
    return JoinPosition(closed_ms=position.closed_ms, expired_ms=position.expired_ms)


class JoinProcessor(Processor):
    """One partition number of both topics."""

    def __init__(self, settings: Settings, partition: int) -> None:
        self._settings = settings
        self._partition = partition
        self._served_clock = Watermark(settings.time)
        self._engagements_clock = Watermark(settings.time)
        # The clocks at the offsets where a restart begins to re-read.
        self._served_replayed = Watermark(settings.time)
        self._engagements_replayed = Watermark(settings.time)
        self._joiner = Joiner(settings.join)
        self._bin_counter = BinCounter(CANDIDATES_SERVED.name, partition)
        self._label_counter = BinCounter(EXAMPLES.name, partition)
        self._supervised = supervised_numbers(settings.bins)
        self._closes_next = False  # what was replayed closes with the next batch, whichever topic that is of

    async def resume(self, committed: Mapping[str, Position]) -> Mapping[str, int]:
        """Restore the clocks, and ask to re-read the records that are still open."""
        served, engagements = committed[CANDIDATES_SERVED.name], committed[ENGAGEMENTS.name]
        metadata = msgspec.json.decode(served.metadata, type=JoinMetadata)  # one commit covers both topics
        self._served_clock.restore(metadata.served)
        self._engagements_clock.restore(metadata.engagements)
        position = _readable(metadata.position, served, engagements)
        self._joiner = Joiner(
            self._settings.join,
            position,
            served_committed=served.offset,
            engagements_committed=engagements.offset,
        )
        self._served_replayed.go_back(position.served_before)
        self._engagements_replayed.go_back(position.engagements_before)
        offsets = {CANDIDATES_SERVED.name: position.served_offset, ENGAGEMENTS.name: position.engagements_offset}
        return {topic: offset for topic, offset in offsets.items() if offset is not None}

    async def replay(self, records: Sequence[LogRecord]) -> None:
        """Observe open records again. They get the same labels as before, and close later."""
        served, engagements = self._by_topic(records)
        self._observe_served(served, self._served_replayed)
        self._observe_engagements(engagements, self._engagements_replayed)
        self._closes_next = True

    async def process(self, records: Sequence[LogRecord]) -> Sequence[Output]:
        """Examples of the requests whose label window has closed, and dead letters of unjoined engagements."""
        served, engagements = self._by_topic(records)
        labels_before, served_before = self._labels_closed_through(), self._served_clock.closed_through
        requests, windows, letters = self._observe_served(served, self._served_clock)
        self._observe_engagements(engagements, self._engagements_clock)
        counts = self._count_served(requests, windows, served_before)
        closed = self._joiner.close()
        self._closes_next = False
        examples = [
            Output(EXAMPLES.name, serialize_examples(each.examples), partition=self._partition) for each in closed
        ]
        return [*counts, *letters, *examples, *self._count_labelled(closed, labels_before), *self._unjoined()]

    def _labels_closed_through(self) -> int:
        """The newest window that will get no more labels; -1 before the first."""
        return max(-1, self._joiner.closed_ms // self._settings.time.window_ms - 1)

    def _count_labelled(self, closed: Sequence[Closed], closed_before: int) -> list[Output]:
        """Counts for the edges of decision trees, and markers of the windows closed to such counts."""
        if not len(self._supervised):
            return []
        frames = []
        for each in closed:
            frames += self._label_counter.count_labelled(
                each.examples.features,
                engaged(each.examples.labels),
                each.counted_ms // self._settings.time.window_ms,
                self._supervised,
                closed_before,
            )
        closed_through = self._labels_closed_through()
        if closed_through > closed_before:
            frames.append(self._label_counter.marker(closed_through))
        return [Output(BIN_COUNTS.name, serialize(frame), partition=0) for frame in frames]

    def metadata(self) -> str:
        """Where to re-read from, and both clocks."""
        metadata = JoinMetadata(
            position=self._joiner.needed(),
            served=self._served_clock.state,
            engagements=self._engagements_clock.state,
        )
        return msgspec.json.encode(metadata).decode()

    def paused(self) -> frozenset[str]:
        """The topic that runs ahead of the other, if any. Never both, because one of them must advance time.

        What waits closes by the time of the topic that is not paused: open requests by that of `engagements`, and
        engagements without a request by that of `candidates-served`.
        """
        if self._closes_next:
            return frozenset()
        if self._joiner.open_requests > self._settings.join.max_open_requests:
            return frozenset({CANDIDATES_SERVED.name})
        if self._joiner.waiting_engagements > MAX_WAITING:
            return frozenset({ENGAGEMENTS.name})
        return frozenset()

    def _by_topic(self, records: Sequence[LogRecord]) -> tuple[list[LogRecord], list[LogRecord]]:
        """(records of `candidates-served`, records of `engagements`)."""
        by_topic: dict[str, list[LogRecord]] = {CANDIDATES_SERVED.name: [], ENGAGEMENTS.name: []}
        for record in records:
            by_topic[record.topic].append(record)
        return by_topic[CANDIDATES_SERVED.name], by_topic[ENGAGEMENTS.name]

    def _observe_served(
        self, records: Sequence[LogRecord], clock: Watermark
    ) -> tuple[list[ServedRequest], I64, list[Output]]:
        """(the newly opened requests, int64[n] the window of each, dead letters of the other records)."""
        batch = decode_batch(CANDIDATES_SERVED, records, _decode_served)
        at_ms = np.array([served.at_ms for served in batch.events], np.int64)
        seen = observe_times(batch, clock, at_ms)
        show_lag(CANDIDATES_SERVED, self._partition, seen)
        requests = unpack_served(batch.events)
        for request, record, before in zip(requests, batch.records, seen.clocks_before(), strict=True):
            self._joiner.observe_served(request, record.offset, before)
        self._joiner.advance_served(clock.watermark_ms)
        return requests, seen.windows, batch.letters

    def _count_served(self, requests: Sequence[ServedRequest], windows: I64, closed_before: int) -> list[Output]:
        """Bin counts of served values, and markers of the windows closed to them."""
        frames = []
        shown = np.array([len(request.tweet_ids) > 0 for request in requests], np.bool_)
        if shown.any():
            features = dense_of(blocks_of(requests))
            frames = self._bin_counter.count_served(features, windows[shown], closed_before)
            _show_nans(features)
        if self._served_clock.closed_through > closed_before:
            frames.append(self._bin_counter.marker(self._served_clock.closed_through))
        return [Output(BIN_COUNTS.name, serialize(frame), partition=0) for frame in frames]

    def _observe_engagements(self, records: Sequence[LogRecord], clock: Watermark) -> None:
        batch = decode_batch(ENGAGEMENTS, records, _deserialize_engagement)
        at_ms = np.array([event.at_ms for event in batch.events], np.int64)
        seen = observe_times(batch, clock, at_ms)
        for event, record, before in zip(batch.events, batch.records, seen.clocks_before(), strict=True):
            self._joiner.observe_engagement(event, record.offset, record.timestamp, before)
        self._joiner.advance_engagements(clock.watermark_ms)

    def _unjoined(self) -> list[Output]:
        letters = []
        for unjoined in self._joiner.take_unjoined():
            record = _Source(
                self._partition,
                unjoined.offset,
                b"%d" % unjoined.engagement.viewer_id,
                serialize(unjoined.engagement),
            )
            letters.append(dead_letter(ENGAGEMENTS, record, BadRecord(unjoined.reason, unjoined.detail)))
        return letters


def _show_nans(features: FeatureColumns) -> None:
    """Count served NaNs by feature. NaN has a bin like any value, so only this metric shows the fault upstream."""
    for declared, dense in ((VIEWER_DENSE, features.viewer_dense), (CANDIDATE_DENSE, features.candidate_dense)):
        found = is_nan(dense).sum(axis=0)
        for column in np.flatnonzero(found).tolist():
            metrics.NAN_VALUES.labels(declared[column].name).inc(int(found[column]))


class _Source(msgspec.Struct):
    """The consumed record of an engagement, rebuilt from what the join kept of it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
