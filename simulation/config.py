"""Settings of a simulated world. Weights are in log-odds of engagement."""

from dataclasses import dataclass

HOUR_MS = 3_600_000
# Events are drawn one block of event time at a time. Each block has its own generator.
BLOCK_MS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Behavior:
    """How likely viewers are to look at a place and to engage. Shared by simulated worlds and viewers of real tweets.

    base: log-odds of engaging with an average tweet that was seen. freshness: added to them at age 0; it halves every
    fresh_half_ms. position_exponent: place k (from 0) is looked at with probability (1 + k) ** -exponent.
    """

    base: float = -4.6
    freshness: float = 1.0
    fresh_half_ms: int = 2 * HOUR_MS
    position_exponent: float = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldConfig:
    """A world of a few thousand authors and some hundred viewers."""

    begin_ms: int = 1_767_225_600_000  # 2026-01-01
    authors: int = 3_000
    viewers: int = 400
    topics: int = 12
    general_words: int = 4_000
    topic_words: int = 1_000  # per topic
    tweets_per_hour: float = 36_000.0
    requests_per_hour: float = 720.0
    candidates: int = 80  # per request
    candidate_ms: int = 6 * HOUR_MS  # oldest candidate
    limit: int = 35  # places of a timeline
    follows: int = 60  # authors that a viewer follows
    remembered_tweets: int = 200_000  # the newest ones: only these can be candidates or be reacted to

    evergreen_tags: int = 150
    births_per_hour: float = 20.0  # new hashtags
    revivals_per_hour: float = 6.0  # new bursts of hashtags that had faded
    burst_share: tuple[float, float] = (0.002, 0.02)  # share of all tweets at the start of a burst
    branching: float = 0.85  # mean number of later uses that one use of a hashtag causes; below 1
    excitement_ms: int = 10 * BLOCK_MS  # mean delay of those uses

    behavior: Behavior = Behavior()
    taste: float = 1.1  # weight of the viewer's taste for the topic (unit variance)
    taste_hours: float = 6.0  # time in which a taste decays to 1/e
    quality: float = 0.6  # weight of the author's quality (unit variance)
    follow: float = 0.7  # added for a followed author
    heat: float = 0.25  # times log(1 + tweets per minute with the hashtag when it was tweeted)
    tag_taste: float = 0.4  # weight of the viewer's taste for the hashtag (unit variance)
    appeal: float = 0.3  # weight of what no feature shows (unit variance)
