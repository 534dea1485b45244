"""Precompiles all numba functions and caches the result on disk, so that no process waits for the compiler.

Run it as `python -m driftline.operations.precompile`. numba compiles a function for the argument types of its first
call. So this runs the production path once, in memory: it tokenizes and counts made-up tweets, lets the owners
decide, trains a model and loads it as the scorer does. Records go through their codecs, because decoded arrays are
read-only, which numba treats as another type.
"""

import tempfile
from time import perf_counter

import numpy as np

from contracts.arrays import U64
from contracts.bags import Bags, Keys
from contracts.codec import Codec, serialize
from contracts.columnar import BinCounts, VocabCounts, VocabDelta
from contracts.columns import FeatureColumns
from contracts.examples import PROVENANCES, Examples, deserialize_examples, serialize_examples
from contracts.records import ACTIONS, Action, BinsVersion, Provenance, Tweet
from contracts.settings import BinSettings, Settings, TrainerSettings, VocabSettings
from featurestore.bins.counter import BinCounter
from featurestore.bins.owner import BinOwner
from featurestore.features import CANDIDATE_DENSE, CANDIDATE_SIDE, FEATURE_SET, VIEWER_DENSE, VIEWER_SIDE
from featurestore.store.tweet_records import tweet_dense, tweet_records
from scoring.hot_swap import load_warm
from trainer.trainer import Consumed, Trainer
from vocab.owner.owner import VocabularyOwner
from vocab.source_counter import SourceCounter
from vocab.tokens.subwords import subwords
from vocab.tokens.tokenizer import Tokenizer

FIRST_WINDOW = 30_000_000
WINDOWS = 4
TWEETS = 200  # per window
AUTHORS = 40
EXAMPLES = 64
SOURCE = ("tweets", 0)


def main() -> None:
    """Precompile everything, and print how long it took."""
    began = perf_counter()
    with tempfile.TemporaryDirectory(prefix="driftline-precompile-") as folder:
        precompile(_small_settings(folder))
    print(f"setup: what numba compiles is compiled ({perf_counter() - began:.0f} s)")


def precompile(settings: Settings) -> None:
    """Run the path from tweets to probabilities once, on very little data."""
    deltas, bins, keys = _decide(settings)
    trainer = Trainer(settings)
    for offset, delta in enumerate(deltas):
        trainer.versions.feed_vocabulary(0, offset, delta)
    for version in bins:
        trainer.versions.feed_bins(version)
    at_ms = (FIRST_WINDOW + WINDOWS) * settings.time.window_ms
    trainer.observe(Consumed(0, 0, deserialize_examples(serialize_examples(_examples(keys, at_ms)))))
    if not trainer.learn():
        raise AssertionError("the made-up deltas and bins do not reach the version that the made-up examples need")
    load_warm(trainer.publish(at_ms)).close()


def _decide(settings: Settings) -> tuple[list[VocabDelta], list[BinsVersion], U64]:
    """The deltas and bins that the owners publish for made-up tweets, and the keys of the last window's tweets."""
    tokenizer, words, values = Tokenizer(), SourceCounter(*SOURCE, 1, settings.vocab.shards), BinCounter(*SOURCE)
    shards = range(settings.vocab.shards)
    vocabulary = VocabularyOwner.begin(settings.vocab, shards, frozenset({SOURCE}), settings.time.window_ms)
    edges = BinOwner(settings.bins, {"tweets": frozenset({SOURCE})})
    for number in range(WINDOWS):
        window = FIRST_WINDOW + number
        # First more new words than there are slots, so that many keys are evicted; then one word, so that few are.
        tweets = _tweets(number, TWEETS if number == WINDOWS - 1 else 2, window * settings.time.window_ms)
        windows = np.full(len(tweets), window, np.int64)
        tokens = tokenizer.tokenize(tweets)
        counted = [frame for _, frame in words.count(tokens, windows, window)]
        for frame in [*counted, *(marker for _, marker in words.markers(window))]:
            vocabulary.observe(Codec(VocabCounts).deserialize(serialize(frame)))
        dense = tweet_dense(tweet_records(tweets, tokens))
        for sketch in [*values.count_tweets(dense, windows, window - 1), values.marker(window)]:
            edges.observe(Codec(BinCounts).deserialize(serialize(sketch)))
    subwords(["precompile"])
    deltas = [Codec(VocabDelta).deserialize(serialize(delta)) for delta in vocabulary.close_windows()]
    return deltas, edges.close_windows(), tokens.keys


