"""What the vocabulary costs of one core (CPU time, one thread): `python -m benchmarks.vocab FILE [--tweets N]`.

FILE is anything that `contracts.sources` reads; none of its text is shown. Stages are timed apart, over all batches:
tokenize (cold, from an empty table of surfaces, and warm, once more), tokenize and count (one source, a window every
`WINDOW` batches), decide (observe and close, all 64 shards in one owner), apply (a replica), look up (all keys of all
tweets at the newest version), view (everything that is written to Redis after one close).
"""

import argparse
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import process_time

import numpy as np

from contracts.frames import VocabDelta
from contracts.records import Tweet
from contracts.settings import VocabSettings
from contracts.sources import open_source
from vocab.counting import SourceCounter
from vocab.keys import SHARDS
from vocab.owner import VocabularyOwner
from vocab.tokenizer import Tokenizer
from vocab.view import view_updates
from vocab.vocabulary import Vocabulary

BATCH = 5_000  # tweets a call, as the hop reads them
WINDOW = 4  # batches a window
PARTITIONS = 4


@contextmanager
def stage(name: str, amount: int, unit: str) -> Iterator[None]:
    """Prints the rate at which the block gets through `amount`."""
    begin = process_time()
    yield
    seconds = process_time() - begin
    print(f"{name:<16} {amount / seconds:>14,.0f} {unit}/s {seconds / amount * 1e6:>10.2f} us each")


def main() -> None:
    """Runs every stage on the first tweets of a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--tweets", type=int, default=200_000)
    arguments = parser.parse_args()
    found = (row for row in open_source(arguments.file) if isinstance(row, Tweet))
    tweets = list(itertools.islice(found, arguments.tweets))
    batches = [tweets[i : i + BATCH] for i in range(0, len(tweets), BATCH)]
    ascii_share = sum(tweet.text.isascii() for tweet in tweets) / len(tweets)
    print(f"{len(tweets):,} tweets, {ascii_share:.0%} of them ASCII, in batches of {BATCH:,}")

    tokenizer, counter = Tokenizer(), SourceCounter("tweets", 0, PARTITIONS)
    frames = []
    with stage("tokenize, cold", len(tweets), "tweets"):
        tokens = [tokenizer.tokenize(batch) for batch in batches]
    with stage("tokenize, warm", len(tweets), "tweets"):
        for batch in batches:
            tokenizer.tokenize(batch)
    with stage("and count", len(tweets), "tweets"):
        for i, batch in enumerate(batches):
            window = 1 + i // WINDOW
            windows = np.full(len(batch), window)
            frames += counter.count(tokenizer.tokenize(batch), windows, tokenizer, window - 1)
            frames += counter.markers(window if (i + 1) % WINDOW == 0 else window - 1)
    keys = np.concatenate([batch.keys for batch in tokens])
    print(f"{len(keys) / len(tweets):.1f} keys a tweet, {len(np.unique(keys)):,} distinct")

    settings = VocabSettings()
    owner = VocabularyOwner(settings, range(SHARDS), frozenset({("tweets", 0)}))
    deltas: list[VocabDelta] = []
    with stage("decide", len(keys), "tokens"):
        for _, frame in frames:
            owner.observe(frame)
            deltas += owner.close_windows()
    vocabulary = Vocabulary(settings)
    with stage("apply", len(deltas), "deltas"):
        for delta in deltas:
            vocabulary.apply(delta)
    view = vocabulary.at(vocabulary.complete_through)
    with stage("look up", len(keys), "keys"):
        view.lookup(keys)
    with stage("view", 1, "writes"):
        updates = view_updates(owner)
    print(
        f"{len(view):,} keys admitted at version {view.version}, {len(owner.tracked):,} counted; "
        f"state {len(owner.to_bytes()) / 2**20:.1f} MiB, view {sum(map(len, updates.values)) / 2**20:.1f} MiB"
    )


if __name__ == "__main__":
    main()
