"""A few handwritten records of every kind, for tests of the commands that read them."""

import os
from pathlib import Path

import numpy as np
import redis

from contracts.bags import Bags
from contracts.codec import Record, serialize
from contracts.columnar import COUNTERS, VocabDelta
from contracts.columns import FeatureColumns
from contracts.examples import Examples, serialize_examples
from contracts.records import (
    BinsVersion,
    DeadLetter,
    Evaluation,
    ModelPublished,
    Provenance,
    RankedTimeline,
    RankedTweet,
    Reason,
    Tick,
    Tweet,
)
from contracts.settings import Settings
from contracts.topics import (
    BINS,
    EXAMPLES,
    MODELS,
    TIMELINES_RANKED,
    TWEETS,
    VOCAB_DELTAS,
    Topic,
    dead_letters,
    prefixed,
)
from eventtime.ticks import TICK_KEY
from featurestore.features import CANDIDATE_DENSE, CANDIDATE_FIELDS, VIEWER_DENSE, VIEWER_FIELDS, VIEWER_SIDE
from featurestore.store import redis_layout as layout
from featurestore.store.subwords import subwords_of
from featurestore.store.tweet_records import tweet_records, tweet_values
from tests.support.installation import PARTITIONS
from tests.support.plain_examples import examples_of
from tests.support.vocab_frames import SOURCE, counts_frame
from transport.identity import of_folder, redis_key, redis_value
from transport.installation import install
from transport.kafka.clients import producer
from vocab.keys import SHARDS, key_of
from vocab.languages import language_code
from vocab.namespaces import Namespace
from vocab.owner.owner import VocabularyOwner
from vocab.tokens.tokenizer import Tokenizer
from vocab.view.updates import view_updates

AT_MS = 1_767_225_600_000
WINDOW = AT_MS // 60_000


def letter(reason: str, topic: str, partition: int, key: bytes | None, value: bytes | None) -> DeadLetter:
    detail = f"why it was {reason}"
    return DeadLetter(reason=reason, detail=detail, topic=topic, partition=partition, offset=7, key=key, value=value)


LETTERS = [
    letter("malformed", "tweets", 2, b"\xff\x00", b"{\xfe"),
    letter("time_ahead", "tweets", 1, None, b""),
    letter("malformed", "engagements", 0, b"4", None),
    letter("malformed", "file:x.csv", 0, None, b"a,b"),
]
TWEET = Tweet(
    id=71,
    created_ms=AT_MS,
    author_id=5,
    author="ann",
    text="Hello \x1b[31m#Rust world",
    author_followers=10,
    provenance=Provenance.SIMULATED_WORLD,
)


def timeline(number: int, version: int | None = 3) -> RankedTimeline:
    return RankedTimeline(
        request_id=f"r-{number}",
        viewer_id="42",
        at_ms=AT_MS + number,
        ranker="model" if version else "recency",
        tweets=[
            RankedTweet(id="71", probability=0.25, reasons=[Reason(feature="tags", log_odds=0.5)]),
            RankedTweet(id="99", probability=0.125),
        ],
        model="timeline" if version else None,
        model_version=version,
        provenance=Provenance.SIMULATED_WORLD,
    )


def model(version: int) -> ModelPublished:
    figures = Evaluation(
        examples=100,
        base_rate=0.1,
        log_loss=0.5 / version,
        rce=version,
        pr_auc=0.3,
        calibration_error=0.01,
        provenance={Provenance.SIMULATED_WORLD: 100},
    )
    return ModelPublished(
        name="timeline",
        version=version,
        epoch=1,
        path=f"/models/{version}",
        vocab_version=WINDOW,
        bins_version=WINDOW,
        examples_seen=100 * version,
        offsets={0: version},
        published_ms=AT_MS,
        evaluation=figures,
    )


def examples(n: int = 3) -> Examples:
    ones = np.ones(n, np.int64)
    bags = Bags.empty(n, np.uint64)
    one_bag = Bags.empty(1, np.uint64)
    features = FeatureColumns(
        viewer_row=np.zeros(n, np.int32),
        viewer_dense=np.zeros((1, len(VIEWER_DENSE)), np.float32),
        viewer_keys=dict.fromkeys(VIEWER_FIELDS, one_bag),
        candidate_dense=np.zeros((n, len(CANDIDATE_DENSE)), np.float32),
        candidate_keys=dict.fromkeys(CANDIDATE_FIELDS, bags),
        viewer_vectors=VIEWER_SIDE.zero_vectors(1),
    )
    return examples_of(
        features,
        AT_MS * ones,
        np.array([0b11, *[0b1] * (n - 1)], np.uint16),  # seen, and the first liked
        viewer_ids=np.full(n, 42, np.uint64),
        probabilities=np.array([0.25, *[np.nan] * (n - 1)], np.float32),
        model_versions=np.array([3, *[0] * (n - 1)], np.int64),
        vocab_versions=WINDOW * ones,
        bins_versions=WINDOW * ones,
        engaged_append_ms=np.array([AT_MS, *[0] * (n - 1)], np.int64),
    )


