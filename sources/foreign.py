"""Foreign JSON to tweets: the X API v2 tweet object, its pages and stream envelopes, the v1.1 status, our own record.

The shape of the JSON tells the format; there is no setting for it:

    {"data": ..., "includes": ...}                       v2 page (a list) or stream envelope (an object)
    "created_ms"                                         our own `Tweet`
    "user" or "id_str" or "full_text", and a text        v1.1 status
    "author" as a string, "author_followers" or ...      our own `Tweet`, which lacks something
    "author_id" or "edit_history_tweet_ids" or ...       v2 tweet object
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from contracts.errors import BadRecord
from contracts.records import MAX_TWEET_BYTES, Tweet
from contracts.text_ids import EventCodec
from sources import v1, v2

_V2_MARKS = ("author_id", "edit_history_tweet_ids", "public_metrics", "referenced_tweets", "conversation_id")
_V1_MARKS = ("user", "id_str", "full_text", "extended_tweet")
# Fields that only our own record has, so an object with one of them is told what our own record lacks.
_OWN_MARKS = ("author_followers", "author_following", "public_counts", "quote_of", "retweet_of", "provenance")
_own = EventCodec(Tweet)


class _Envelope(msgspec.Struct):
    """A v2 page or stream envelope. Items stay bytes until their size is checked."""

    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    includes: dict[str, Any] | None = None


_envelopes = msgspec.json.Decoder(_Envelope)
_raw_lists = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Fault:
    """An object that does not become a tweet: the reason, and its own bytes (not those of the page around it)."""

    error: BadRecord
    value: bytes


def tweet_from_foreign_json(value: bytes) -> Tweet:
    """The one tweet in `value`, in any of the shapes above.

    For records on the `tweets` topic that are not our own `Tweet`. Raises `BadRecord` otherwise, also if there are
    several tweets in it, because a record is one event.
    """
    found = list(tweets_in(value))
    if len(found) != 1:
        raise BadRecord("not_one_tweet", f"a record is one tweet, this one holds {len(found)}")
    if isinstance(found[0], Fault):
        raise found[0].error
    return found[0]


def tweets_in(value: bytes) -> Iterator[Tweet | Fault]:
    """All tweets of one JSON value: those of a page, in order, or of one object. Never raises for bad content."""
    try:
        envelope = _envelopes.decode(value)
        if envelope.data is msgspec.UNSET:
            items, includes = [msgspec.Raw(value)], v2.Includes.none()
        else:
            items, includes = _items(envelope.data), v2.Includes.of(envelope.includes)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        yield Fault(_undecodable(error), value)
        return
    except BadRecord as error:
        yield Fault(error, value)
        return
    for item in items:
        item_bytes = bytes(item)
        try:
            yield _one_tweet(item_bytes, includes)
        except BadRecord as error:
            yield Fault(error, item_bytes)


def _items(data: msgspec.Raw) -> list[msgspec.Raw]:
    return _raw_lists.decode(data) if bytes(memoryview(data)[:1]) == b"[" else [data]


def _one_tweet(value: bytes, includes: v2.Includes) -> Tweet:
    if len(value) > MAX_TWEET_BYTES:
        raise BadRecord("too_large", f"{len(value)} bytes, more than {MAX_TWEET_BYTES}")
    try:
        fields = msgspec.json.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _undecodable(error) from error
    if not isinstance(fields, dict):
        raise BadRecord("malformed", f"expected a JSON object, got {type(fields).__name__}")
    if "created_ms" in fields:
        return _own.deserialize(value)
    if any(mark in fields for mark in _V1_MARKS):
        return v1.tweet_of(fields)
    if isinstance(fields.get("author"), str) or any(mark in fields for mark in _OWN_MARKS):
        return _own.deserialize(value)
    if any(mark in fields for mark in _V2_MARKS) or ("id" in fields and "text" in fields):
        return v2.tweet_of(fields, includes)
    raise BadRecord("not_a_tweet", f"neither v2 nor v1.1: it has {', '.join(sorted(fields)[:8]) or 'no fields'}")


def _undecodable(error: Exception) -> BadRecord:
    if isinstance(error, UnicodeDecodeError) or "utf-8" in str(error).casefold():
        return BadRecord("invalid_utf8", f"JSON is UTF-8, this is not: {error}")
    return BadRecord("malformed", f"no JSON object: {error}")
