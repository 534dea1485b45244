"""One record of every kind, each field set to something that can be told apart."""

import numpy as np

from contracts.bags import Bags
from contracts.codec import Record
from contracts.columnar import BinCounts, CandidatesServed, FeatureUpdates, VocabCounts, VocabDelta
from contracts.columns import FeatureColumns
from contracts.examples import Examples
from contracts.records import (
    Action,
    BinsVersion,
    CutValue,
    DeadLetter,
    Engagement,
    Entities,
    Evaluation,
    HopStarted,
    Installed,
    KindConfigured,
    ModelPublished,
    Provenance,
    PublicCounts,
    RankedTimeline,
    RankedTweet,
    Reason,
    RequestRefused,
    Tick,
    TimeDeclared,
    TimelineRequest,
    TimeMode,
    Timings,
    TrainerTerm,
    Tweet,
    VocabConfigured,
)

AT_MS = 1_393_632_000_123


def u64(*values: int) -> np.ndarray:
    """A column of keys or ids."""
    return np.array(values, np.uint64)


RECORDS: dict[str, Record] = {
    "Tick": Tick(tick_ms=AT_MS, epoch=3),
    "HopStarted": HopStarted(hop="ingest", partition=2, topic_ids={"tweets": "0b7e6a52-3c58-4d6f-9c2e-7d1f0a3b5c81"}),
    "Installed": Installed(id="3f2a", partitions=32, settings={"time.window_ms": 60_000, "time.lateness_ms": 30_000}),
    "TrainerTerm": TrainerTerm(name="timeline", epoch=3, trainer="process 7 on host"),
    "TimeDeclared": TimeDeclared(mode=TimeMode.REPLAY, epoch=3, writer="driftline replay"),
    "Tweet": Tweet(
        id=439_559_208_000_000_001, created_ms=AT_MS, author_id=17, author="ada",
        text="Zürich 東京 🦆 #ducks @bob $X", lang="de", author_followers=1_000, author_following=0,
        entities=Entities(hashtags=["ducks"], mentions=["bob"], cashtags=["X"], urls=["https://example.org/a"]),
        public_counts=PublicCounts(likes=3, retweets=2, replies=1, quotes=0),
        reply_to=1, quote_of=2, retweet_of=3, media=1, provenance=Provenance.SIMULATED_VIEWERS,
    ),
    "Engagement": Engagement(
        viewer_id=7, tweet_id=9, author_id=17, action=Action.LIKE, at_ms=AT_MS, request_id="r-1", position=4,
        dwell_ms=2_500, provenance=Provenance.SIMULATED_WORLD,
    ),
    "TimelineRequest": TimelineRequest(
        request_id="r-1", viewer_id=7, at_ms=AT_MS, limit=20, candidates=[9, 2**63 - 1], explain=True
    ),
    "RankedTimeline": RankedTimeline(
        request_id="r-1", viewer_id="7", at_ms=AT_MS, ranker="model",
        tweets=[
            RankedTweet(id=str(2**63 - 1), probability=0.25, reasons=[Reason(feature="author:17", log_odds=0.5)]),
            RankedTweet(id="8"),
        ],
        missing=["6"], model="timeline", model_version=3, vocab_version=23_227_200, bins_version=23_227_201,
        timings=Timings(fetch_us=900, answer_us=50, score_us=200),
    ),
    "RequestRefused": RequestRefused(
        request_id="r-2", error="malformed", detail="TimelineRequest: Expected `int` - at `$.limit`", partition=3,
        offset=17,
    ),
    "BinsVersion": BinsVersion(
        base_version=4, version=6, sequence=2, edges={"tweet_age_s": [1.5, float(np.float32(0.1)) + 2], "likes": []},
        cells={"likes": [7, 0, 2**40]},
    ),
    "ModelPublished": ModelPublished(
        name="timeline", version=3, epoch=2, path="models/timeline/2-3", vocab_version=6, bins_version=5,
        examples_seen=20_000, offsets={0: 11, 1: 0}, published_ms=AT_MS + 5,
        evaluation=Evaluation(
            examples=1_000, base_rate=0.125, log_loss=0.25, rce=12.5, pr_auc=0.375, calibration_error=0.0625,
            provenance={Provenance.REAL: 750, Provenance.SIMULATED_WORLD: 250},
        ),
    ),
    "DeadLetter": DeadLetter(
        reason="malformed", detail="Tweet: JSON is malformed", topic="tweets", partition=3, offset=42,
        key=b"\xff\x00", value=b"{", cut=CutValue(bytes=31_457_281, sha256="ab" * 32),
    ),
    "VocabCounts": VocabCounts(
        source_topic="tweets", source_partition=2, closed_through=22, window=23, keys=u64(2**64 - 1, 5),
        namespaces=np.array([2, 0], np.uint8), counts=np.array([1, 2**32 - 1], np.uint32), token_keys=u64(5),
        tokens=["東京"], languages=np.array([149, 282], np.uint16),
    ),
    "VocabDelta": VocabDelta(
        vocabulary="default", shard=63, base_version=20, version=23, sequence=4, admitted_keys=u64(2**64 - 1),
        admitted_slots=np.array([8_200], np.int32), admitted_generations=np.array([2], np.uint32),
        admitted_namespaces=np.array([2], np.uint8), admitted_tokens=["#ducks"], evicted_keys=u64(2**63, 2**63 + 1),
        evicted_slots=np.array([8_200, 8_201], np.int32),
        settings=VocabConfigured(
            vocabulary="default", from_window=22, candidates_per_slot=4.0,
            kinds={
                "hashtag": KindConfigured(
                    capacity=640, rare_slots=7, admit_at=5.0, evict_below=0.5, hysteresis=0.25,
                    half_life_windows=720.0, idle_windows=4_320,
                )
            },
            shards=128, made_of="former",
        ),
    ),
    "VocabConfigured": VocabConfigured(
        vocabulary="default", from_window=0, candidates_per_slot=0.5,
        kinds={
            "word": KindConfigured(
                capacity=64, rare_slots=1, admit_at=5.0, evict_below=1.0, hysteresis=0.0, half_life_windows=1.5,
                idle_windows=1,
            )
        },
        shards=16,
    ),
    "BinCounts": BinCounts(
        source_topic="candidates-served", source_partition=1, closed_through=22, window=23, feature_set="fs-1",
        features=np.array([0, 65_535], np.uint16), buckets=np.array([-(2**31), 7], np.int32),
        counts=np.array([3, 4], np.uint32), positives=np.array([0, 4], np.uint32),
    ),
    "FeatureUpdates": FeatureUpdates(
        kinds=np.array([0, 2], np.uint8), entities=u64(9, 7), panes=np.array([387_120, 387_121], np.uint32),
        counts=np.arange(16, dtype=np.uint32), history_viewers=u64(7), history_at_ms=np.array([AT_MS]),
        history_tweets=u64(9),
    ),
    "CandidatesServed": CandidatesServed(
        request_id="r-1", viewer_id=7, at_ms=AT_MS, ranker="model", model_version=3, vocab_version=6, bins_version=5,
        tokenizer=1, feature_set="fs-1", provenance=Provenance.REAL, tweet_ids=u64(9, 8), author_ids=u64(17, 18),
        probabilities=np.array([0.25, np.nan], np.float32), viewer_dense=np.array([np.inf, -0.0], np.float32),
        viewer_lengths=np.array([1, 0], np.uint8), viewer_keys=u64(1),
        candidate_dense=np.array([1, 2, 3, 4, np.nan, 6], np.float32),
        candidate_lengths=np.array([1, 0, 2, 0, 0, 0], np.uint8), candidate_keys=u64(2**64 - 1, 2**63, 0),
        viewer_weights=np.empty(0, np.float32), viewer_vectors=np.array([0.5, -1], np.float32),
        candidate_weights=np.array([1, 0.25, 1e-45], np.float32), candidate_vectors=np.arange(8, dtype=np.float32),
    ),
}  # fmt: skip

