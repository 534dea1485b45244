"""The X API v2 tweet object, and the `includes` of its page: names and followers of users, whole texts of retweets.

Tweets in `includes` are a page's context, not its events, so they are not passed on.
"""

from dataclasses import dataclass
from typing import Any

from contracts.errors import BadRecord
from contracts.records import Tweet
from sources.shapes import as_dict, as_list, as_text, dicts, id_of, names
from sources.values import checked_tweet, clean_text, known_count, parse_time, time_of_snowflake

_REFERENCES = {"replied_to": "reply_to", "quoted": "quote_of", "retweeted": "retweet_of"}


@dataclass(frozen=True, slots=True)
class Includes:
    """What a page says about the users of its tweets, and about the tweets that they share; by id as written."""

    users: dict[str, dict[str, Any]]
    tweets: dict[str, dict[str, Any]]

    @staticmethod
    def none() -> "Includes":
        return Includes({}, {})

    @staticmethod
    def of(includes: dict[str, Any] | None) -> "Includes":
        """From a page's `includes`. Raises `BadRecord` if its users or tweets are not objects."""
        users, tweets = dicts(includes or {}, "users"), dicts(includes or {}, "tweets")
        return Includes(
            {str(user.get("id")): user for user in users}, {str(tweet.get("id")): tweet for tweet in tweets}
        )


def tweet_of(fields: dict[str, Any], includes: Includes) -> Tweet:
    """The tweet of one decoded object. Raises `BadRecord`: `missing_field`, `bad_time`, `bad_id`, `malformed`.

    `created_at` may be absent, because the API sends it only on request. Then the time comes from the id.
    """
    text, entities = _content(fields, includes)
    tweet_id = id_of(fields, "id")
    if tweet_id is None:
        raise BadRecord("missing_field", "tweet object has no `id`")
    author_id = id_of(fields, "author_id")
    if author_id is None:
        raise BadRecord("missing_field", "tweet object has no `author_id`: ask for it with tweet.fields=author_id")
    user = as_dict(fields, "author") or includes.users.get(str(author_id), {})
    metrics = as_dict(user, "public_metrics")
    return checked_tweet(
        {
            "id": tweet_id,
            "created_ms": _created(fields, tweet_id),
            "author_id": author_id,
            "author": as_text(user, "username") or str(author_id),
            "text": clean_text(text),
            "lang": as_text(fields, "lang") or "und",
            "author_followers": known_count(metrics.get("followers_count")),
            "author_following": known_count(metrics.get("following_count")),
            "entities": entities,
            "public_counts": _counts(as_dict(fields, "public_metrics")),
            "media": min(len(as_list(as_dict(fields, "attachments"), "media_keys")), 255),
            **_references(fields),
        }
    )


def _content(fields: dict[str, Any], includes: Includes) -> tuple[str, dict[str, list[str]]]:
    """The longest text there is, and its entities. A retweet's own text is cut off: the shared tweet has it whole."""
    note = as_dict(fields, "note_tweet")
    text = note.get("text") or fields.get("text")
    if not isinstance(text, str):
        raise BadRecord("missing_field" if text is None else "malformed", "tweet object has no `text` string")
    shared = includes.tweets.get(str(_references(fields).get("retweet_of")), {})
    name = as_text(includes.users.get(str(shared.get("author_id")), {}), "username")
    if text.startswith("RT @") and isinstance(shared.get("text"), str) and name is not None:
        whole, of_whole = _content({**shared, "referenced_tweets": None}, includes)
        of_whole["mentions"].insert(0, name)
        return f"RT @{name}: {whole}", of_whole
    entities = (as_dict(note, "entities") if note.get("text") else {}) or as_dict(fields, "entities")
    return text, {
        "hashtags": names(entities, "hashtags", "tag"),
        "mentions": names(entities, "mentions", "username"),
        "cashtags": names(entities, "cashtags", "tag"),
        "urls": names(entities, "urls", "unwound_url", "expanded_url", "url"),
    }


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
    found = {
        "likes": metrics.get("like_count"), "retweets": metrics.get("retweet_count"),
        "replies": metrics.get("reply_count"), "quotes": metrics.get("quote_count"),
    }  # fmt: skip
    return {name: known_count(value) or 0 for name, value in found.items()}


def _references(fields: dict[str, Any]) -> dict[str, int | None]:
    found: dict[str, int | None] = {}
    for reference in dicts(fields, "referenced_tweets"):
        name = _REFERENCES.get(str(reference.get("type")))
        if name is not None:
            found[name] = id_of(reference, "id")
    return found
