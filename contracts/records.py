"""The records that people write and read, as JSON: tweets, engagements, requests, timelines, models, dead letters.

All times are event times in milliseconds since 1970 UTC and end in `_ms`, except where a field says wall clock.
All ids are non-negative and fit a signed 64-bit integer. What leaves has them as strings (`IdText`), because
JavaScript and jq round integers past 2^53; events are read with integers or strings. `docs/topics.md` documents every
field.
"""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from contracts.codec import Record
from contracts.settings import MOST_PARTITIONS

TWITTER_BEGAN_MS = 1_142_899_200_000  # 2006-03-21: an earlier time is a broken clock
END_OF_TIME_MS = 4_102_444_800_000  # 2100-01-01
MAX_TEXT_CHARS = 25_000  # the longest post that X accepts
MAX_TWEET_BYTES = 256 * 1024  # a source's reader refuses a larger one before it enters Kafka
MAX_CANDIDATES = 1_500

MAX_ID = 2**63 - 1

Id = Annotated[int, Meta(ge=0, le=MAX_ID)]
IdText = Annotated[str, Meta(pattern=r"^(0|[1-9][0-9]{0,18})\Z")]  # an id in decimal digits
TimeMs = Annotated[int, Meta(ge=TWITTER_BEGAN_MS, le=END_OF_TIME_MS)]
Count = Annotated[int, Meta(ge=0, le=2**53)]
Name = Annotated[str, Meta(max_length=100)]

SETTINGS_KEY = b"vocab-settings"  # the key of a VocabConfigured, on `tweets` and on `vocab-counts`
# The partition of `tweets` that settings are written to: a single one gives them one order.
SETTINGS_PARTITION = 0


class Provenance(StrEnum):
    """Where an event came from. Everything derived from the event carries it and shows it."""

    REAL = "real"
    SIMULATED_VIEWERS = "simulated-viewers"
    SIMULATED_WORLD = "simulated-world"


class Action(StrEnum):
    """What a viewer can do with a tweet that was shown."""

    SEEN = "seen"
    LIKE = "like"
    RETWEET = "retweet"
    REPLY = "reply"
    QUOTE = "quote"
    CLICK = "click"
    DWELL = "dwell"
    FOLLOW = "follow"
    HIDE = "hide"
    MUTE = "mute"
    BLOCK = "block"
    REPORT = "report"


# An action's bit in `labels` is its index here: append, never reorder.
ACTIONS = tuple(Action)
# The model predicts the probability of any of these.
ENGAGED = (Action.LIKE, Action.RETWEET, Action.REPLY, Action.QUOTE)


class Tick(Record, frozen=True, kw_only=True):
    """Event time has reached `tick_ms` on this partition, whether or not there was an event. Key `tick`.

    `epoch`: that of the declared replay which wrote it; 0: of no replay.
    """

    tick_ms: TimeMs
    epoch: Count = 0


class TimeMode(StrEnum):
    """Who moves event time: events, as far as the broker's clock (live), or one writer's ticks (replay)."""

    LIVE = "live"
    REPLAY = "replay"


class Installed(Record, frozen=True, kw_only=True):
    """What an installation was made with; its first record holds for as long as it lives.

    `id`: no other installation has it. The data folder and Redis have it too. `partitions`: of every topic but the
    single ones. `settings`: name -> value, of those that give the logs their meaning.
    """

    id: Annotated[str, Meta(min_length=1, max_length=100)]
    partitions: Annotated[int, Meta(ge=1, le=MOST_PARTITIONS)]
    settings: dict[Name, int]


class TimeDeclared(Record, frozen=True, kw_only=True):
    """From here on, `mode` says who moves the partition's event time. Key `event-time`.

    `epoch`: ascends with every declaration of the installation; a reader ignores one whose epoch is not the highest
    so far. `writer`: the program that declared it, for people.
    """

    mode: TimeMode
    epoch: Annotated[int, Meta(ge=1, le=2**53)]
    writer: Name


