"""The log of ranked timelines, with each tweet's author and text from the feature store."""

from collections.abc import Sequence

import msgspec

from contracts.codec import Codec
from contracts.errors import DriftlineError
from contracts.records import RankedTimeline, Reason
from contracts.settings import Settings
from contracts.topics import TIMELINES_RANKED
from driftline.inspect.logs import newest_records, read_records
from driftline.inspect.store import read_tweets

_codec = Codec(RankedTimeline)


class NoSuchTimeline(DriftlineError):
    """The request was not answered, or retention has removed the answer."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One place of a timeline; author and text are None if the store does not have the tweet."""

    tweet_id: int
    author: str | None
    text: str | None
    probability: float | None
    reasons: list[Reason]


class ShownTimeline(msgspec.Struct, frozen=True, kw_only=True):
    """A timeline with authors and texts."""

    answer: RankedTimeline
    places: list[Place]


def newest_timelines(settings: Settings, count: int) -> list[RankedTimeline]:
    """The newest `count` timelines, the newest last."""
    return [_codec.deserialize(record.value or b"") for record in newest_records(settings, TIMELINES_RANKED, count)]


def find_timeline(settings: Settings, request_id: str) -> RankedTimeline:
    """The timeline that answered a request, by one pass over the log. Raises `NoSuchTimeline`."""
    for _, timeline in read_records(settings, TIMELINES_RANKED, _codec):
        if timeline.request_id == request_id:
            return timeline
    raise NoSuchTimeline(
        f"no answer to request {request_id!r} in the log; `driftline timelines tail` lists the newest"
    )


def with_texts(
    settings: Settings, timelines: Sequence[RankedTimeline], limit: int | None = None
) -> list[ShownTimeline]:
    """The first `limit` places of each timeline, with the stored author and text, read in one round trip."""
    shown = [timeline.tweets[:limit] for timeline in timelines]
    stored = read_tweets(settings, sorted({tweet.id for tweets in shown for tweet in tweets}))
    return [
        ShownTimeline(
            answer=timeline,
            places=[
                Place(
                    tweet_id=tweet.id,
                    author=stored[tweet.id].author if tweet.id in stored else None,
                    text=stored[tweet.id].text if tweet.id in stored else None,
                    probability=tweet.probability,
                    reasons=tweet.reasons,
                )
                for tweet in tweets
            ],
        )
        for timeline, tweets in zip(timelines, shown, strict=True)
    ]
