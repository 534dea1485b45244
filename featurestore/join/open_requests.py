"""The state of the join between records, and which records of both logs must be re-read to rebuild it."""

from collections import deque
from dataclasses import dataclass, field

import msgspec

from contracts.records import Engagement
from eventtime.watermark import ClockBefore
from featurestore.join.closed_requests import Labelled
from featurestore.join.served_requests import ServedRequest

NOT_YET = -1  # a watermark before the first event


class JoinPosition(msgspec.Struct, frozen=True, kw_only=True):
    """Where to re-read from, for the commit's metadata. An offset is None if nothing before the commit matters.

    `*_before`: the clock before the record at that offset. `closed_ms`: requests that close up to this
    watermark of `engagements` are already emitted. `expired_ms`: orphans up to this watermark of `candidates-served`
    are already reported.
    """

    served_offset: int | None = None
    served_before: ClockBefore = ClockBefore()
    engagements_offset: int | None = None
    engagements_before: ClockBefore = ClockBefore()
    closed_ms: int = NOT_YET
    expired_ms: int = NOT_YET


@dataclass(slots=True, eq=False)
class OpenRequest:
    """A served request, until its label window closes, and after that as long as a rebuild needs it.

    served: None once it has closed. emitted: whether it was already emitted before the crash, in a rebuild. places:
    tweet id -> its first place. labels: by place. last_engagement: the newest engagement offset that it took.
    """

    served: ServedRequest | None
    offset: int
    before: ClockBefore
    closes_ms: int
    emitted: bool
    places: dict[int, int]
    labels: dict[int, Labelled] = field(default_factory=dict)
    last_engagement: int = NOT_YET

    @property
    def released(self) -> bool:
        """Whether it has closed."""
        return self.served is None


@dataclass(slots=True, eq=False)
class WaitingEngagement:
    """An engagement that fitted no request when it was read."""

    engagement: Engagement
    offset: int
    append_ms: int
    before: ClockBefore
    expires_ms: int
    taken_by: OpenRequest | None = None
    expired: bool = False

    @property
    def released(self) -> bool:
        """Whether it became an orphan, or was taken by a request that has closed."""
        return self.expired or (self.taken_by is not None and self.taken_by.released)


class NeededRecords:
    """The records of both logs that a rebuild must re-read, in order of offset; they are dropped from the front."""

    def __init__(self) -> None:
        self._served: deque[OpenRequest] = deque()
        # (offset, clock before it, for whom)
        self._engagements: deque[tuple[int, ClockBefore, OpenRequest | WaitingEngagement]] = deque()

    def add_served(self, request: OpenRequest) -> None:
        """The next request that was read."""
        self._served.append(request)

    def add_engagement(self, offset: int, before: ClockBefore, holder: OpenRequest | WaitingEngagement) -> None:
        """The next engagement that was read, and what needs it. For a request, its first engagement is enough."""
        self._engagements.append((offset, before, holder))

    def position(self, closed_ms: int, expired_ms: int) -> JoinPosition:
        """Where a rebuild begins to read, without the released records, which it no longer needs.

        It still needs closed requests that took an engagement from there on. Without such a request, the engagement,
        read again, would wait for a request and end as an orphan.
        """
        engagements = self._engagements
        while engagements and engagements[0][2].released:
            engagements.popleft()
        oldest = engagements[0][0] if engagements else None
        served = self._served
        while served and served[0].released and (oldest is None or served[0].last_engagement < oldest):
            served.popleft()
        return JoinPosition(
            served_offset=served[0].offset if served else None,
            served_before=served[0].before if served else ClockBefore(),
            engagements_offset=oldest,
            engagements_before=engagements[0][1] if engagements else ClockBefore(),
            closed_ms=closed_ms,
            expired_ms=expired_ms,
        )
