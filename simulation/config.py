"""What a simulated world is like. Every number has its unit; weights are in log-odds of engagement."""

from dataclasses import dataclass

HOUR_MS = 3_600_000
BLOCK_MS = 60_000  # events are drawn a block of event time at a time, each from a generator of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Appetite:
    """How a probability comes about, and how a timeline is looked at. Shared by worlds and viewers of real tweets."""

    base: float = -4.6  # log-odds of engaging with a fresh, ordinary tweet that was seen
    freshness: float = 1.0  # added at age 0, halving every `fresh_half_ms`
    fresh_half_ms: int = 2 * HOUR_MS
    position_exponent: float = 0.4  # place k (from 0) is looked at with probability (1 + k) ** -exponent


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldConfig:
    """A world of a few thousand authors and some hundred viewers."""

    begin_ms: int = 1_767_225_600_000  # 2026-01-01
    authors: int = 3_000
    viewers: int = 400
    topics: int = 12
    general_words: int = 4_000
    topic_words: int = 1_000  # of each topic
    tweets_per_hour: float = 36_000.0
    requests_per_hour: float = 720.0
    candidates: int = 80  # named by a request
    candidate_ms: int = 6 * HOUR_MS  # how old a candidate may be
    limit: int = 35  # places of a timeline
    follows: int = 60  # authors that a viewer follows
    remembered_tweets: int = 200_000  # that can still be candidates and be reacted to

    evergreen_tags: int = 150
    births_per_hour: float = 20.0  # new hashtags
    revivals_per_hour: float = 6.0  # bursts of hashtags that had faded
    burst_share: tuple[float, float] = (0.002, 0.02)  # of all tweets, at the beginning of a burst
    branching: float = 0.85  # further tweets that a tweet with a hashtag brings about; below 1
    excitement_ms: int = 10 * BLOCK_MS  # mean delay of those

    appetite: Appetite = Appetite()
    taste: float = 1.1  # weight of a viewer's taste for a topic (unit variance)
    taste_hours: float = 6.0  # in which a taste forgets 1 - 1/e of what it was
    quality: float = 0.6  # weight of the author's quality (unit variance)
    follow: float = 0.7  # added for a followed author
    heat: float = 0.25  # times log(1 + tweets a minute of the hashtag when it was tweeted)
    tag_taste: float = 0.4  # weight of a viewer's own liking of a hashtag (unit variance)
    appeal: float = 0.3  # weight of what no feature shows (unit variance)
