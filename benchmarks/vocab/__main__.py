"""Speed of the vocabulary on one core (CPU time, one thread).

    python -m benchmarks.vocab [FILE] [--tweets N] [--live N ...] [--rounds N] [--torchrec-python PYTHON]

With a FILE (anything that `sources` can read; none of its text is shown), its first tweets go through every stage.
Each is timed separately over all batches: tokenize (cold, with an empty table of surfaces, then warm), tokenize and
count (one source, a window every `WINDOW` batches), decide (observe and close, all 64 shards in one owner), apply (a
replica), look up (all keys of all tweets at the newest version), view (make what is written to Redis after each
close). The commands that this costs Redis are counted by a server that is started here.

Then, for each number of live keys: tokens/s counted and decided, keys/s looked up and bytes per key, compared with
other implementations (`implementations.py`). `--live 0` skips this. PYTHON runs TorchRec, if this Python cannot.
"""

import argparse
import itertools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from time import process_time

import numpy as np

from benchmarks.vocab import redis_commands, sizes
from contracts.columnar import VocabCounts, VocabDelta
from contracts.records import Tweet
from contracts.settings import VocabSettings
from sources import open_source
from vocab.keys import SHARDS
from vocab.owner.owner import VocabularyOwner
from vocab.replica.vocabulary import Vocabulary
from vocab.source_counter import SourceCounter
from vocab.tokens.tokenizer import TokenBatch, Tokenizer
from vocab.view.updates import ViewUpdates, view_updates

BATCH = 5_000  # tweets per call, as in the hop
WINDOW = 4  # batches per window
PARTITIONS = 4
SIZES = [10_000, 100_000, 1_000_000, 10_000_000]


@contextmanager
def stage(name: str, amount: int, unit: str) -> Iterator[None]:
    """Time the block, and print how many of `amount` it handles per second."""
    begin = process_time()
    yield
    show(name, amount, unit, process_time() - begin)


def show(name: str, amount: int, unit: str, seconds: float) -> None:
    """Print a rate."""
    print(f"{name:<16} {amount / seconds:>14,.0f} {unit}/s {seconds / amount * 1e6:>10.2f} us each")


def main() -> None:
    """Measure every stage on the first tweets of a file, then every number of live keys."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.vocab", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--tweets", type=int, default=200_000)
    parser.add_argument("--live", type=int, nargs="+", default=SIZES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--torchrec-python", default=sys.executable)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # one core, for the children too
    if arguments.file:
        run_stages(arguments.file, arguments.tweets)
    lives = [live for live in arguments.live if live]
    if lives:
        sizes.compare(lives, arguments.rounds, arguments.seed, arguments.torchrec_python)


def run_stages(file: Path, wanted: int) -> None:
    """Measure every stage on the first tweets of a file."""
    tweets = list(itertools.islice((row for row in open_source(file) if isinstance(row, Tweet)), wanted))
    batches = [tweets[i : i + BATCH] for i in range(0, len(tweets), BATCH)]
    ascii_share = sum(tweet.text.isascii() for tweet in tweets) / len(tweets)
    with redirect_stdout(StringIO()):
        measure(batches[: 2 * WINDOW])  # compiles
    print(f"{len(tweets):,} tweets, {ascii_share:.0%} of them ASCII, in batches of {BATCH:,}")
    writes = measure(batches)
    redis_commands.measure(writes, len(tweets))


def measure(batches: list[list[Tweet]]) -> list[ViewUpdates]:
    """Measure every stage on these batches. Returns the view updates after each close."""
    keys, frames = tokenize(batches, sum(map(len, batches)))
    owner, deltas, writes = decide(frames, len(keys))
    vocabulary = Vocabulary(owner.state.settings)
    with stage("apply", len(deltas), "deltas"):
        for delta in deltas:
            vocabulary.apply(delta)
    view = vocabulary.at(vocabulary.complete_through)
    with stage("look up", len(keys), "keys"):
        view.lookup(keys)
    tracked, spellings = owner.state.tracked, owner.state.spellings
    print(
        f"{len(view):,} keys admitted at version {view.version}, {len(tracked):,} counted in "
        f"{tracked.nbytes / len(tracked):.1f} bytes each, {len(spellings):,} of them spelled in "
        f"{spellings.nbytes / len(spellings):.1f}; state {len(owner.to_bytes()) / 2**20:.1f} MiB"
    )
    return writes


def tokenize(batches: list[list[Tweet]], tweets: int) -> tuple[np.ndarray, list[VocabCounts]]:
    """Measure the tokenizer and the source counter. Returns (all keys, the frames that a source sends)."""
    tokenizer, counter = Tokenizer(), SourceCounter("tweets", 0, PARTITIONS, SHARDS)
    frames: list[VocabCounts] = []
    with stage("tokenize, cold", tweets, "tweets"):
        keys = np.concatenate([tokenizer.tokenize(batch).keys for batch in batches])
    with stage("tokenize, warm", tweets, "tweets"):
        for batch in batches:
            tokenizer.tokenize(batch)
    with stage("and count", tweets, "tweets"):
        for i, batch in enumerate(batches):
            frames += count(counter, tokenizer.tokenize(batch), i)
    print(f"{len(keys) / tweets:.1f} keys a tweet, {len(np.unique(keys)):,} distinct")
    return keys, frames


def count(counter: SourceCounter, tokens: TokenBatch, i: int) -> list[VocabCounts]:
    """The frames of batch i and the markers after it."""
    window = 1 + i // WINDOW
    frames = counter.count(tokens, np.full(len(tokens), window), window - 1)
    frames += counter.markers(window if (i + 1) % WINDOW == 0 else window - 1)
    return [frame for _, frame in frames]


def decide(frames: list[VocabCounts], tokens: int) -> tuple[VocabularyOwner, list[VocabDelta], list[ViewUpdates]]:
    """Measure the owner. Returns (the owner after all frames, its deltas, its view updates after each close)."""
    owner = VocabularyOwner.begin(VocabSettings(), range(SHARDS), frozenset({("tweets", 0)}))
    deltas: list[VocabDelta] = []
    writes: list[ViewUpdates] = []
    deciding = viewing = 0.0
    for frame in frames:
        begin = process_time()
        owner.observe(frame)
        decided = owner.close_windows()
        deciding += process_time() - begin
        deltas += decided
        if decided:
            begin = process_time()
            writes.append(view_updates(owner.state))
            viewing += process_time() - begin
    show("decide", tokens, "tokens", deciding)
    show("view", len(writes), "writes", viewing)
    return owner, deltas, writes


if __name__ == "__main__":
    main()
