"""The pinned tables as compiled functions take them."""

from typing import Any, NamedTuple

import numpy as np

from vocab.tokens.native.urls import tld_tree
from vocab.tokens.unicode_data import COMBINING, FLAGS, FOLD


class Tables(NamedTuple):
    """Arrays by code point (`flags`, `combining`, `fold_*`: see `unicode_data`) and the tree of `tld_tree`."""

    flags: Any  # int32
    combining: Any  # uint8
    fold_at: Any  # int32
    fold_length: Any  # uint8
    fold_to: Any  # int32
    tld_edges: Any
    tld_targets: Any
    tld_ends: Any


TABLES = Tables(FLAGS.view(np.int32), COMBINING, FOLD.at, FOLD.length, FOLD.to.view(np.int32), *tld_tree())
