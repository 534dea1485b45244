"""The log of ranked timelines, with each tweet's author and text from the feature store."""

from collections.abc import Iterator, Sequence

import msgspec

from contracts.answers import Answer, AnswerCodec
from contracts.errors import DriftlineError
from contracts.records import IdText, RankedTimeline, Reason, RequestRefused
from contracts.settings import Settings
from contracts.topics import TIMELINES_RANKED
from driftline.inspect.logs import newest_records, read_records
from transport.ports.kafka_records import LogRecord

_codec = AnswerCodec()


class NoSuchTimeline(DriftlineError):
    """The request was refused or not answered, or retention has removed the answer."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One place of a timeline; author and text are None if the store does not have the tweet."""

    tweet_id: IdText
    author: str | None
    text: str | None
    probability: float | None
    reasons: list[Reason]


class ShownTimeline(msgspec.Struct, frozen=True, kw_only=True):
    """A timeline with authors and texts."""

    answer: RankedTimeline
    places: list[Place]


def read_timelines(settings: Settings) -> Iterator[tuple[LogRecord, RankedTimeline]]:
    """Every timeline in the log, without the answers to requests that were refused."""
    for record, answer in read_records(settings, TIMELINES_RANKED, _codec):
        if isinstance(answer, RankedTimeline):
            yield record, answer


def newest_answers(settings: Settings, count: int) -> list[Answer]:
    """The newest `count` answers, the newest last."""
    return [_codec.deserialize(record.value or b"") for record in newest_records(settings, TIMELINES_RANKED, count)]


def find_timeline(settings: Settings, request_id: str) -> RankedTimeline:
    """The timeline that answered a request, by one pass over the log. Raises `NoSuchTimeline`."""
    for _, answer in read_records(settings, TIMELINES_RANKED, _codec):
        if answer.request_id == request_id:
            if isinstance(answer, RequestRefused):
                raise NoSuchTimeline(f"request {request_id!r} was refused ({answer.error}): {answer.detail}")
            return answer
    raise NoSuchTimeline(
        f"no answer to request {request_id!r} in the log; `driftline timelines tail` lists the newest"
    )


def with_texts(
    settings: Settings, timelines: Sequence[RankedTimeline], limit: int | None = None
) -> list[ShownTimeline]:
    """The first `limit` places of each timeline, with the stored author and text, read in one round trip."""
    from driftline.inspect.store import read_tweets

    shown = [timeline.tweets[:limit] for timeline in timelines]
    stored = read_tweets(settings, sorted({int(tweet.id) for tweets in shown for tweet in tweets}))
    return [
        ShownTimeline(
            answer=timeline,
            places=[
                Place(
                    tweet_id=tweet.id,
                    author=stored[int(tweet.id)].author if int(tweet.id) in stored else None,
                    text=stored[int(tweet.id)].text if int(tweet.id) in stored else None,
                    probability=tweet.probability,
                    reasons=tweet.reasons,
                )
                for tweet in tweets
            ],
        )
        for timeline, tweets in zip(timelines, shown, strict=True)
    ]
