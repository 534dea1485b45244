"""A small world with known probabilities, as logs that a trainer reads: examples, vocabulary deltas, bins.

    logit(viewer, tweet, place) = -1 + 2 * taste[viewer] . topic[author] + quality[author] + followers - 0.05 * place

Viewers' tastes and authors' topics are unit vectors. A model can learn them only from the interaction of both keys.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from contracts.bags import Bags, Keys
from contracts.columnar import VocabDelta
from contracts.columns import MISSING, FeatureColumns
from contracts.examples import Examples
from contracts.records import ACTIONS, Action, BinsVersion
from contracts.settings import Settings, TimeSettings, TrainerSettings, VocabSettings
from featurestore.features import CANDIDATE_DENSE, CANDIDATE_SIDE, FEATURE_SET, VIEWER_DENSE
from model.snapshot import Manifest, Snapshot
from tests.support.plain_examples import examples_of
from trainer.learner import Learner
from trainer.versions import Versions
from vocab.keys import SHARDS, keys_of_ids, shard_of
from vocab.namespaces import Namespace
from vocab.rules import configured
from vocab.slot_layout import SlotLayout

START_MS = 1_700_000_000_000
WINDOWS = range(START_MS // 60_000 - 4, START_MS // 60_000 - 1)  # of the logs; windows of a minute
PLACES = 10
FOLLOWERS = [feature.name for feature in CANDIDATE_DENSE].index("tweet.author_followers")


def small_settings(data_dir: str, **trainer: object) -> Settings:
    """Settings of a model so small that a test builds it in milliseconds."""
    return Settings(
        data_dir=data_dir,
        time=TimeSettings(window_ms=60_000),
        vocab=VocabSettings.uniform(capacity=4_096, rare_slots=64),
        trainer=TrainerSettings(**{"embedding_dim": 8, "batch_size": 64, **trainer}),  # type: ignore[arg-type]
    )


@dataclass
class World:
    """The world. Seeded; every call of `examples` continues the random sequence."""

    seed: int = 0
    viewers: int = 60
    authors: int = 80
    words: int = 500
    topics: int = 4
    words_per_tweet: int = 8
    random: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.random = random = np.random.default_rng(self.seed)
        self.taste = _unit(random.normal(size=(self.viewers, self.topics)))
        self.topic = _unit(random.normal(size=(self.authors, self.topics)))
        self.quality = random.normal(scale=0.5, size=self.authors)
        self.followers = random.lognormal(6, 2, self.authors).astype(np.float32)
        self.viewer_keys = keys_of_ids(Namespace.VIEWER, np.arange(self.viewers, dtype=np.uint64))
        self.author_keys = keys_of_ids(Namespace.AUTHOR, np.arange(self.authors, dtype=np.uint64))
        self.word_keys = keys_of_ids(Namespace.WORD, np.arange(self.words, dtype=np.uint64))
        self.ngram_keys = self.word_keys >> np.uint64(32) << np.uint64(32)
        self.favourites = np.argsort(-self.taste @ self.topic.T, axis=1)[:, :3]

    def examples(self, requests: int, at_ms: int = START_MS) -> tuple[Examples, NDArray[np.float64]]:
        """Examples of `requests` requests of `PLACES` candidates, a millisecond apart, and the true probabilities."""
        random, n = self.random, requests * PLACES
        viewer = random.integers(0, self.viewers, requests)
        row = np.repeat(np.arange(requests, dtype=np.int32), PLACES)
        author = random.integers(0, self.authors, n)
        place = np.tile(np.arange(PLACES, dtype=np.uint16), requests)
        logit = (
            -1
            + 2 * (self.taste[viewer[row]] * self.topic[author]).sum(axis=1)
            + self.quality[author]
            + 0.3 * (np.log(self.followers[author]) - 6)
            - 0.05 * place
        )
        truth = 1 / (1 + np.exp(-logit))
        engaged = random.random(n) < truth
        liked = np.uint16(1 << ACTIONS.index(Action.LIKE))
        seen = np.uint16(1 << ACTIONS.index(Action.SEEN))
        words = random.zipf(1.3, (n, self.words_per_tweet)) % self.words
        features = FeatureColumns(
            viewer_row=row,
            viewer_dense=random.random((requests, len(VIEWER_DENSE)), np.float32),
            viewer_keys={
                "viewer": _bags(self.viewer_keys[viewer][:, None]),
                "history": _bags(self.author_keys[self.favourites[viewer]], [1, 1 / 2, 1 / 3]),
            },
            viewer_vectors={"clock": _clock(requests)},
            candidate_vectors=CANDIDATE_SIDE.zero_vectors(n),
            candidate_dense=self._dense(author),
            candidate_keys={
                "text": _bags(self.word_keys[words]),
                "tags": _bags(np.empty((n, 0), np.uint64)),
                "author": _bags(self.author_keys[author][:, None]),
                "subwords": _bags(self.ngram_keys[words[:, :2]]),
            },
        )
        examples = examples_of(
            features,
            at_ms + row.astype(np.int64),
            np.where(engaged, liked | seen, seen).astype(np.uint16),
            request_ids=[f"{at_ms}-{i}" for i in row],
            viewer_ids=viewer[row].astype(np.uint64),
            tweet_ids=random.integers(1, 1 << 60, n).astype(np.uint64),
            positions=place,
        )
        return examples, truth

    def vocabulary_log(self, settings: Settings, windows: range) -> list[VocabDelta]:
        """One delta per shard and window. Every key is admitted in one of the windows."""
        keys = np.concatenate([self.viewer_keys, self.author_keys, self.word_keys])
        order = np.random.default_rng(self.seed + 1).permutation(len(keys))
        layout = SlotLayout.of(settings.vocab)
        deltas = []
        for shard in range(SHARDS):
            mine = keys[order][shard_of(keys[order], SHARDS) == shard]
            slots = layout.slots_of(Namespace.WORD, shard)[: len(mine)]
            for number, window in enumerate(windows):
                share = slice(number, None, len(windows))
                admitted = np.sort(mine[share])
                held = slots[share][np.argsort(mine[share])]
                deltas.append(
                    VocabDelta(
                        vocabulary=settings.vocab.name,
                        shard=shard,
                        base_version=windows[number - 1] if number else 0,
                        version=window,
                        sequence=number + 1,
                        admitted_keys=admitted,
                        admitted_slots=held,
                        admitted_generations=np.ones(len(admitted), np.uint32),
                        admitted_namespaces=np.zeros(len(admitted), np.uint8),
                        admitted_tokens=[""] * len(admitted),
                        evicted_keys=np.empty(0, np.uint64),
                        evicted_slots=np.empty(0, np.int32),
                        settings=None if number else configured(settings.vocab),
                    )
                )
        return sorted(deltas, key=lambda delta: (delta.version, delta.shard))

    def bins_log(self, windows: range) -> list[BinsVersion]:
        """Edges of the feature `tweet.author_followers` in the first window, and finer ones in the third."""
        log = []
        for number, window in enumerate(windows):
            edges = {}
            if number in (0, 2):
                shares = np.linspace(0, 1, 5 if number == 0 else 9)[1:-1]
                edges["tweet.author_followers"] = np.quantile(self.followers, shares).astype(np.float32).tolist()
            base = windows[number - 1] if number else 0
            log.append(BinsVersion(base_version=base, version=window, sequence=number + 1, edges=edges, cells={}))
        return log

    def _dense(self, author: NDArray[np.integer]) -> NDArray[np.float32]:
        dense = np.full((len(author), len(CANDIDATE_DENSE)), MISSING)
        dense[:, FOLLOWERS] = self.followers[author]
        return dense


def versions_of(world: World, settings: Settings, learner: Learner) -> Versions:
    """Replicas that have read the world's logs: three windows before `START_MS`; the last two are reachable."""
    versions = Versions(settings, learner.vocabulary, {})
    for offset, delta in enumerate(world.vocabulary_log(settings, WINDOWS)):
        versions.feed_vocabulary(0, offset, delta)
    for version in world.bins_log(WINDOWS):
        versions.feed_bins(version)
    return versions


