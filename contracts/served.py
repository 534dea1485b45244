"""`FeatureColumns` to a `CandidatesServed` record and back, bit for bit."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.arrays import F32, U8, U64, Bools
from contracts.bags import Bags, Keys
from contracts.columnar import CandidatesServed
from contracts.columns import MOST_KEYS, FeatureColumns, Side


class PackedBags(NamedTuple):
    """The bags of all fields as a served record holds them: row by row, and field by field within a row.

    lengths: uint8[rows * fields]. keys: uint64[sum of lengths]. weights: float32, one for each key of a weighted
    field.
    """

    lengths: U8
    keys: U64
    weights: F32


def pack_bags(bags: Mapping[str, Keys], side: Side) -> PackedBags:
    """The bags of `side`, by field, packed for a record. Raises `ValueError` for a bag of over MOST_KEYS keys."""
    lengths = np.stack([bags[field].lengths for field in side.fields], axis=1)
    if lengths.size and lengths.max() > MOST_KEYS:
        raise ValueError(f"a bag of {lengths.max()} keys is past the {MOST_KEYS} that a served row may carry")
    starts = np.zeros(lengths.size + 1, np.int64)
    np.cumsum(lengths.reshape(-1), out=starts[1:])
    keys, weights = np.empty(starts[-1], np.uint64), np.empty(starts[-1], np.float32)
    for column, field in enumerate(side.fields):
        bag = bags[field]
        begin = starts[:-1].reshape(lengths.shape)[:, column]
        at = np.arange(len(bag.ids)) + np.repeat(begin - bag.offsets[:-1], bag.lengths)
        keys[at] = bag.ids
        if field in side.weighted:
            weights[at] = bag.weights_or_ones()
    packed = lengths.astype(np.uint8).reshape(-1)
    return PackedBags(packed, keys, weights[have_weights(packed, side)])


def unpack_bags(packed: PackedBags, side: Side) -> dict[str, Keys]:
    """The inverse of `pack_bags`. Raises `ValueError` if lengths, keys and weights do not fit each other."""
    rows, odd = divmod(len(packed.lengths), len(side.fields))
    if odd:
        raise ValueError(f"{len(packed.lengths)} bags are not rows of {len(side.fields)} fields")
    weighted = have_weights(packed.lengths, side)
    if (count := np.count_nonzero(weighted)) != len(packed.weights):
        raise ValueError(f"{count} keys have weights, but there are {len(packed.weights)} weights")
    plain = Bags.from_lengths(packed.lengths, packed.keys)
    weights = np.ones(len(packed.keys), np.float32)
    weights[weighted] = packed.weights
    with_weights = Bags(plain.offsets, plain.ids, weights)
    return {
        field: (with_weights if field in side.weighted else plain).take(
            np.arange(rows, dtype=np.int64) * len(side.fields) + column
        )
        for column, field in enumerate(side.fields)
    }


def have_weights(lengths: U8, side: Side) -> Bools:
    """bool[number of keys]: which keys of packed bags have a weight. lengths: uint8[rows * fields]."""
    of_field = np.array([field in side.weighted for field in side.fields])
    return np.repeat(np.resize(of_field, len(lengths)), lengths)


def count_weights(lengths: U8, side: Side) -> int:
    """The number of weights of packed bags. lengths: uint8[rows * fields]."""
    places = [place for place, field in enumerate(side.fields) if field in side.weighted]
    return sum(int(lengths[place :: len(side.fields)].sum(dtype=np.int64)) for place in places)


def pack_vectors(vectors: Mapping[str, F32], side: Side) -> F32:
    """float32[rows * width of all vectors]: row by row, the vectors of a row in declared order."""
    if not side.vectors:
        return np.empty(0, np.float32)
    return np.concatenate([vectors[name] for name, _ in side.vectors], axis=1).reshape(-1)


def unpack_vectors(packed: F32, rows: int, side: Side) -> dict[str, F32]:
    """The inverse of `pack_vectors`. Raises `ValueError` if the number of elements does not fit `rows` rows."""
    ends = np.cumsum([0, *(width for _, width in side.vectors)]).tolist()
    whole = packed.reshape(rows, ends[-1])
    return {name: whole[:, begin:end] for (name, _), (begin, end) in zip(side.vectors, pairwise(ends), strict=True)}


def features_of_requests(records: Sequence[CandidatesServed], viewer: Side, candidate: Side) -> FeatureColumns:
    """The features of served requests (at least one): record i gives viewer i and that viewer's candidates.

    The columns of each record must fit each other. Raises `ValueError` if the columns of all records together do not.
    """
    candidates = [len(record.tweet_ids) for record in records]
    m, n = len(records), sum(candidates)

    def all_of(column: str) -> NDArray[Any]:
        return np.concatenate([getattr(record, column) for record in records])

    def bags_of(side: str) -> PackedBags:
        return PackedBags(all_of(f"{side}_lengths"), all_of(f"{side}_keys"), all_of(f"{side}_weights"))

    return FeatureColumns(
        viewer_row=np.repeat(np.arange(m, dtype=np.int32), candidates),
        viewer_dense=all_of("viewer_dense").reshape(m, -1),
        viewer_keys=unpack_bags(bags_of("viewer"), viewer),
        candidate_dense=all_of("candidate_dense").reshape(n, -1 if n else 0),
        candidate_keys=unpack_bags(bags_of("candidate"), candidate),
        viewer_vectors=unpack_vectors(all_of("viewer_vectors"), m, viewer),
        candidate_vectors=unpack_vectors(all_of("candidate_vectors"), n, candidate),
    )
