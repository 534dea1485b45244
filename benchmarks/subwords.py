"""Cost of the n-grams of unknown words: `python -m benchmarks.subwords`. CPU time of one thread, medians of rounds.

When a tweet of 14 drawn words is written: microseconds and bytes per tweet. When it is ranked: microseconds per
candidate to choose its n-grams, and to score it with and without them.
"""

from collections.abc import Callable
from dataclasses import replace
from statistics import median
from time import process_time

import numpy as np

from contracts.bags import Bags, Keys
from contracts.columns import FeatureColumns
from contracts.records import Tweet
from contracts.settings import Settings
from featurestore.features import CANDIDATE_DENSE, VIEWER_DENSE, VIEWER_SIDE
from featurestore.store import redis_layout as layout
from featurestore.store.subwords import TweetWords, subwords_of
from featurestore.store.tweet_records import tweet_records, tweet_values
from model.serving import Predictor
from tests.support.scoring_samples import make_snapshot
from vocab.keys import key_of
from vocab.namespaces import Namespace
from vocab.replica.vocabulary import FrozenVocabulary
from vocab.tokens.tokenizer import Tokenizer

TWEETS, VIEWERS, ROUNDS = 5_000, 10, 25
# The commonest words are admitted; two or three words of a tweet are not.
WORDS, ADMITTED = 60_000, 20_000
LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyz"))


def main() -> None:
    """Measure and print."""
    random = np.random.default_rng(0)
    words = ["".join(random.choice(LETTERS, random.integers(2, 10))) for _ in range(WORDS)]
    tweets = [tweet(i, " ".join(words[j] for j in drawn)) for i, drawn in enumerate(draw(random).tolist(), 1)]
    batch = Tokenizer().tokenize(tweets)
    records = tweet_records(tweets, batch)
    values = tweet_values(records, tweets, subwords_of(records, batch))
    tail = records["words"].mean() * 4 * layout.WORD_SUBWORDS
    print(f"written: {microseconds(lambda: subwords_of(records, batch)):.2f} us a tweet for its n-grams,")
    print(f"  {tail:.0f} of the {np.mean([len(value) for value in values]):.0f} bytes of its value")

    snapshot = make_snapshot(Settings(), 1)
    vocabulary = admitting(snapshot.vocabulary, words[:ADMITTED])
    predictor = Predictor(replace(snapshot, vocabulary=vocabulary))
    kept = TweetWords.of(layout.unpack_tweets(values), values, np.arange(TWEETS))
    chosen = kept.unadmitted(vocabulary)
    none = Bags.empty(TWEETS, np.uint64)
    with_none, with_them = (features(random, records["keys"][:, :24], bags) for bags in (none, chosen))
    print(f"ranked: {microseconds(lambda: kept.unadmitted(vocabulary)):.2f} us a candidate to choose,")
    print(f"  {microseconds(lambda: predictor.score(with_none)):.2f} us to score with none,")
    print(
        f"  {microseconds(lambda: predictor.score(with_them)):.2f} us with {chosen.lengths.mean():.1f} n-grams each"
    )


def tweet(i: int, text: str) -> Tweet:
    return Tweet(id=i, created_ms=1_760_000_000_000, author_id=i, author="ann", text=text, lang="en")


def draw(random: np.random.Generator) -> np.ndarray:
    """int64[TWEETS, 14], word numbers; lower numbers are commoner."""
    drawn = random.zipf(1.2, (TWEETS, 14)) - 1
    return np.where(drawn < WORDS, drawn, random.integers(0, WORDS, drawn.shape))


def admitting(view: FrozenVocabulary, words: list[str]) -> FrozenVocabulary:
    keys = np.unique(np.array([key_of(Namespace.WORD, word) for word in words], np.uint64))
    slots = np.concatenate([view.layout.slots_of(Namespace.WORD, shard) for shard in range(view.layout.shards)])
    return FrozenVocabulary(
        version=1,
        sequence=1,
        layout=view.layout,
        keys=keys,
        slots=slots[: len(keys)],
        generations=np.ones(len(keys), np.uint32),
    )


def features(random: np.random.Generator, text: np.ndarray, subwords: Keys) -> FeatureColumns:
    """The features of TWEETS candidates for a few viewers. text: uint64[TWEETS, k], the keys of their words."""
    viewers, authors = (random.integers(1, 1 << 63, (rows, 1), np.uint64) for rows in (VIEWERS, TWEETS))
    author, history = Bags.of_matrix(authors), Bags.of_matrix(authors[: VIEWERS * 24].reshape(VIEWERS, 24))
    return FeatureColumns(
        viewer_row=np.arange(TWEETS, dtype=np.int32) % np.int32(VIEWERS),
        viewer_dense=random.lognormal(2, 2, (VIEWERS, len(VIEWER_DENSE))).astype(np.float32),
        viewer_keys={"viewer": Bags.of_matrix(viewers), "history": history},
        candidate_dense=random.lognormal(2, 2, (TWEETS, len(CANDIDATE_DENSE))).astype(np.float32),
        candidate_keys={"text": Bags.of_matrix(text), "tags": author, "author": author, "subwords": subwords},
        viewer_vectors=VIEWER_SIDE.zero_vectors(VIEWERS),
    )


def microseconds(work: Callable[[], object]) -> float:
    """CPU microseconds of `work`, divided by TWEETS; the median of ROUNDS."""
    work()
    times = []
    for _ in range(ROUNDS):
        began = process_time()
        work()
        times.append(process_time() - began)
    return median(times) / TWEETS * 1e6


if __name__ == "__main__":
    main()
