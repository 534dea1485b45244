"""The v1.1 status object: `text`, `full_text` or `extended_tweet`; entities; retweets, quotes and replies.

Ids come from the `_str` fields, because the numeric fields lose digits wherever JavaScript has handled the file.
"""

from typing import Any

from contracts.errors import BadRecord
from contracts.records import Tweet
from sources.shapes import as_dict, as_text, dicts, id_of, names, required
from sources.values import author_id_of, checked_tweet, clean_text, parse_time


def tweet_of(status: dict[str, Any]) -> Tweet:
    """The tweet of one decoded status. Raises `BadRecord`: `missing_field`, `bad_time`, `bad_id`, `malformed`."""
    extended = as_dict(status, "extended_tweet")
    text = extended.get("full_text") or status.get("full_text") or status.get("text")
    if not isinstance(text, str):
        raise BadRecord("missing_field", "status has neither `full_text` nor `text`")
    tweet_id = id_of(status, "id_str", "id")
    if tweet_id is None:
        raise BadRecord("missing_field", "status has neither `id_str` nor `id`")
    user = as_dict(status, "user")
    author, author_id = _author(user)
    entities = as_dict(extended, "entities") or as_dict(status, "entities")
    return checked_tweet(
        {
            "id": tweet_id,
            "created_ms": parse_time(required(status, "created_at")),
            "author_id": author_id,
            "author": author,
            "text": clean_text(text),
            "lang": as_text(status, "lang") or "und",
            "author_followers": user.get("followers_count"),
            "author_following": user.get("friends_count"),
            "entities": {
                "hashtags": names(entities, "hashtags", "text"),
                "mentions": names(entities, "user_mentions", "screen_name"),
                "cashtags": names(entities, "symbols", "text"),
                "urls": names(entities, "urls", "expanded_url", "url"),
            },
            "public_counts": _counts(status),
            "reply_to": id_of(status, "in_reply_to_status_id_str", "in_reply_to_status_id"),
            "quote_of": id_of(status, "quoted_status_id_str", "quoted_status_id"),
            "retweet_of": id_of(as_dict(status, "retweeted_status"), "id_str", "id"),
            "media": min(_media(status, extended, entities), 255),
        }
    )


def _author(user: dict[str, Any]) -> tuple[str, int]:
    author_id = id_of(user, "id_str", "id")
    author = as_text(user, "screen_name")
    if author_id is None and author is None:
        raise BadRecord("missing_field", "status has no `user` with an id or a screen_name")
    if author_id is None:
        return str(author), author_id_of(str(author))
    return author or str(author_id), author_id


def _counts(status: dict[str, Any]) -> dict[str, Any] | None:
    """The public counts. If some are present, absent ones are 0; None if the status has no counts at all."""
    found = {
        "likes": status.get("favorite_count"), "retweets": status.get("retweet_count"),
        "replies": status.get("reply_count"), "quotes": status.get("quote_count"),
    }  # fmt: skip
    present = {name: count for name, count in found.items() if count is not None}
    return present or None


def _media(status: dict[str, Any], extended: dict[str, Any], entities: dict[str, Any]) -> int:
    for holder in (as_dict(extended, "extended_entities"), as_dict(status, "extended_entities"), entities):
        if media := dicts(holder, "media"):
            return len(media)
    return 0
