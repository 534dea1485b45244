"""Models and tweets for the scorer's tests: complete snapshots with random weights."""

from pathlib import Path

import numpy as np

from contracts.bags import Bags, Keys
from contracts.columns import MISSING, FeatureColumns
from contracts.records import ModelPublished, Provenance, TimelineRequest, Tweet
from contracts.settings import Settings
from featurestore.bins.replica import FrozenBins
from featurestore.encoding.encode import BIN_ROWS
from featurestore.features import CANDIDATE_DENSE, NUMBER, SUBWORDS, TWEET_FIELDS, VIEWER_DENSE, VIEWER_SIDE
from featurestore.store.reader import FeaturesRead
from featurestore.store.redis_layout import WORD_SUBWORDS
from featurestore.store.subwords import TweetWords
from model import snapshot as snapshots
from model.calibration import Calibrator
from model.config import ModelConfig
from model.snapshot import Manifest, Snapshot
from vocab.keys import SHARDS
from vocab.replica.vocabulary import FrozenVocabulary

BEGIN_MS = 1_760_000_000_000
FEATURE_SET = snapshots.FEATURE_SET


def make_snapshot(settings: Settings, version: int, epoch: int = 1, keys: int = 50) -> Snapshot:
    """A snapshot with random weights, seeded by its version. Its vocabulary has the keys 1, 2, ... `keys`."""
    rng = np.random.default_rng(version)
    empty = FrozenVocabulary.empty(settings.vocab)
    vocabulary = FrozenVocabulary(
        version=1_000 + version,
        sequence=1,
        layout=empty.layout,
        keys=np.arange(1, keys + 1, dtype=np.uint64),
        slots=rng.permutation(np.concatenate([empty.layout.slots_of(0, shard) for shard in range(SHARDS)])[:keys]),
        generations=np.ones(keys, np.uint32),
    )
    bins = FrozenBins(2_000 + version, {NUMBER["tweet.age_s"]: np.array([10, 100, 1_000], np.float32)})
    config = ModelConfig(num_slots=vocabulary.num_slots, bin_rows=BIN_ROWS, dim=settings.trainer.embedding_dim)
    weights = {
        name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in snapshots._shapes(config).items()
    }
    manifest = Manifest(
        name=settings.scorer.model,
        version=version,
        epoch=epoch,
        feature_set=FEATURE_SET,
        config=config,
        vocab_version=vocabulary.version,
        bins_version=bins.version,
        examples_seen=version,
        offsets={},
    )
    knots = Calibrator(np.array([-1.0, 0.0, 1.0]), np.array([0.1, 0.3, 0.8]))
    return Snapshot(manifest=manifest, weights=weights, vocabulary=vocabulary, bins=bins, calibrator=knots)


def save_snapshot(settings: Settings, version: int, epoch: int = 1) -> ModelPublished:
    """Write a snapshot into the data folder. Returns its record for `models`."""
    path = Path(settings.data_dir) / "models" / f"{epoch}-{version}"
    made = make_snapshot(settings, version, epoch)
    made.save(path)
    return ModelPublished(
        name=made.manifest.name,
        version=version,
        epoch=epoch,
        path=str(path),
        vocab_version=made.manifest.vocab_version,
        bins_version=made.manifest.bins_version,
        examples_seen=version,
        offsets={},
        published_ms=BEGIN_MS,
    )


def make_read(counts: list[int], seed: int = 0) -> FeaturesRead:
    """Random features of requests with `counts[i]` candidates, ids 1, 2, ...; values may be missing, bags empty."""
    rng = np.random.default_rng(seed)
    m, n = len(counts), sum(counts)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    def bags(rows: int, weighted: bool = False) -> Keys:
        lengths = rng.integers(0, 6, rows)
        keys = rng.integers(1, 100, lengths.sum()).astype(np.uint64)
        return Bags.from_lengths(lengths, keys, rng.random(len(keys), np.float32) if weighted else None)

    def dense(rows: int, columns: int) -> np.ndarray:
        values = rng.lognormal(2, 2, (rows, columns)).astype(np.float32)
        values[rng.random(values.shape) < 0.2] = MISSING
        return values

    features = FeatureColumns(
        viewer_row=np.repeat(np.arange(m, dtype=np.int32), counts),
        viewer_dense=dense(m, len(VIEWER_DENSE)),
        viewer_keys={field: bags(m, field in VIEWER_SIDE.weighted) for field in VIEWER_SIDE.fields},
        candidate_dense=dense(n, len(CANDIDATE_DENSE)),
        candidate_keys={field: bags(n) for field in TWEET_FIELDS},
        viewer_vectors={name: rng.normal(size=(m, width)).astype(np.float32) for name, width in VIEWER_SIDE.vectors},
    )
    return FeaturesRead(
        features=features,
        words=make_words(n, rng),
        offsets=offsets,
        tweet_ids=np.arange(1, n + 1, dtype=np.uint64),
        author_ids=rng.integers(1, 9, n).astype(np.uint64),
        created_ms=BEGIN_MS + rng.integers(0, 9, n),
        missing=[np.empty(0, np.uint64)] * m,
    )


def make_words(tweets: int, rng: np.random.Generator) -> TweetWords:
    """Random words of `tweets` tweets, some with fewer n-grams. Every candidate is one of these tweets."""
    bags = rng.integers(0, 6, tweets)
    subwords = rng.integers(1, 1 << 32, (bags.sum(), WORD_SUBWORDS)).astype(np.uint32)
    subwords[np.arange(WORD_SUBWORDS) >= rng.integers(0, WORD_SUBWORDS + 1, len(subwords))[:, None]] = 0
    return TweetWords(
        offsets=np.concatenate([[0], np.cumsum(bags)]),
        keys=rng.integers(1, 100, len(subwords)).astype(np.uint64),
        subwords=subwords,
        room=rng.integers(0, SUBWORDS + 1, tweets),
        row=rng.integers(0, max(tweets, 1), tweets),
    )


def make_request(number: int, **fields) -> TimelineRequest:
    """A request by viewer `number`."""
    return TimelineRequest(request_id=f"r{number}", viewer_id=number, at_ms=BEGIN_MS + 60_000, **fields)


def make_tweet(number: int) -> Tweet:
    """Tweet `number`, created a second after tweet `number` - 1."""
    return Tweet(
        id=number,
        created_ms=BEGIN_MS + number * 1_000,
        author_id=number % 7,
        author=f"author{number % 7}",
        text=f"word{number % 5} #tag{number % 3}",
        provenance=Provenance.SIMULATED_WORLD,
    )
