"""What the join holds between records, and which records of both logs would have to be read again to rebuild it."""

from collections import deque
from dataclasses import dataclass, field

import msgspec

from contracts.records import Engagement
from featurestore.join.closed_requests import Labelled
from featurestore.join.served_requests import ServedRequest

NOT_YET = -1  # a watermark before the first event


class JoinPosition(msgspec.Struct, frozen=True, kw_only=True):
    """Where to re-read from, for the commit's metadata. An offset is None where nothing before the commit matters.

    `*_watermark_ms` is the watermark at that offset, before its record. `closed_ms`: requests that close by this
    engagement time are emitted. `expired_ms`: orphans by this served time are reported.
    """

    served_offset: int | None = None
    served_watermark_ms: int = NOT_YET
    engagements_offset: int | None = None
    engagements_watermark_ms: int = NOT_YET
    closed_ms: int = NOT_YET
    expired_ms: int = NOT_YET


@dataclass(slots=True, eq=False)
class OpenRequest:
    """A served request, until its label window closes and as long after as a rebuild needs it.

    served: None once it has closed. emitted: before the crash that this is the rebuilding after. places: tweet id ->
    its first place. labels: by place. last_engagement: the newest offset that it took.
    """

    served: ServedRequest | None
    offset: int
    watermark_ms: int
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
    """An engagement that no request fitted when it was read."""

    engagement: Engagement
    offset: int
    append_ms: int
    watermark_ms: int
    expires_ms: int
    taken_by: OpenRequest | None = None
    expired: bool = False

    @property
    def released(self) -> bool:
        """Whether it became an orphan, or the request that took it has closed."""
        return self.expired or (self.taken_by is not None and self.taken_by.released)


class NeededRecords:
    """The records of both logs that a rebuild would have to read again, by offset; those at the front go first."""

    def __init__(self) -> None:
        self._served: deque[OpenRequest] = deque()
        # (offset, watermark before it, for whom)
        self._engagements: deque[tuple[int, int, OpenRequest | WaitingEngagement]] = deque()

    def add_served(self, request: OpenRequest) -> None:
        """The next request that was read."""
        self._served.append(request)

    def add_engagement(self, offset: int, watermark_ms: int, holder: OpenRequest | WaitingEngagement) -> None:
        """The next engagement that was read, and what it is needed for; the first one of a request is enough."""
        self._engagements.append((offset, watermark_ms, holder))

    def position(self, closed_ms: int, expired_ms: int) -> JoinPosition:
        """Where a rebuild begins to read, now that what is released is not needed any more.

        Closed requests that took an engagement from there on are among the needed: re-read without them, it would
        wait for a request and end as an orphan.
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
            served_watermark_ms=served[0].watermark_ms if served else NOT_YET,
            engagements_offset=oldest,
            engagements_watermark_ms=engagements[0][1] if engagements else NOT_YET,
            closed_ms=closed_ms,
            expired_ms=expired_ms,
        )