EXAMPLES = Examples(
    feature_set="fs-1",
    features=FeatureColumns(
        viewer_row=np.array([0, 0, 1], np.int32),
        viewer_dense=np.array([[1.5, np.nan], [0, -np.inf]], np.float32),
        viewer_keys={"viewer": Bags.from_lengths(np.array([1, 2]), u64(1, 2**64 - 1, 3))},
        candidate_dense=np.array([[1], [np.nan], [3]], np.float32),
        candidate_keys={
            "text": Bags.from_lengths(np.array([0, 2, 1]), u64(4, 5, 6), np.array([0.5, 1, -2], np.float32)),
            "tags": Bags.from_lengths(np.array([0, 0, 0]), u64()),
        },
        viewer_vectors={"clock": np.array([[0, 1], [1, 0]], np.float32)},
        candidate_vectors={"image": np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], np.float32)},
    ),
    request_ids=["r-1", "r-1", "r-2"],
    viewer_ids=u64(7, 7, 8),
    tweet_ids=u64(9, 10, 9),
    at_ms=np.array([AT_MS, AT_MS, AT_MS + 1]),
    positions=np.array([0, 1, 0], np.uint16),
    labels=np.array([1, 3, 0], np.uint16),
    weights=np.array([1, 1, 4], np.float32),
    probabilities=np.array([0.5, 0.25, np.nan], np.float32),
    model_versions=np.array([3, 3, 0]),
    vocab_versions=np.array([6, 6, 0]),
    bins_versions=np.array([5, 5, 0]),
    engaged_append_ms=np.array([0, AT_MS + 9, 0]),
    provenances=np.array([0, 0, 2], np.uint8),
)