def vocabulary(settings: Settings) -> tuple[VocabularyOwner, list[VocabDelta]]:
    """An owner of all shards after three windows: #rust (English) rises, #old (German) falls, `go` is a word."""
    owner = VocabularyOwner.begin(settings.vocab, range(SHARDS), frozenset({SOURCE}))
    for i, counts in enumerate([{"old": 40, "rust": 6}, {"old": 20, "rust": 12}, {"old": 5, "rust": 60}]):
        tokens = [(Namespace.HASHTAG, token, n) for token, n in counts.items()] + [(Namespace.WORD, "go", 9)]
        owner.observe(
            counts_frame(
                WINDOW + i,
                WINDOW + i - 1,
                [key_of(namespace, token) for namespace, token, _ in tokens],
                [n for _, _, n in tokens],
                [namespace for namespace, _, _ in tokens],
                tokens=[token for _, token, _ in tokens],
                languages=[language_code("de" if token == "old" else "en") for _, token, _ in tokens],
            )
        )
    owner.observe(counts_frame(WINDOW + 2, WINDOW + 2))
    return owner, owner.close_windows()


def filled(kafka: str, redis_url: str, folder: Path) -> Settings:
    """The settings of an installation of its own, after `write_all`."""
    prefix = f"samples-{os.urandom(3).hex()}-"
    settings = Settings(kafka=kafka, redis=redis_url, prefix=prefix, partitions=PARTITIONS, data_dir=str(folder))
    write_all(settings)
    return settings


def write_all(settings: Settings) -> None:
    """Create the topics, write a few records to each topic that the commands read, and write the views in Redis."""
    install(settings)
    tick = serialize(Tick(tick_ms=AT_MS))
    with producer(settings) as writer:

        def send(topic: Topic, record: Record, partition: int = 0) -> None:
            writer.send(prefixed(topic, settings.prefix).name, value=serialize(record), partition=partition)

        for letter in LETTERS:
            source = {"engagements": dead_letters(Topic("engagements", "", ""))}.get(
                letter.topic, dead_letters(TWEETS)
            )
            send(source, letter, letter.partition)
        for number in range(1, 6):
            send(TIMELINES_RANKED, timeline(number, 3 if number > 1 else None), number % 4)
            writer.send(
                prefixed(TIMELINES_RANKED, settings.prefix).name, key=TICK_KEY, value=tick, partition=number % 4
            )
        for version in range(1, 4):
            send(MODELS, model(version))
        for version, edges in ((WINDOW, [1.0, 2.0, 4.0]), (WINDOW + 1, [10.0, 20.0, 40.0])):
            send(
                BINS, BinsVersion(base_version=0, version=version, sequence=1, edges={"tweet.age_s": edges}, cells={})
            )
        writer.send(prefixed(EXAMPLES, settings.prefix).name, value=serialize_examples(examples()), partition=1)
        owner, deltas = vocabulary(settings)
        for delta in deltas:
            send(VOCAB_DELTAS, delta, delta.shard % PARTITIONS)
        writer.flush(timeout=30)
    write_views(settings, owner)


def write_views(settings: Settings, owner: VocabularyOwner) -> None:
    keys = layout.Keys(settings)
    counters = np.zeros(1, layout.COUNTERS_RECORD)
    counters["pane"] = AT_MS // settings.features.pane_ms
    counters["totals"][0, COUNTERS.index("like")] = 4
    history = np.zeros(1, layout.HISTORY_RECORD)
    history["at_ms"][0, 0], history["tweets"][0, 0] = AT_MS, 71
    viewer, author, ids = (np.array([n], np.uint64) for n in (42, 5, 71))
    pair = layout.pair_of(viewer, author)
    batch = Tokenizer().tokenize([TWEET])
    records = tweet_records([TWEET], batch)
    values = dict(zip(keys.tweets(ids), tweet_values(records, [TWEET], subwords_of(records, batch)), strict=True))
    for kind, entity in ((1, author), (2, viewer), (3, pair)):
        values[keys.counters(kind, entity)[0]] = layout.pack_records(counters)[0]
    values[keys.histories(viewer)[0]] = layout.pack_records(history)[0]
    updates = view_updates(owner.state)
    prefix = settings.prefix.encode()
    values[redis_key(settings)] = redis_value(of_folder(settings))
    values |= {prefix + key: value for key, value in zip(updates.keys, updates.values, strict=True)}
    with redis.Redis.from_url(settings.redis) as client:
        client.mset(values)
