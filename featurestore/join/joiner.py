"""Labels what was served with what happened: the join of `candidates-served` and `engagements` of one partition.

The rule depends on the two logs alone, not on their interleaving. Times are event times; a partition's watermark at a
record depends only on that partition's log; L is `join.label_window_ms`.

* An engagement is *late* if it is older than its watermark. Late engagements label nothing.
* An impression (request r, tweet t) served at T is labelled by engagements of r's viewer that name r and t, happened
  in [T, T + L], and were read while the engagements' watermark was below T + L. If a request id was served several
  times, the first record that fits takes the engagement.
* A request closes when the engagements' watermark reaches T + L. Then each tweet with any label becomes one example.
  A tweet without a label was not seen, so it is not a negative example.
* An engagement that fits no request waits for one. It becomes an *orphan* once the watermark of `candidates-served`
  has passed its time + L. A request read after that does not take it.
* Examples without a positive action are sampled by the hash of (request, tweet). Their weight is
  1 / `join.negative_keep`.

To rebuild after a crash: `needed()` before the commit names the oldest record of each log that still matters, and how
far closing and orphans had come. Re-reading from there emits nothing twice; see `Joiner`.
"""

from collections import defaultdict
from dataclasses import dataclass
from heapq import heappop, heappush

from contracts.records import ACTIONS, ENGAGED, Engagement
from contracts.settings import JoinSettings
from eventtime.watermark import ClockBefore
from featurestore.join.closed_requests import Closed, Labelled, examples_of
from featurestore.join.open_requests import NOT_YET, JoinPosition, NeededRecords, OpenRequest, WaitingEngagement
from featurestore.join.served_requests import ServedRequest

_BIT = {action: 1 << bit for bit, action in enumerate(ACTIONS)}

UNJOINED = LATE, ORPHAN = "late", "orphan"


@dataclass(frozen=True, slots=True)
class Unjoined:
    """An engagement that labels nothing, for the dead-letter topic. reason: one of `UNJOINED`."""

    engagement: Engagement
    offset: int
    append_ms: int
    reason: str
    detail: str