class Entities(msgspec.Struct, frozen=True, kw_only=True):
    """Entities that the source says it found in the text. They are checked against the text, not trusted."""

    hashtags: list[Name] = []
    mentions: list[Name] = []
    cashtags: list[Name] = []
    urls: list[str] = []


class PublicCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Counts from when the source was read. That is later than the tweet, so they are never a feature."""

    likes: Count = 0
    retweets: Count = 0
    replies: Count = 0
    quotes: Count = 0


class Tweet(Record, frozen=True, kw_only=True):
    """One tweet. Topic `tweets`, keyed by `id`."""

    id: Id
    created_ms: TimeMs
    author_id: Id
    author: Name
    text: Annotated[str, Meta(max_length=MAX_TEXT_CHARS)]
    lang: Annotated[str, Meta(max_length=35)] = "und"
    author_followers: Count | None = None
    author_following: Count | None = None
    entities: Entities | None = None
    public_counts: PublicCounts | None = None
    reply_to: Id | None = None
    quote_of: Id | None = None
    retweet_of: Id | None = None
    media: Annotated[int, Meta(ge=0, le=255)] = 0
    provenance: Provenance = Provenance.REAL


class Engagement(Record, frozen=True, kw_only=True):
    """One action of one viewer on one tweet. Topic `engagements`, keyed by `viewer_id`."""

    viewer_id: Id
    tweet_id: Id
    author_id: Id
    action: Action
    at_ms: TimeMs
    request_id: Name | None = None
    position: Annotated[int, Meta(ge=0, le=10_000)] | None = None
    dwell_ms: Count | None = None
    provenance: Provenance = Provenance.REAL


class TimelineRequest(Record, frozen=True, kw_only=True):
    """A viewer asks for a timeline. Topic `timeline-requests`, keyed by `viewer_id`."""

    request_id: Name
    viewer_id: Id
    at_ms: TimeMs
    limit: Annotated[int, Meta(ge=1, le=MAX_CANDIDATES)] = 35
    candidates: Annotated[list[Id], Meta(max_length=MAX_CANDIDATES)] | None = None
    explain: bool = False
    provenance: Provenance = Provenance.REAL


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One input that changed a score. `log_odds`: log-odds of the score with it, minus those without it."""

    feature: str
    log_odds: float


class RankedTweet(msgspec.Struct, frozen=True, kw_only=True):
    """One place of a timeline. `probability` is calibrated; None where a fallback order was used."""

    id: IdText
    probability: float | None = None
    reasons: list[Reason] = []


