"""Examples encoded per second on one core (CPU time, one thread): `python -m benchmarks.encode [--rounds 7]`.

First with 500 features: 400 continuous ones with 16 bins each, and 100 keys in five fields (`subwords` is empty);
every candidate has its own viewer. Half of the keys are among the 100,000 that the vocabulary has admitted, all
equally likely, which helps caches least. Compared with scikit-learn's `KBinsDiscretizer` (fitted, ordinal, with the
same edges, so its bins must equal ours) and `FeatureHasher`, which starts from strings, where `encode` starts from
hashed keys. Then with the declared feature set. The variants take turns, with different examples in every batch; a
figure is the median over the rounds.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from time import process_time

import numpy as np
from sklearn.feature_extraction import FeatureHasher
from sklearn.preprocessing import KBinsDiscretizer

from contracts.arrays import F32, U64
from contracts.bags import Bags, Keys
from contracts.columns import FeatureColumns
from contracts.settings import VocabSettings
from featurestore.bins.edge_table import BIN_STRIDE, ORDINARY, EdgeTable
from featurestore.bins.replica import FrozenBins
from featurestore.encoding.encode import encode
from featurestore.features import (
    CANDIDATE_DENSE,
    CANDIDATE_FIELDS,
    CONTINUOUS,
    TWEET_FIELDS,
    VIEWER_DENSE,
    VIEWER_FIELDS,
    VIEWER_SIDE,
)
from vocab.namespaces import Namespace
from vocab.replica.frozen_vocabulary import FrozenVocabulary
from vocab.slot_layout import SlotLayout

CONTINUOUS_FEATURES, BINS = 400, 16
FIELDS, KEYS_PER_FIELD = (*VIEWER_FIELDS, *TWEET_FIELDS), 20
ADMITTED = 100_000
EXAMPLES = 4_096
BATCHES = (1, 64, EXAMPLES)
ROUND_S = 0.1  # shortest length of a round
# Keys per bag, about as many as are served.
DECLARED_KEYS = {
    "viewer": 1,
    "history": 24,
    "text": 20,
    "tags": 2,
    "author": 1,
    "subwords": 4,
}
CANDIDATES_PER_VIEWER = 100

Work = Callable[[], object]


@dataclass(frozen=True)
class Tables:
    """The part of a `FrozenBins` that `encode` reads, for features that are not declared."""

    viewer: EdgeTable
    candidate: EdgeTable


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    random = np.random.default_rng(0)
    keys = random.integers(0, 1 << 64, 2 * ADMITTED, np.uint64)
    vocabulary = vocabulary_of(np.sort(keys[:ADMITTED]))
    bandwidth = copied_bytes_per_s()
    wide(random, vocabulary, keys, bandwidth, rounds)
    declared(random, vocabulary, keys, rounds)


def wide(random: np.random.Generator, vocabulary: FrozenVocabulary, keys: U64, bandwidth: float, rounds: int) -> None:
    """Measure 500 features, compared with scikit-learn."""
    values = random.lognormal(0, 2, (EXAMPLES, CONTINUOUS_FEATURES)).astype(np.float32)
    kbins = KBinsDiscretizer(BINS, encode="ordinal", strategy="quantile", quantile_method="linear", subsample=None)
    kbins.fit(values)
    for edges in kbins.bin_edges_:
        edges[:] = edges.astype(np.float32)
    tables = Tables(EdgeTable([]), EdgeTable([edges[1:-1].astype(np.float32) for edges in kbins.bin_edges_]))
    if not (tables.candidate.discretize(values) % BIN_STRIDE - ORDINARY == kbins.transform(values)).all():
        raise RuntimeError("encode and scikit-learn do not agree on the bins")
    bags = {field: random.choice(keys, (EXAMPLES, KEYS_PER_FIELD)) for field in FIELDS}
    hasher = FeatureHasher(vocabulary.num_slots, input_type="string", alternate_sign=False)
    tokens = np.concatenate(list(bags.values()), axis=1)
    strings = [[f"{key:x}" for key in row] for row in tokens.tolist()]

    print(f"{CONTINUOUS_FEATURES} continuous features of {BINS} bins and {len(FIELDS)} bags of {KEYS_PER_FIELD} keys")
    print(f"{'batch':>6}{'examples/s':>14}{'us each':>10} |{'KBins, us':>11}{'hasher, us':>12}{'times slower':>14}")
    for size in BATCHES:
        cuts = [slice(begin, begin + size) for begin in range(0, EXAMPLES, size)]
        parts = [wide_features(values[part], {field: bag[part] for field, bag in bags.items()}) for part in cuts]
        ours, binned, hashed = medians(
            [
                [lambda part=part: encode(part, vocabulary, tables) for part in parts],
                [lambda part=part: kbins.transform(values[part]) for part in cuts],
                [lambda part=part: hasher.transform(strings[part]) for part in cuts],
            ],
            rounds,
        )
        us = np.array([ours, binned, hashed]) / size * 1e6
        print(f"{size:6,}{1e6 / us[0]:14,.0f}{us[0]:10.2f} |{us[1]:11.1f}{us[2]:12.1f}{us[1:].sum() / us[0]:14.0f}")

    flat = np.ascontiguousarray(tokens).reshape(-1)
    found = medians([[lambda: tables.candidate.discretize(values)], [lambda: vocabulary.lookup(flat)]], rounds)
    bins_us, lookup_us = np.array(found) / EXAMPLES * 1e6
    print(f"of {EXAMPLES:,}: {bins_us:.2f} us discretize, {lookup_us:.2f} us look up")
    moved = CONTINUOUS_FEATURES * (4 + 4) + len(FIELDS) * KEYS_PER_FIELD * (8 + 4)
    print(
        f"limit: {moved:,} bytes read and written an example, at {bandwidth / 1e9:.1f} GB/s of a plain copy:"
        f" {moved / bandwidth * 1e6:.2f} us, {bandwidth / moved:,.0f} examples/s"
    )


def wide_features(values: F32, bags: Mapping[str, U64]) -> FeatureColumns:
    """The features of n candidates. values: float32[n, d], all of the candidate. bags: uint64[n, k] per field."""
    return FeatureColumns(
        viewer_row=np.arange(len(values), dtype=np.int32),
        viewer_dense=np.empty((len(values), 0), np.float32),
        viewer_keys={field: bags_of(bags[field]) for field in VIEWER_FIELDS},
        candidate_dense=values.copy(),
        candidate_keys={field: bags_of(bags[field]) for field in TWEET_FIELDS}
        | {"subwords": bags_of(np.empty((len(values), 0), np.uint64))},
        viewer_vectors=VIEWER_SIDE.zero_vectors(len(values)),
    )


def declared(random: np.random.Generator, vocabulary: FrozenVocabulary, keys: U64, rounds: int) -> None:
    """Measure the declared feature set, with the default number of bins."""
    edges = {
        number: np.sort(random.lognormal(0, 2, BINS - 1)).astype(np.float32) for number in range(len(CONTINUOUS))
    }
    bins = FrozenBins(1, edges)
    print(f"the declared features: {len(CONTINUOUS)} continuous, {sum(DECLARED_KEYS.values())} keys")
    for size in BATCHES:
        viewers = -(-size // CANDIDATES_PER_VIEWER)
        parts = [declared_features(random, keys, viewers, size) for _ in range(max(1, EXAMPLES // size))]
        [seconds] = medians([[lambda part=part: encode(part, vocabulary, bins) for part in parts]], rounds)
        print(f"{size:6,}{size / seconds:14,.0f}{seconds / size * 1e6:10.2f} |{seconds * 1e6:11.1f} us a call")


def declared_features(random: np.random.Generator, keys: U64, viewers: int, candidates: int) -> FeatureColumns:
    """Random features of some candidates, at most `CANDIDATES_PER_VIEWER` per viewer."""

    def bags(fields: Sequence[str], count: int) -> dict[str, Keys]:
        return {field: bag(field, random.choice(keys, (count, DECLARED_KEYS[field]))) for field in fields}

    def bag(field: str, of: U64) -> Keys:
        plain = bags_of(of)
        return replace(plain, weights=random.random(of.size, np.float32)) if field in VIEWER_SIDE.weighted else plain

    return FeatureColumns(
        viewer_row=np.arange(candidates, dtype=np.int32) // np.int32(CANDIDATES_PER_VIEWER),
        viewer_dense=random.lognormal(0, 2, (viewers, len(VIEWER_DENSE))).astype(np.float32),
        viewer_keys=bags(VIEWER_FIELDS, viewers),
        candidate_dense=random.lognormal(0, 2, (candidates, len(CANDIDATE_DENSE))).astype(np.float32),
        candidate_keys=bags(CANDIDATE_FIELDS, candidates),
        viewer_vectors=VIEWER_SIDE.zero_vectors(viewers),
    )


def bags_of(keys: U64) -> Keys:
    """uint64[n, k] as n bags of k keys, copied."""
    return Bags.of_matrix(keys.copy())


def vocabulary_of(keys: U64) -> FrozenVocabulary:
    """A vocabulary of default size that has admitted these ascending keys."""
    layout = SlotLayout.of(VocabSettings())
    slots = np.concatenate([layout.slots_of(kind, shard) for kind in Namespace for shard in range(layout.shards)])
    return FrozenVocabulary(
        version=1,
        sequence=1,
        layout=layout,
        keys=keys,
        slots=slots[: len(keys)],
        generations=np.ones(len(keys), np.uint32),
    )


def medians(variants: Sequence[Sequence[Work]], rounds: int) -> list[float]:
    """CPU seconds per call of each variant, as the median over the rounds. A round repeats the variant's calls."""
    seconds: list[list[float]] = [[] for _ in variants]
    for calls in variants:
        calls[0]()  # compiles
    for _ in range(rounds):
        for calls, found in zip(variants, seconds, strict=True):
            found.append(_round(calls))
    return [median(found) for found in seconds]


def _round(calls: Sequence[Work]) -> float:
    begin, done = process_time(), 0
    while process_time() - begin < ROUND_S:
        for call in calls[:256]:
            call()
        done += len(calls[:256])
    return (process_time() - begin) / done


def copied_bytes_per_s() -> float:
    """Bytes read and written per second by a copy larger than any cache; the median of nine."""
    source = np.ones(1 << 25, np.float32)
    target = np.empty_like(source)
    rates = []
    for _ in range(9):
        begin = process_time()
        np.copyto(target, source)
        rates.append(2 * source.nbytes / (process_time() - begin))
    return median(rates)


if __name__ == "__main__":
    main()
