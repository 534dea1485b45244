"""The declared features: dense features, sparse fields and vectors, in wire order.

Dense features are raw numbers, or `MISSING`. Fields are bags of 64-bit keys, some with a weight per key. Vectors go
to the model unchanged. `FEATURE_SET` is a digest of the declarations: records of another set are refused, never
misread. Raise `REVISION` where the code changes what a declaration means.
"""

from dataclasses import astuple
from difflib import get_close_matches

from xxhash import xxh3_64_hexdigest

from contracts.columns import Side
from contracts.records import ENGAGED
from featurestore.declarations import Age, Count, Feature, HourOfDay, InHistory, Is, Share, Written

REVISION = 2

# Keys kept of a tweet, over all its fields. This bounds the bytes of a served candidate.
TWEET_KEYS = 32
TAG_KEYS = 8  # of these, at most this many in the field `tags`
SUBWORDS = 8  # most n-grams that a candidate is served with, besides its tweet's keys
# Most keys of a candidate, including n-grams: a tweet with TWEET_KEYS keys has room for 4 n-grams.
SERVED_KEYS = 36
HISTORY = 16  # engaged tweets in a viewer's history
HISTORY_FADES_MS = 86_400_000  # an engagement of this age counts half

_SEEN, _SEEN_RECENTLY = Count(("seen",)), Count(("seen",), "pane")
_ENGAGED_ACTIONS = tuple(action.value for action in ENGAGED)
_ENGAGED, _ENGAGED_RECENTLY = Count(_ENGAGED_ACTIONS), Count(_ENGAGED_ACTIONS, "pane")

VIEWER_DENSE: tuple[Feature, ...] = (
    Feature("viewer.seen", _SEEN, "tweets that the viewer has seen, ever"),
    Feature("viewer.engaged", _ENGAGED, "likes, retweets, replies and quotes of the viewer, ever"),
    Feature("viewer.rate", Share(_ENGAGED, _SEEN), "engaged / max(seen, engaged), ever; missing when both are 0"),
    Feature("request.hour_of_day", HourOfDay(), "UTC hour of the request, 0 to 23"),
)

CANDIDATE_DENSE: tuple[Feature, ...] = (
    Feature("tweet.age_s", Age(), "seconds from the tweet to the request; negative for a tweet ahead of it"),
    Feature("tweet.text_length", Written("text_length"), "Unicode code points of the text"),
    Feature("tweet.tag_count", Written("tag_count"), "distinct hashtags, cashtags, mentions and domains"),
    Feature("tweet.media", Written("media"), "media attached"),
    Feature("tweet.is_reply", Is("reply"), "1 for a reply, else 0"),
    Feature("tweet.is_quote", Is("quote"), "1 for a quote, else 0"),
    Feature(
        "tweet.author_followers", Written("author_followers"),
        "followers of the author when the tweet was made; missing if unknown",
    ),
    Feature("tweet.seen", _SEEN, "viewers who saw the tweet, ever"),
    Feature("tweet.likes", Count(("like",)), "likes of the tweet, ever"),
    Feature("tweet.retweets", Count(("retweet", "quote")), "retweets and quotes of the tweet, ever"),
    Feature("tweet.replies", Count(("reply",)), "replies to the tweet, ever"),
    Feature("tweet.rate", Share(_ENGAGED, _SEEN), "engaged / max(seen, engaged), ever; missing when both are 0"),
    Feature("tweet.seen_recent", _SEEN_RECENTLY, "viewers who saw the tweet in the last pane"),
    Feature(
        "tweet.rate_recent", Share(_ENGAGED_RECENTLY, _SEEN_RECENTLY),
        "engaged / max(seen, engaged) in the last pane; missing when both are 0",
    ),
    Feature("author.posted_recent", Count(("posted",), "pane"), "tweets of the author in the last pane"),
    Feature("author.seen_recent", _SEEN_RECENTLY, "sights of the author's tweets in the last pane"),
    Feature("author.engaged_recent", _ENGAGED_RECENTLY, "engagements with the author's tweets in the last pane"),
    Feature(
        "author.rate_recent", Share(_ENGAGED_RECENTLY, _SEEN_RECENTLY),
        "engaged / max(seen, engaged) in the last pane; missing when both are 0",
    ),
    Feature("viewer_author.seen", _SEEN, "tweets of this author that this viewer has seen, ever"),
    Feature("viewer_author.engaged", _ENGAGED, "engagements of this viewer with this author, ever"),
    Feature(
        "viewer_tweet.history_author_match", InHistory("author"),
        "tweets of the viewer's history that are by this author",
    ),
    Feature(
        "viewer_tweet.history_tag_match", InHistory("hashtags"),
        "hashtags of the tweet that occur in the viewer's history",
    ),
)  # fmt: skip

# A feature's number in bins and counts is its index here.
CONTINUOUS = VIEWER_DENSE + CANDIDATE_DENSE
NUMBER = {feature.name: number for number, feature in enumerate(CONTINUOUS)}


def spelled_like(name: str) -> str:
    """The names of features that are most like one that no feature has, or all, for a message."""
    return ", ".join(get_close_matches(name, NUMBER, cutoff=0.5) or NUMBER)


# The fields that depend on the tweet alone, not on the vocabulary it is ranked with.
TWEET_FIELDS = ("text", "tags", "author")

VIEWER_SIDE = Side(
    fields=("viewer", "history"),
    # An engagement weighs 1 / (1 + age / HISTORY_FADES_MS).
    weighted=("history",),
    # Sine and cosine of the request's UTC time of day, then of its time of week.
    vectors=(("clock", 4),),
)
CANDIDATE_SIDE = Side(fields=(*TWEET_FIELDS, "subwords"))
VIEWER_FIELDS, CANDIDATE_FIELDS = VIEWER_SIDE.fields, CANDIDATE_SIDE.fields

# The tweet-counted features, in the order of `tweet_records.tweet_dense`'s columns.
TWEET_COUNTED = tuple(feature.name for feature in CANDIDATE_DENSE if feature.counted_from == "tweets")

FEATURE_SET: str = xxh3_64_hexdigest(
    repr((
        REVISION, [(f.name, f.source) for f in VIEWER_DENSE], [(f.name, f.source) for f in CANDIDATE_DENSE],
        astuple(VIEWER_SIDE), astuple(CANDIDATE_SIDE),
        TWEET_KEYS, TAG_KEYS, HISTORY, HISTORY_FADES_MS, SUBWORDS, SERVED_KEYS,
    )).encode()
)  # fmt: skip