def trained(world: World, settings: Settings, requests: int) -> Learner:
    """A learner with the vocabulary of `START_MS` that has learned `requests` requests."""
    learner, version = Learner(settings), WINDOWS[-1]
    versions = versions_of(world, settings, learner)
    assert versions.reach(version)
    learner.move_to(*versions.at(version))
    learner.learn([world.examples(requests)[0]])
    return learner


def snapshot_of(learner: Learner, version: int = 1) -> Snapshot:
    """The snapshot that the trainer would publish."""
    manifest = Manifest(
        name="timeline",
        version=version,
        epoch=1,
        feature_set=FEATURE_SET,
        config=learner.config,
        vocab_version=learner.vocabulary.version,
        bins_version=learner.bins.version,
        examples_seen=learner.examples_seen,
        offsets={0: 7, 3: 9},
        evaluation=learner.progress.close(),
    )
    return Snapshot(manifest, learner.weights(), learner.vocabulary, learner.bins, learner.progress.calibrator)


def entropy(truth: NDArray[np.float64]) -> float:
    """The log-loss of predicting the true probabilities."""
    return float(-(truth * np.log(truth) + (1 - truth) * np.log1p(-truth)).mean())


def _bags(keys: NDArray[np.uint64], values: Sequence[float] | None = None) -> Keys:
    """A bag a row of `keys` [n, k]; values: [k], those of every bag."""
    lengths = np.full(len(keys), keys.shape[1])
    counts = None if values is None else np.tile(np.array(values, np.float32), len(keys))
    return Bags.from_lengths(lengths, np.ascontiguousarray(keys).reshape(-1), counts)


def _clock(requests: int) -> NDArray[np.float32]:
    """Clock vectors: a day passes in ten requests."""
    turns = np.arange(requests)[:, None] * (2 * np.pi / np.array([10, 70]))
    return np.stack([np.sin(turns), np.cos(turns)], axis=2).reshape(-1, 4).astype(np.float32)


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
