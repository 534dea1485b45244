"""What is missing is one NaN: told from every other by its bits, which survive wherever values travel."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from contracts.codec import Codec, serialize
from contracts.columnar import CandidatesServed
from contracts.columns import MISSING, MISSING_BITS, is_missing, is_nan
from contracts.examples import deserialize_examples, serialize_examples
from tests.golden.samples import EXAMPLES, RECORDS

# Of processors, the next one, the negative. Signalling ones are not here: a conversion would make them quiet.
NANS = np.array([0x7FC00000, 0xFFC00000, 0x7FC007A3, 0xFFC007A2], np.uint32).view(np.float32)
VALUES = np.array([MISSING, *NANS, np.inf, -np.inf, 0, -0.0, 1.5], np.float32)
FIRST = [True] + [False] * (len(VALUES) - 1)


def test_missing_is_a_quiet_nan_that_no_processor_makes():
    assert (MISSING.dtype, int(MISSING_BITS)) == (np.float32, 0x7FC007A2)
    assert np.isnan(MISSING)
    assert MISSING_BITS & 0x00400000, "quiet"
    with np.errstate(invalid="ignore"):
        zeros = np.zeros(100, np.float32)  # long enough for vector instructions
        made = [zeros / zeros, np.sqrt(zeros - 1), zeros + np.inf - np.inf, np.float32(0) * np.float32(np.inf)]
    for values in made:
        assert np.isnan(values).all()
        assert not is_missing(values).any()


def test_missing_nan_and_numbers_are_told_apart():
    assert is_missing(VALUES).tolist() == FIRST
    assert is_nan(VALUES).tolist() == [1 <= i <= len(NANS) for i in range(len(VALUES))]
    assert (is_missing(MISSING), is_nan(MISSING), is_missing(VALUES[1])) == (True, False, False)


def test_every_nan_but_one_is_a_nan():
    for sign in (0, 1 << 31):
        for begin in range(0, 1 << 23, 1 << 20):
            bits = np.arange(begin, begin + (1 << 20), dtype=np.uint32) | np.uint32(sign | 0x7F800000)
            values = bits.view(np.float32)
            assert (np.flatnonzero(is_missing(values)) == np.flatnonzero(bits == MISSING_BITS)).all()
            assert (is_nan(values) == ((bits & 0x7FFFFF != 0) & (bits != MISSING_BITS))).all()


def test_bits_of_another_width_say_nothing():
    with pytest.raises(ValueError, match="of a float32, not of float64"):
        is_missing(VALUES.astype(np.float64))
    with pytest.raises(ValueError, match="of a float32, not of float64"):
        is_nan(np.zeros(2))


@pytest.mark.parametrize(
    "carry",
    {
        "copied": np.copy,
        "filled in": lambda values: np.where(is_missing(values), MISSING, values),
        "assigned": lambda values: _assigned(values),
        "taken": lambda values: values[np.arange(len(values))],
        "concatenated": lambda values: np.concatenate([values[:3], values[3:]]),
        "strided": lambda values: np.repeat(values, 3)[::3],
        "as column": lambda values: np.asfortranarray(np.stack([values, values]))[1],
        "through float64": lambda values: values.astype(np.float64).astype(np.float32),
        "through Python": lambda values: np.array(values.tolist(), np.float32),
        "through bytes": lambda values: np.frombuffer(values.tobytes(), "<f4"),
        "through a record": lambda values: _through_a_record(values),
        "through Arrow": lambda values: _through_arrow(values),
    }.items(),
    ids=lambda item: item[0],
)
def test_what_is_missing_stays_missing(carry):
    found = carry[1](np.resize(VALUES, 99))  # long enough for vector instructions
    assert is_missing(found).tolist() == np.resize(FIRST, 99).tolist()
    assert (np.isnan(found) == np.isnan(np.resize(VALUES, 99))).all()


def _assigned(values: np.ndarray) -> np.ndarray:
    changed = np.ones_like(values)
    changed[is_missing(values)] = MISSING
    changed[is_nan(values)] = np.nan
    return changed


def _through_a_record(values: np.ndarray) -> np.ndarray:
    record = msgspec.structs.replace(RECORDS["CandidatesServed"], candidate_dense=values)
    return Codec(CandidatesServed).deserialize(serialize(record)).candidate_dense


def _through_arrow(values: np.ndarray) -> np.ndarray:
    features = replace(EXAMPLES.features, candidate_dense=values.reshape(len(EXAMPLES), -1))
    return deserialize_examples(
        serialize_examples(replace(EXAMPLES, features=features))
    ).features.candidate_dense.reshape(-1)
