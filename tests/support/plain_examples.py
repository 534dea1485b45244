"""Examples with default columns, so that a test only gives the columns that it is about."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.columns import FeatureColumns
from contracts.examples import PROVENANCES, Examples
from contracts.records import Provenance
from featurestore.features import FEATURE_SET


def examples_of(
    features: FeatureColumns, at_ms: NDArray[np.int64], labels: NDArray[np.uint16], **known: Any
) -> Examples:
    """Examples of n candidates of one simulated viewer and request, ranked without a model. known: other columns."""
    n = len(features)
    zeros = np.zeros(n, np.int64)
    others = {
        "request_ids": ["r-1"] * n,
        "viewer_ids": zeros.astype(np.uint64),
        "tweet_ids": np.arange(n, dtype=np.uint64),
        "positions": np.arange(n).astype(np.uint16),
        "weights": np.ones(n, np.float32),
        "probabilities": np.full(n, np.nan, np.float32),
        "model_versions": zeros,
        "vocab_versions": zeros,
        "bins_versions": zeros,
        "engaged_append_ms": zeros,
        "provenances": np.full(n, PROVENANCES.index(Provenance.SIMULATED_WORLD), np.uint8),
    }
    return Examples(feature_set=FEATURE_SET, features=features, at_ms=at_ms, labels=labels, **(others | known))
