"""Checks that a record of `examples` can be learned from. One that cannot becomes a dead letter with a reason."""

from collections.abc import Mapping

from contracts.arrays import F32
from contracts.bags import Keys
from contracts.columns import Side
from contracts.errors import BadRecord
from contracts.examples import Examples, deserialize_examples
from featurestore.features import CANDIDATE_DENSE, CANDIDATE_SIDE, FEATURE_SET, VIEWER_DENSE, VIEWER_SIDE


def read_examples(value: bytes | None) -> Examples:
    """One record's examples. Raises `BadRecord` (malformed, unknown_version, feature_set)."""
    if value is None:
        raise BadRecord("malformed", "Examples: a record without a value")
    examples = deserialize_examples(value)
    _check(examples)
    return examples


def _check(examples: Examples) -> None:
    if examples.feature_set != FEATURE_SET:
        raise BadRecord("feature_set", f"made for feature set {examples.feature_set}, here is {FEATURE_SET}")
    features = examples.features
    widths = features.viewer_dense.shape[1:], features.candidate_dense.shape[1:]
    if widths != ((len(VIEWER_DENSE),), (len(CANDIDATE_DENSE),)):
        raise BadRecord("malformed", f"Examples: dense columns of widths {widths} are not those of the feature set")
    _check_side(features.viewer_keys, features.viewer_vectors, VIEWER_SIDE)
    _check_side(features.candidate_keys, features.candidate_vectors, CANDIDATE_SIDE)


def _check_side(bags: Mapping[str, Keys], vectors: Mapping[str, F32], side: Side) -> None:
    if set(bags) != set(side.fields):
        raise BadRecord("malformed", "Examples: the fields are not those of the feature set")
    if {field for field, bag in bags.items() if bag.weights is not None} != set(side.weighted):
        raise BadRecord("malformed", "Examples: the fields with weights are not those of the feature set")
    if {name: of.shape[1] for name, of in vectors.items()} != dict(side.vectors):
        raise BadRecord("malformed", "Examples: the vectors are not those of the feature set")
