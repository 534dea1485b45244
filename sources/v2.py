"""The X API v2 tweet object, and the `includes` of the page it came on (users' names and followers).

Tweets in `includes` are a page's context, not its events, so they are not passed on.
"""

from dataclasses import dataclass
from typing import Any

from contracts.errors import BadRecord
from contracts.records import Tweet
from sources.shapes import as_dict, as_list, as_text, dicts, id_of, names
from sources.values import checked_tweet, clean_text, parse_time, time_of_snowflake

_REFERENCES = {"replied_to": "reply_to", "quoted": "quote_of", "retweeted": "retweet_of"}


@dataclass(frozen=True, slots=True)
class Includes:
    """What a page says about the users of its tweets, keyed by user id as the page writes it."""

    users: dict[str, dict[str, Any]]

    @staticmethod
    def none() -> "Includes":
        return Includes({})

    @staticmethod
    def of(includes: dict[str, Any] | None) -> "Includes":
        """From a page's `includes`. Raises `BadRecord` if its users are not objects."""
        found = dicts(includes or {}, "users")
        return Includes({str(user.get("id")): user for user in found})


def tweet_of(fields: dict[str, Any], includes: Includes) -> Tweet:
    """The tweet of one decoded object. Raises `BadRecord`: `missing_field`, `bad_time`, `bad_id`, `malformed`.

    `created_at` may be absent, because the API sends it only on request. Then the time comes from the id.
    """
    text = as_dict(fields, "note_tweet").get("text") or fields.get("text")
    if not isinstance(text, str):
        raise BadRecord("missing_field" if text is None else "malformed", "tweet object has no `text` string")
    tweet_id = id_of(fields, "id")
    if tweet_id is None:
        raise BadRecord("missing_field", "tweet object has no `id`")
    author_id = id_of(fields, "author_id")
    if author_id is None:
        raise BadRecord("missing_field", "tweet object has no `author_id`: ask for it with tweet.fields=author_id")
    user = as_dict(fields, "author") or includes.users.get(str(author_id), {})
    metrics = as_dict(user, "public_metrics")
    entities = as_dict(fields, "entities")
    return checked_tweet(
        {
            "id": tweet_id,
            "created_ms": _created(fields, tweet_id),
            "author_id": author_id,
            "author": as_text(user, "username") or str(author_id),
            "text": clean_text(text),
            "lang": as_text(fields, "lang") or "und",
            "author_followers": metrics.get("followers_count"),
            "author_following": metrics.get("following_count"),
            "entities": {
                "hashtags": names(entities, "hashtags", "tag"),
                "mentions": names(entities, "mentions", "username"),
                "cashtags": names(entities, "cashtags", "tag"),
                "urls": names(entities, "urls", "unwound_url", "expanded_url", "url"),
            },
            "public_counts": _counts(as_dict(fields, "public_metrics")),
            "media": min(len(as_list(as_dict(fields, "attachments"), "media_keys")), 255),
            **_references(fields),
        }
    )


def _created(fields: dict[str, Any], tweet_id: int) -> int:
    written = as_text(fields, "created_at")
    if written is not None:
        return parse_time(written)
    from_id = time_of_snowflake(tweet_id)
    if from_id is None:
        raise BadRecord("missing_field", "tweet object has no `created_at`, and its id is too old to hold a time")
    return from_id


def _counts(metrics: dict[str, Any]) -> dict[str, Any] | None:
    if not metrics:
        return None
    return {
        "likes": metrics.get("like_count", 0), "retweets": metrics.get("retweet_count", 0),
        "replies": metrics.get("reply_count", 0), "quotes": metrics.get("quote_count", 0),
    }  # fmt: skip


def _references(fields: dict[str, Any]) -> dict[str, int | None]:
    found: dict[str, int | None] = {}
    for reference in dicts(fields, "referenced_tweets"):
        name = _REFERENCES.get(str(reference.get("type")))
        if name is not None:
            found[name] = id_of(reference, "id")
    return found