class Timings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the time of one answer went, in microseconds of wall clock; a batch's cost is shared evenly.

    `score_us`: encoding features, scoring, sorting. `answer_us`: explaining, and packing what was served.
    """

    fetch_us: int
    answer_us: int
    score_us: int


class RankedTimeline(Record, frozen=True, kw_only=True):
    """The answer to a request. Topic `timelines-ranked`, keyed by `viewer_id`.

    `ranker` is `model`, or the name of the fallback order that was used instead. `missing` lists the candidates that
    the store does not know. They are left out; they are not scored with unknown features. `store_incomplete`: Redis
    was wiped and is being written again, or its workers have not begun: candidates may be missing that exist, and
    counts too low.
    """

    request_id: Name
    viewer_id: IdText
    at_ms: TimeMs
    ranker: str
    tweets: list[RankedTweet]
    missing: list[IdText] = []
    store_incomplete: bool = False
    model: str | None = None
    model_version: int | None = None
    vocab_version: int | None = None
    bins_version: int | None = None
    timings: Timings | None = None
    provenance: Provenance = Provenance.REAL


class RequestRefused(Record, frozen=True, kw_only=True):
    """The answer to a request that is malformed. Topic `timelines-ranked`, keyed as the request was.

    Written where the request's id can be read. `error`, `detail`: `reason` and `detail` of the request's dead letter.
    `partition`, `offset`: of the request.
    """

    request_id: str
    error: Name
    detail: str
    partition: int
    offset: int


class BinsVersion(Record, frozen=True, kw_only=True):
    """The bin edges that changed when a window closed. Topic `bins`; version = window number.

    `edges[feature]` are ascending float32 values: bin k holds x with edges[k-1] <= x < edges[k].
    `cells[feature]`: the former and the new edges together cut the number line into cells; this is the number of the
    window's values in each cell. A reader that keeps state per bin mixes it in these proportions. Without cells, each
    bin keeps its rank.
    """

    base_version: int
    version: int
    sequence: int
    edges: dict[str, list[float]]
    cells: dict[str, list[int]]


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """Progressive (predict, then learn) figures over the examples since the last version.

    `provenance`: number of examples of each provenance.
    """

    examples: int
    base_rate: float
    log_loss: float
    rce: float
    pr_auc: float
    calibration_error: float
    provenance: dict[Provenance, int]


class ModelPublished(Record, frozen=True, kw_only=True):
    """A snapshot that scorers may swap in. Topic `models`, keyed by `name`.

    `offsets[p]` is the first offset of `examples` partition p that the snapshot has *not* learned from.
    `published_ms` is wall clock.
    """

    name: Name
    version: Annotated[int, Meta(ge=1, le=2**53)]
    epoch: Annotated[int, Meta(ge=1, le=2**53)]
    path: str
    vocab_version: Count
    bins_version: Count
    examples_seen: Count
    offsets: dict[int, int]
    published_ms: int
    evaluation: Evaluation | None = None


class HopStarted(Record, frozen=True, kw_only=True):
    """A hop has begun to read a partition number. Topic `hop-starts`, keyed by both.

    After this, a missing offset means that the group's offsets expired, not that nothing was read; or that the topic
    was deleted, if its id is not that of `topic_ids` (topic -> id).
    """

    hop: Name
    partition: Annotated[int, Meta(ge=0)]
    topic_ids: dict[str, str]


class TrainerTerm(Record, frozen=True, kw_only=True):
    """A trainer begins: from here on, it alone announces models of `name`. Topic `trainer-terms`, keyed by `name`.

    `epoch`: higher than that of every term and every announced model of the name before. `trainer`: the process, for
    people.
    """

    name: Name
    epoch: Annotated[int, Meta(ge=1, le=2**53)]
    trainer: str


class KindConfigured(msgspec.Struct, frozen=True, kw_only=True):
    """`contracts.settings.KindSettings` on the wire."""

    capacity: Count
    rare_slots: Count
    admit_at: float
    evict_below: float
    hysteresis: float
    half_life_windows: float
    idle_windows: Count


class VocabConfigured(Record, frozen=True, kw_only=True):
    """The settings of a vocabulary from window `from_window` on. Key `vocab-settings`.

    The record is written three times: on `tweets`, partition 0, when an operator asks for it; on `vocab-counts`, to
    every owner, with the window that the source assigned; and in the deltas of the version in which it took effect.
    `kinds`: keyed by lower-case namespace name; a kind not named has no slots. `shards`: virtual shards, fixed when
    the vocabulary begins. `made_of`: in a vocabulary's first deltas, the vocabulary whose keys it began with.
    """

    vocabulary: Name
    from_window: Count
    candidates_per_slot: float
    kinds: dict[Name, KindConfigured]
    shards: Count
    made_of: Name | None = None


class CutValue(msgspec.Struct, frozen=True, kw_only=True):
    """Describes a value that a dead letter holds only the beginning of. `sha256`: of the whole value, in hex."""

    bytes: int
    sha256: str


class DeadLetter(Record, frozen=True, kw_only=True):
    """A record that could not be processed. Topic `<source>-dead-letters`, keyed as the source.

    `key` and `value` are the source's bytes (base64 in JSON), so that `dead-letters replay` is exact. A value too
    large for the topic is cut; `cut` then describes the whole value, and the letter cannot be replayed.
    """

    reason: Name
    detail: str
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    cut: CutValue | None = None
