"""The v1.1 status object: `text`, `full_text` or `extended_tweet`; entities; retweets, quotes and replies.

Ids come from the `_str` fields, because the numeric fields lose digits wherever JavaScript has handled the file.
"""

from typing import Any

from contracts.errors import BadRecord
from contracts.records import Tweet
from sources.shapes import as_dict, as_text, dicts, id_of, names, required
from sources.values import author_id_of, checked_tweet, clean_text, known_count, parse_time


def tweet_of(status: dict[str, Any]) -> Tweet:
    """The tweet of one decoded status. Raises `BadRecord`: `missing_field`, `bad_time`, `bad_id`, `malformed`."""
    text, entities = _content(status)
    if text is None:
        raise BadRecord("missing_field", "status has neither `full_text` nor `text`")
    tweet_id = id_of(status, "id_str", "id")
    if tweet_id is None:
        raise BadRecord("missing_field", "status has neither `id_str` nor `id`")
    user = as_dict(status, "user")
    author, author_id = _author(user)
    return checked_tweet(
        {
            "id": tweet_id,
            "created_ms": parse_time(required(status, "created_at")),
            "author_id": author_id,
            "author": author,
            "text": clean_text(text),
            "lang": as_text(status, "lang") or "und",
            "author_followers": known_count(user.get("followers_count")),
            "author_following": known_count(user.get("friends_count")),
            "entities": entities,
            "public_counts": _counts(status),
            "reply_to": id_of(status, "in_reply_to_status_id_str", "in_reply_to_status_id"),
            "quote_of": id_of(status, "quoted_status_id_str", "quoted_status_id"),
            "retweet_of": id_of(as_dict(status, "retweeted_status"), "id_str", "id"),
            "media": min(_media(status), 255),
        }
    )


def _content(status: dict[str, Any]) -> tuple[str | None, dict[str, list[str]]]:
    """The longest text there is, and its entities. A retweet's own text is cut off: the shared tweet has it whole."""
    extended = as_dict(status, "extended_tweet")
    text = extended.get("full_text") or status.get("full_text") or status.get("text")
    entities = _entities(as_dict(extended, "entities") or as_dict(status, "entities"))
    text = text if isinstance(text, str) else None
    shared = as_dict(status, "retweeted_status")
    name = as_text(as_dict(shared, "user"), "screen_name") if shared else None
    if name is not None and (text is None or text.startswith("RT @")):
        whole, of_whole = _content({**shared, "retweeted_status": None})
        if whole is not None:
            of_whole["mentions"].insert(0, name)
            return f"RT @{name}: {whole}", of_whole
    return text, entities


def _entities(entities: dict[str, Any]) -> dict[str, list[str]]:
    return {
        "hashtags": names(entities, "hashtags", "text"),
        "mentions": names(entities, "user_mentions", "screen_name"),
        "cashtags": names(entities, "symbols", "text"),
        "urls": names(entities, "urls", "expanded_url", "url"),
    }


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
    present = {name: count for name, value in found.items() if (count := known_count(value)) is not None}
    return present or None


def _media(status: dict[str, Any]) -> int:
    extended = as_dict(status, "extended_tweet")
    holders = (
        as_dict(extended, "extended_entities"),
        as_dict(status, "extended_entities"),
        as_dict(extended, "entities") or as_dict(status, "entities"),
    )
    for holder in holders:
        if media := dicts(holder, "media"):
            return len(media)
    return 0