def _tweets(window: int, alike: int, at_ms: int) -> list[Tweet]:
    """The tweets of a window. Each new word occurs in `alike` of them."""
    return [
        Tweet(
            id=window * TWEETS + number,
            created_ms=at_ms + number,
            author_id=number % AUTHORS,
            author=f"author{number % AUTHORS}",
            text=f"Soooo word{window}x{number // alike} #tag{number % 5} @author1 $CASH https://example.com/ 👍 é",
            provenance=Provenance.SIMULATED_WORLD,
            author_followers=1 + number**2 + window * 1_000,
        )
        for number in range(TWEETS)
    ]


def _examples(keys: U64, at_ms: int) -> Examples:
    """One candidate per request, with one of `keys` in every field; every second candidate was liked."""
    labels = [1 << ACTIONS.index(Action.SEEN), 1 << ACTIONS.index(Action.SEEN) | 1 << ACTIONS.index(Action.LIKE)]
    places = np.arange(EXAMPLES)
    return Examples(
        feature_set=FEATURE_SET,
        features=FeatureColumns(
            viewer_row=places.astype(np.int32),
            viewer_dense=np.ones((EXAMPLES, len(VIEWER_DENSE)), np.float32),
            viewer_keys={field: _bags(keys, field in VIEWER_SIDE.weighted) for field in VIEWER_SIDE.fields},
            candidate_dense=np.ones((EXAMPLES, len(CANDIDATE_DENSE)), np.float32),
            candidate_keys={field: _bags(keys, field in CANDIDATE_SIDE.weighted) for field in CANDIDATE_SIDE.fields},
            viewer_vectors=VIEWER_SIDE.zero_vectors(EXAMPLES),
            candidate_vectors=CANDIDATE_SIDE.zero_vectors(EXAMPLES),
        ),
        request_ids=[str(number) for number in places],
        viewer_ids=places.astype(np.uint64),
        tweet_ids=places.astype(np.uint64),
        at_ms=np.full(EXAMPLES, at_ms, np.int64),
        positions=np.zeros(EXAMPLES, np.uint16),
        labels=np.resize(np.array(labels, np.uint16), EXAMPLES),
        weights=np.ones(EXAMPLES, np.float32),
        probabilities=np.full(EXAMPLES, np.nan, np.float32),
        model_versions=np.zeros(EXAMPLES, np.int64),
        vocab_versions=np.zeros(EXAMPLES, np.int64),
        bins_versions=np.zeros(EXAMPLES, np.int64),
        engaged_append_ms=np.zeros(EXAMPLES, np.int64),
        provenances=np.full(EXAMPLES, PROVENANCES.index(Provenance.SIMULATED_WORLD), np.uint8),
    )


def _bags(keys: U64, weighted: bool) -> Keys:
    return Bags(np.arange(EXAMPLES + 1), keys[:EXAMPLES], np.ones(EXAMPLES, np.float32) if weighted else None)


def _small_settings(folder: str) -> Settings:
    """Settings with which the vocabulary fills at once and bins appear at once."""
    return Settings(
        data_dir=folder,
        vocab=VocabSettings.uniform(shards=4, candidates_per_slot=1.0, capacity=64, rare_slots=8, admit_at=2.0),
        bins=BinSettings(minimum_values=TWEETS, rolling_windows=2),
        trainer=TrainerSettings(batch_size=EXAMPLES),
    )


if __name__ == "__main__":
    main()
