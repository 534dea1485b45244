"""`FeatureColumns` to a `CandidatesServed` record and back, bit for bit."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from contracts.columns import FeatureColumns, Ragged
from contracts.errors import BadRecord
from contracts.frames import CandidatesServed


def pack_keys(bags: Mapping[str, Ragged], splits: Sequence[str]) -> tuple[NDArray[np.uint8], NDArray[np.uint64]]:
    """(lengths uint8[rows * splits], keys uint64[...]), a row's splits one after another.

    Raises `ValueError` for a bag of more than 255 keys.
    """
    lengths = np.stack([bags[split].lengths for split in splits], axis=1)
    if lengths.size and lengths.max() > 255:
        raise ValueError(f"a bag of {lengths.max()} keys is past the 255 that a served row may carry")
    starts = np.zeros(lengths.size + 1, np.int64)
    np.cumsum(lengths.reshape(-1), out=starts[1:])
    keys = np.empty(starts[-1], np.uint64)
    for column, split in enumerate(splits):
        bag = bags[split]
        begin = starts[:-1].reshape(lengths.shape)[:, column]
        keys[np.arange(len(bag.keys)) + np.repeat(begin - bag.offsets[:-1], bag.lengths)] = bag.keys
    return lengths.astype(np.uint8).reshape(-1), keys


def unpack_keys(lengths: NDArray[np.uint8], keys: NDArray[np.uint64], splits: Sequence[str]) -> dict[str, Ragged]:
    """The inverse of `pack_keys`. Raises `ValueError` for lengths that do not fit the keys or the splits."""
    packed = Ragged.from_lengths(lengths, keys)
    rows, odd = divmod(len(packed), len(splits))
    if odd:
        raise ValueError(f"{len(packed)} bags are not rows of {len(splits)} splits")
    return {
        split: packed.take(np.arange(rows, dtype=np.int64) * len(splits) + column)
        for column, split in enumerate(splits)
    }


def served_features(
    record: CandidatesServed, viewer_splits: Sequence[str], candidate_splits: Sequence[str]
) -> FeatureColumns:
    """The features of one served request, exactly as the scorer saw them.

    Raises `BadRecord` (`malformed`) for columns that do not fit each other.
    """
    n = len(record.tweet_ids)
    try:
        features = FeatureColumns(
            viewer_row=np.zeros(n, np.int32),
            viewer_dense=record.viewer_dense.reshape(1, -1),
            viewer_keys=unpack_keys(record.viewer_lengths, record.viewer_keys, viewer_splits),
            candidate_dense=record.candidate_dense.reshape(n, -1 if n else 0),
            candidate_keys=unpack_keys(record.candidate_lengths, record.candidate_keys, candidate_splits),
        )
    except ValueError as error:
        raise BadRecord("malformed", f"CandidatesServed {record.request_id}: {error}") from error
    rows = {
        len(record.author_ids),
        len(record.probabilities),
        *(len(bags) for bags in features.candidate_keys.values()),
    }
    if rows != {n} or any(len(bags) != 1 for bags in features.viewer_keys.values()):
        raise BadRecord("malformed", f"CandidatesServed {record.request_id}: columns of unequal length")
    return features
