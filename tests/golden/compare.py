"""Equality of what holds numpy columns: dtype, shape and bits (so NaN equals itself, and 0.0 is not -0.0)."""

from typing import Any

import msgspec
import numpy as np

from contracts.bags import Keys
from contracts.codec import Record
from contracts.columns import FeatureColumns


def assert_same_bits(one: np.ndarray, other: np.ndarray) -> None:
    """Two columns are the same array."""
    assert one.dtype == other.dtype
    assert one.shape == other.shape
    assert np.ascontiguousarray(one).tobytes() == np.ascontiguousarray(other).tobytes()


def assert_same_record(one: Record, other: Record) -> None:
    """Two records are the same, column by column."""
    assert type(one) is type(other)
    for field, mine in msgspec.structs.asdict(one).items():
        theirs: Any = getattr(other, field)
        if isinstance(mine, np.ndarray):
            assert_same_bits(mine, theirs)
        else:
            assert mine == theirs, field


def assert_same_bags(one: Keys, other: Keys) -> None:
    """Two rows of bags are the same."""
    assert_same_bits(one.offsets, other.offsets)
    assert_same_bits(one.ids, other.ids)
    assert (one.weights is None) == (other.weights is None)
    assert_same_bits(one.weights_or_ones(), other.weights_or_ones())


def assert_same_features(one: FeatureColumns, other: FeatureColumns) -> None:
    """Two blocks of features are the same."""
    for field in ("viewer_row", "viewer_dense", "candidate_dense"):
        assert_same_bits(getattr(one, field), getattr(other, field))
    for field in ("viewer_keys", "candidate_keys"):
        mine, theirs = getattr(one, field), getattr(other, field)
        assert list(mine) == list(theirs)
        for field in mine:
            assert_same_bags(mine[field], theirs[field])
    for field in ("viewer_vectors", "candidate_vectors"):
        mine, theirs = getattr(one, field), getattr(other, field)
        assert list(mine) == list(theirs)
        for name in mine:
            assert_same_bits(mine[name], theirs[name])
