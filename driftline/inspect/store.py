"""What the feature store in Redis holds about a tweet, an author, a viewer or a viewer-author pair.

Errors distinguish a store that was wiped from an entity that the store knows nothing about.
"""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from contracts.columnar import AUTHOR, COUNTERS, PAIR, TWEET, VIEWER
from contracts.columns import is_missing
from contracts.errors import DriftlineError
from contracts.records import IdText, Provenance
from contracts.settings import Settings
from driftline.inspect.redis_values import look_up
from featurestore.features import TWEET_FIELDS
from featurestore.store import redis_layout as layout


class NotStored(DriftlineError):
    """Nothing is stored about the entity, or its part of the store was wiped; the message says which."""


class StoredTweet(msgspec.Struct, frozen=True, kw_only=True):
    """A tweet as stored. text: its beginning. keys: field -> the keys of its tokens, in hex."""

    id: IdText
    created_ms: int
    author_id: IdText
    author: str
    text: str
    author_followers: float | None
    text_length: int
    tag_count: int
    media: int
    reply: bool
    quote: bool
    retweet: bool
    provenance: Provenance
    keys: dict[str, list[str]]


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Counters of one entity. recent: of the pane that begins at `pane_began_ms`. before: of the pane before it."""

    pane_began_ms: int
    ever: dict[str, int]
    recent: dict[str, int]
    before: dict[str, int]


class Engaged(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a viewer's history: a tweet, and when the viewer engaged with it."""

    at_ms: int
    tweet_id: IdText


class TweetFeatures(msgspec.Struct, frozen=True, kw_only=True):
    """A tweet and its counters; `counts` is None before the first engagement."""

    tweet: StoredTweet
    counts: Counts | None


class ViewerFeatures(msgspec.Struct, frozen=True, kw_only=True):
    """A viewer's counters and history, newest first."""

    viewer_id: IdText
    counts: Counts
    history: list[Engaged]


def read_tweets(settings: Settings, ids: Sequence[int]) -> Mapping[int, StoredTweet]:
    """Id -> tweet, for those of `ids` that the store has, in one round trip. Raises `ServerUnavailable`."""
    if not ids:
        return {}
    values = look_up(settings, layout.Keys(settings).tweets(np.array(ids, np.uint64)))
    found = [value for value in values if value is not None]
    records = layout.unpack_tweets(found)
    return {int(row["id"]): _stored_tweet(row, value) for row, value in zip(records, found, strict=True)}


def tweet(settings: Settings, tweet_id: int) -> TweetFeatures:
    """A tweet and its counters. Raises `NotStored`."""
    stored = read_tweets(settings, [tweet_id])
    if tweet_id not in stored:
        raise _not_stored(settings, f"tweet {tweet_id}", tweet_id, "tweets expire after features.tweet_ttl_s")
    return TweetFeatures(tweet=stored[tweet_id], counts=_counts(settings, TWEET, tweet_id))


def author(settings: Settings, author_id: int) -> Counts:
    """An author's counters. Raises `NotStored`."""
    counts = _counts(settings, AUTHOR, author_id)
    if counts is None:
        raise _not_stored(settings, f"author {author_id}", author_id, "it has neither posted nor been seen")
    return counts


def pair(settings: Settings, viewer_id: int, author_id: int) -> Counts:
    """What a viewer did with an author's tweets. Raises `NotStored`."""
    entity = int(layout.pair_of(np.array([viewer_id], np.uint64), np.array([author_id], np.uint64))[0])
    counts = _counts(settings, PAIR, entity)
    if counts is None:
        raise _not_stored(
            settings,
            f"viewer {viewer_id} with author {author_id}",
            entity,
            "the viewer has seen no tweet of the author",
        )
    return counts


def viewer(settings: Settings, viewer_id: int) -> ViewerFeatures:
    """A viewer's counters and history. Raises `NotStored`."""
    counts = _counts(settings, VIEWER, viewer_id)
    if counts is None:
        raise _not_stored(settings, f"viewer {viewer_id}", viewer_id, "it has seen nothing")
    values = look_up(settings, layout.Keys(settings).histories(np.array([viewer_id], np.uint64)))
    history = layout.unpack_records(layout.HISTORY_RECORD, values)[0]
    return ViewerFeatures(
        viewer_id=str(viewer_id),
        counts=counts,
        history=[
            Engaged(at_ms=at, tweet_id=str(tweet_id))
            for at, tweet_id in zip(history["at_ms"].tolist(), history["tweets"].tolist(), strict=True)
            if at
        ],
    )


def _counts(settings: Settings, kind: int, entity: int) -> Counts | None:
    values = look_up(settings, layout.Keys(settings).counters(kind, np.array([entity], np.uint64)))
    if values[0] is None:
        return None
    record = layout.unpack_records(layout.COUNTERS_RECORD, values)[0]

    def named(field: str) -> dict[str, int]:
        return dict(zip(COUNTERS, record[field].tolist(), strict=True))

    return Counts(
        pane_began_ms=int(record["pane"]) * settings.features.pane_ms,
        ever=named("totals"),
        recent=named("current"),
        before=named("previous"),
    )


def _stored_tweet(row: np.void, value: bytes) -> StoredTweet:
    author, text = layout.tweet_tail(row, value)
    flags, followers = int(row["flags"]), row["author_followers"]
    ends = np.cumsum(row["lengths"].astype(np.int64))
    return StoredTweet(
        id=str(row["id"]),
        created_ms=int(row["created_ms"]),
        author_id=str(row["author_id"]),
        author=author,
        text=text,
        author_followers=None if is_missing(followers) else float(followers),
        text_length=int(row["text_length"]),
        tag_count=int(row["tag_count"]),
        media=int(row["media"]),
        reply=bool(flags & layout.REPLY),
        quote=bool(flags & layout.QUOTE),
        retweet=bool(flags & layout.RETWEET),
        provenance=tuple(Provenance)[int(row["provenance"])],
        keys={
            field: [f"{key:016x}" for key in row["keys"][end - length : end].tolist()]
            for field, end, length in zip(TWEET_FIELDS, ends.tolist(), row["lengths"].tolist(), strict=True)
        },
    )


def _not_stored(settings: Settings, what: str, entity: int, usual_cause: str) -> NotStored:
    keys = layout.Keys(settings)
    owner = int(layout.owner_of(np.array([entity], np.uint64), keys.owners)[0])
    if look_up(settings, [keys.epoch(owner)]) != [None]:
        return NotStored(f"the store has nothing about {what}: {usual_cause}")
    return NotStored(
        f"the store has nothing about {what}: its part {owner} is empty (prefix {settings.prefix!r}); the stream "
        "worker that owns it has not run yet, or Redis was wiped and is being rewritten"
    )