class Joiner:
    """The join of one partition number of both topics; pure.

    Feed both logs in offset order with `observe_served`, `observe_engagement` and, for ticks, `advance_served` and
    `advance_engagements`. After each batch, `close()` and `take_unjoined()`
    give what is ready, and `needed()` goes into the metadata of the commit.

    After a crash, make a joiner with the committed position and offsets, replay both logs from the offsets of
    `needed()` up to the committed ones, and only then call `close()`.
    """

    def __init__(
        self,
        settings: JoinSettings,
        position: JoinPosition | None = None,
        *,
        served_committed: int = 0,
        engagements_committed: int = 0,
    ) -> None:
        self._settings = settings
        self._rebuilt = position or JoinPosition()
        self._served_committed = served_committed
        self._engagements_committed = engagements_committed
        # If nothing of a log was open at the commit, none of it is re-read, so its clock comes from the commit.
        self._served_ms, self._engagements_ms = self._rebuilt.expired_ms, self._rebuilt.closed_ms
        self._closed_ms, self._expired_ms = self._rebuilt.closed_ms, self._rebuilt.expired_ms
        self._requests: dict[str, list[OpenRequest]] = defaultdict(list)
        self._closing: list[tuple[int, int, OpenRequest]] = []  # heap by (closes_ms, offset)
        self._waiting: dict[str, list[WaitingEngagement]] = defaultdict(list)
        self._expiring: list[tuple[int, int, WaitingEngagement]] = []  # likewise, by (expires_ms, offset)
        self._needed = NeededRecords()
        self._unjoined: list[Unjoined] = []
        self._taken = 0

    @property
    def open_requests(self) -> int:
        """Requests whose label window has not closed; many of them should pause `candidates-served`."""
        return len(self._closing)

    @property
    def waiting_engagements(self) -> int:
        """Engagements whose request has not been read; many of them should pause `engagements`."""
        return len(self._expiring) - self._taken

    def observe_served(self, served: ServedRequest, offset: int, before: ClockBefore) -> None:
        """The request in the next record of `candidates-served`, and the clock before it."""
        self.advance_served(before.watermark_ms)
        closes_ms = served.at_ms + self._settings.label_window_ms
        tweets = served.tweet_ids.tolist()
        request = OpenRequest(
            served=served,
            offset=offset,
            before=before,
            closes_ms=closes_ms,
            emitted=offset < self._served_committed and closes_ms <= self._rebuilt.closed_ms,
            places=dict(zip(reversed(tweets), range(len(tweets) - 1, -1, -1), strict=True)),
        )
        self._requests[served.request_id].append(request)
        self._needed.add_served(request)
        heappush(self._closing, (closes_ms, offset, request))
        self._take_waiting(request, served)

    def _take_waiting(self, request: OpenRequest, served: ServedRequest) -> None:
        still = []
        for waiting in self._waiting.pop(served.request_id, ()):
            if self._fits(request, served, waiting.engagement, waiting.before.watermark_ms):
                waiting.taken_by = request
                self._taken += 1
                self._label(request, waiting.engagement, waiting.offset, waiting.append_ms)
            else:
                still.append(waiting)
        if still:
            self._waiting[served.request_id] = still

    def observe_engagement(self, engagement: Engagement, offset: int, append_ms: int, before: ClockBefore) -> None:
        """The engagement in the next record of `engagements`, and the clock before it.

        append_ms: the record's timestamp by the broker.
        """
        watermark_ms = before.watermark_ms
        self.advance_engagements(watermark_ms)
        if engagement.request_id is None:
            return
        if engagement.at_ms < watermark_ms:
            if offset >= self._engagements_committed:
                detail = (
                    f"at {engagement.at_ms}, but the partition had reached {watermark_ms} (its newest time less "
                    "time.lateness_ms). It labels no example, but counts. Send engagements sooner, in the order of "
                    "their times, or make the installation with a longer time.lateness_ms"
                )
                self._unjoined.append(Unjoined(engagement, offset, append_ms, LATE, detail))
            return
        for request in self._requests.get(engagement.request_id, ()):
            if request.served is not None and self._fits(request, request.served, engagement, watermark_ms):
                if request.last_engagement == NOT_YET:
                    self._needed.add_engagement(offset, before, request)
                self._label(request, engagement, offset, append_ms)
                return
        expires_ms = engagement.at_ms + self._settings.label_window_ms
        waiting = WaitingEngagement(engagement, offset, append_ms, before, expires_ms)
        self._waiting[engagement.request_id].append(waiting)
        self._needed.add_engagement(offset, before, waiting)
        heappush(self._expiring, (expires_ms, offset, waiting))

    def _fits(self, request: OpenRequest, served: ServedRequest, engagement: Engagement, watermark_ms: int) -> bool:
        return (
            engagement.tweet_id in request.places
            and engagement.viewer_id == served.viewer_id
            and served.at_ms <= engagement.at_ms <= request.closes_ms
            and watermark_ms < request.closes_ms
            and request.before.watermark_ms <= engagement.at_ms + self._settings.label_window_ms
        )

    def _label(self, request: OpenRequest, engagement: Engagement, offset: int, append_ms: int) -> None:
        label = request.labels.setdefault(request.places[engagement.tweet_id], Labelled())
        label.bits |= _BIT[engagement.action]
        if engagement.action in ENGAGED:
            label.engaged_append_ms = min(label.engaged_append_ms or append_ms, append_ms)
        request.last_engagement = max(request.last_engagement, offset)

    def advance_served(self, watermark_ms: int) -> None:
        """Move the watermark of `candidates-served` here; it never moves back."""
        self._served_ms = max(self._served_ms, watermark_ms)

    def advance_engagements(self, watermark_ms: int) -> None:
        """Move the watermark of `engagements` here; it never moves back."""
        self._engagements_ms = max(self._engagements_ms, watermark_ms)

    @property
    def closed_ms(self) -> int:
        """Up to this event time all labels are final: no later `close()` gives a `counted_ms` below it.

        An example counts at the end of its label window. If a request is late by its partition's watermark, its label
        window ends as if the request had been made at that watermark. So `counted_ms` depends on the two logs alone.
        """
        return min(self._engagements_ms, self._served_ms + self._settings.label_window_ms)

    def close(self) -> list[Closed]:
        """Examples of the requests that are due, ordered by (T, request id), cut into records of bounded size."""
        closed = []
        while self._closing and self._closing[0][0] <= self._engagements_ms:
            _, offset, request = heappop(self._closing)
            served, request.served = request.served, None
            if served is None:
                raise AssertionError(f"the request at offset {offset} closed twice")
            self._forget(served.request_id, request)
            if request.labels and not request.emitted:
                counted_ms = max(request.closes_ms, request.before.watermark_ms + self._settings.label_window_ms)
                closed.append((served.at_ms, served.request_id, offset, served, request.labels, counted_ms))
            request.labels, request.places = {}, {}
        self._closed_ms = max(self._closed_ms, self._engagements_ms)
        self._expire()
        closed.sort(key=lambda entry: entry[:3])
        return examples_of([entry[3:] for entry in closed], self._settings.negative_keep)

    def _forget(self, request_id: str, request: OpenRequest) -> None:
        requests = self._requests[request_id]
        requests.remove(request)
        if not requests:
            del self._requests[request_id]

    def _expire(self) -> None:
        while self._expiring and self._expiring[0][0] < self._served_ms:
            _, _, waiting = heappop(self._expiring)
            if waiting.taken_by is not None:
                self._taken -= 1
                continue
            waiting.expired = True
            request_id = str(waiting.engagement.request_id)
            left = self._waiting[request_id]
            left.remove(waiting)
            if not left:
                del self._waiting[request_id]
            if waiting.offset >= self._engagements_committed or waiting.expires_ms >= self._rebuilt.expired_ms:
                self._unjoined.append(self._orphan(waiting))
        self._expired_ms = max(self._expired_ms, self._served_ms)

    def _orphan(self, waiting: WaitingEngagement) -> Unjoined:
        engagement = waiting.engagement
        detail = (
            f"tweet {engagement.tweet_id} was not served for request {engagement.request_id} within "
            f"{self._settings.label_window_ms} ms before it (join.label_window_ms). It labels no example, but counts"
        )
        return Unjoined(engagement, waiting.offset, waiting.append_ms, ORPHAN, detail)

    def take_unjoined(self) -> list[Unjoined]:
        """The engagements found to label nothing since the last call."""
        taken, self._unjoined = self._unjoined, []
        return taken

    def needed(self) -> JoinPosition:
        """Where a rebuild must begin to read. Call it after `close()`."""
        return self._needed.position(self._closed_ms, self._expired_ms)
