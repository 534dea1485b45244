"""The declared features: dense features, sparse fields and vectors, in wire order.

Dense features are raw numbers, or `MISSING`. Fields are bags of 64-bit keys, some with a weight per key. Vectors go
to the model unchanged. Raise `REVISION` with every change of a name, an order or a meaning here. It changes
`FEATURE_SET`, so that records of the former set are refused instead of misread.
"""

from dataclasses import astuple, dataclass
from typing import Literal

from xxhash import xxh3_64_hexdigest

from contracts.columns import Side

REVISION = 1

# Keys kept of a tweet, over all its fields. This bounds the bytes of a served candidate.
TWEET_KEYS = 32
TAG_KEYS = 8  # of these, at most this many in the field `tags`
SUBWORDS = 8  # most n-grams that a candidate is served with, besides its tweet's keys
# Most keys of a candidate, including n-grams: a tweet with TWEET_KEYS keys has room for 4 n-grams.
SERVED_KEYS = 36
HISTORY = 16  # engaged tweets in a viewer's history
HISTORY_FADES_MS = 86_400_000  # an engagement of this age counts half


@dataclass(frozen=True, slots=True)
class Continuous:
    """One dense feature. `counted_from`: whether its bins count all tweets or only served candidates."""

    name: str
    counted_from: Literal["tweets", "served"]
    meaning: str


VIEWER_DENSE: tuple[Continuous, ...] = (
    Continuous("viewer_seen", "served", "tweets that the viewer has seen, ever"),
    Continuous("viewer_engaged", "served", "likes, retweets, replies and quotes of the viewer, ever"),
    Continuous("viewer_rate", "served", "engaged / max(seen, engaged) of the viewer, ever; missing when both are 0"),
    Continuous("hour_of_day", "served", "UTC hour of the request, 0 to 23"),
)

CANDIDATE_DENSE: tuple[Continuous, ...] = (
    Continuous("age_s", "served", "seconds from the tweet to the request; negative for a tweet ahead of it"),
    Continuous("text_length", "tweets", "Unicode code points of the text"),
    Continuous("tag_count", "tweets", "distinct hashtags, cashtags, mentions and domains"),
    Continuous("media", "tweets", "media attached"),
    Continuous("is_reply", "tweets", "1 for a reply, else 0"),
    Continuous("is_quote", "tweets", "1 for a quote, else 0"),
    Continuous("author_followers", "tweets", "followers of the author when the tweet was made; missing if unknown"),
    Continuous("tweet_seen", "served", "viewers who saw the tweet, ever"),
    Continuous("tweet_likes", "served", "likes of the tweet, ever"),
    Continuous("tweet_retweets", "served", "retweets and quotes of the tweet, ever"),
    Continuous("tweet_replies", "served", "replies to the tweet, ever"),
    Continuous("tweet_rate", "served", "engaged / max(seen, engaged) of the tweet, ever; missing when both are 0"),
    Continuous("tweet_seen_recent", "served", "viewers who saw the tweet in the last pane"),
    Continuous("tweet_rate_recent", "served", "engaged / max(seen, engaged) of the tweet in the last pane"),
    Continuous("author_posted", "served", "tweets of the author in the last pane"),
    Continuous("author_seen", "served", "sights of the author's tweets in the last pane"),
    Continuous("author_engaged", "served", "engagements with the author's tweets in the last pane"),
    Continuous("author_rate", "served", "author_engaged / max(author_seen, author_engaged)"),
    Continuous("pair_seen", "served", "tweets of this author that this viewer has seen, ever"),
    Continuous("pair_engaged", "served", "engagements of this viewer with this author, ever"),
    Continuous("history_author_match", "served", "tweets of the viewer's history that are by this author"),
    Continuous("history_tag_match", "served", "hashtags of the tweet that occur in the viewer's history"),
)

# A feature's number in bins and counts is its index here.
CONTINUOUS = VIEWER_DENSE + CANDIDATE_DENSE
NUMBER = {feature.name: number for number, feature in enumerate(CONTINUOUS)}

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
        REVISION, [f.name for f in VIEWER_DENSE], [f.name for f in CANDIDATE_DENSE],
        astuple(VIEWER_SIDE), astuple(CANDIDATE_SIDE),
        TWEET_KEYS, TAG_KEYS, HISTORY, HISTORY_FADES_MS, SUBWORDS, SERVED_KEYS,
    )).encode()
)  # fmt: skip
