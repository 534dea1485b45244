"""A seeded log of tweets whose words come and go, with duplicates, late events and wrong clocks as in real logs.

It is small enough for many runs. Its settings make hundreds of keys gain and lose slots.
"""

import random
from collections.abc import Iterator

from msgspec.structs import replace

from contracts.codec import serialize
from contracts.partitioning import record_key
from contracts.records import Provenance, TimeDeclared, TimeMode, Tweet
from contracts.settings import Settings, VocabSettings
from contracts.topics import CANDIDATES_SERVED, ENGAGEMENTS, TWEETS, Topic
from eventtime.declarations import DECLARATION_KEY, DECLARED_ON
from eventtime.ticks import TICK_KEY, tick_value
from tests.support.installation import INSTALLED
from transport.kafka.partitioner import partition_of
from vocab.keys import SHARDS

BEGIN_MS = 1_760_000_040_000  # the start of a window
WINDOW_MS = 60_000
WINDOWS = 30
TICK_MS = 10_000  # between two ticks of the replay: shorter than the lateness
EPOCH = 1  # of the replay
END_MS = BEGIN_MS + (WINDOWS + 2) * WINDOW_MS  # a tick at this time closes all windows
WORDS = 1_200
SHIFT = 16  # by how many words the most frequent word moves from window to window
AUTHORS = 60
WRONG_CLOCK = 999  # the author whose clock is a day ahead
DAY_MS = 86_400_000
# Tweets between a tweet and its duplicate at most: about 200 offsets per partition, twice the duplicate horizon.
LAST_REPEAT = 800
SCRIPTS = ("word", "λόγος", "слово", "言葉", "ﬁn")

Row = tuple[Topic, int, bytes, bytes]  # topic, partition, key, value


def drifting(settings: Settings, batch_records: int) -> Settings:
    """Settings for this stream: few slots, fast decay, and a recovery that does not re-read everything."""
    return replace(
        settings,
        time=replace(settings.time, window_ms=WINDOW_MS),
        # 6 s is the shortest session timeout that a broker allows.
        hop=replace(settings.hop, batch_records=batch_records, session_timeout_ms=6_000),
        vocab=VocabSettings.uniform(
            capacity=4 * SHARDS,
            rare_slots=64,
            admit_at=3.0,
            evict_below=1.0,
            half_life_windows=6.0,
            candidates_per_slot=2.0,
        ),
        bins=replace(settings.bins, minimum_values=100, rolling_windows=10),
        features=replace(settings.features, duplicate_horizon=100),
    )


def drifting_rows(tweets: int, seed: int, settings: Settings = INSTALLED) -> list[Row]:
    """The records of all input topics, in the order in which they are written."""
    rng = random.Random(seed)
    rows: list[Row] = list(declared(settings))
    again: dict[int, list[Row]] = {}  # number of a tweet -> duplicates of earlier tweets to write after it
    ticked = BEGIN_MS
    for i in range(tweets):
        now = BEGIN_MS + i * WINDOWS * WINDOW_MS // tweets
        if now >= ticked:
            rows += ticks((TWEETS, ENGAGEMENTS, CANDIDATES_SERVED), ticked, settings)
            ticked += TICK_MS
        row = row_of(_tweet(i, now, rng), settings)
        if rng.random() < 0.005:
            rows.append((*row[:3], b"not a tweet"))
        if rng.random() < 0.02:
            again.setdefault(i + rng.randrange(LAST_REPEAT), []).append(row)
        rows += [row, *again.pop(i, [])]
    return rows + list(ticks((TWEETS, ENGAGEMENTS, CANDIDATES_SERVED), END_MS, settings))


def row_of(tweet: Tweet, settings: Settings = INSTALLED) -> Row:
    """A tweet's record, as a producer writes it."""
    key = record_key(tweet.id)
    return TWEETS, partition_of(key, TWEETS.partitions(settings)), key, serialize(tweet)


def ticks(topics: tuple[Topic, ...], at_ms: int, settings: Settings = INSTALLED) -> Iterator[Row]:
    """A tick for each partition of these topics."""
    for topic in topics:
        for partition in range(topic.partitions(settings)):
            yield topic, partition, TICK_KEY, tick_value(at_ms, EPOCH)


def declared(settings: Settings = INSTALLED) -> Iterator[Row]:
    """The declaration of a replay, for each partition that has a clock."""
    value = serialize(TimeDeclared(mode=TimeMode.REPLAY, epoch=EPOCH, writer="drifting stream"))
    for topic in DECLARED_ON:
        for partition in range(topic.partitions(settings)):
            yield topic, partition, DECLARATION_KEY, value


def _tweet(i: int, now: int, rng: random.Random) -> Tweet:
    """A tweet that is in time, late, or has a wrong clock."""
    tweet = Tweet(
        id=1_000 + i,
        created_ms=now - rng.randrange(4 * WINDOW_MS if rng.random() < 0.02 else 20_000),
        author_id=rng.randrange(AUTHORS),
        author="someone",
        text=_text(now, rng),
        author_followers=rng.randrange(10_000),
        provenance=Provenance.SIMULATED_WORLD,
    )
    if rng.random() < 0.005:
        tweet = replace(tweet, created_ms=now + DAY_MS, author_id=WRONG_CLOCK)
    return tweet


def _text(now: int, rng: random.Random) -> str:
    """Six words by a Zipf-like law that shifts with every window, and a hashtag of the window's time."""
    first = (now - BEGIN_MS) // WINDOW_MS * SHIFT
    numbers = [(first + int(WORDS ** rng.random())) % WORDS for _ in range(6)]
    words = [f"{SCRIPTS[number % len(SCRIPTS)]}{number}" for number in numbers]
    return " ".join(words) + f" #Tag{(first + rng.randrange(40)) // 10}"
