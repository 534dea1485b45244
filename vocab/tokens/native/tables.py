"""The pinned tables as compiled functions take them."""

from typing import Any, NamedTuple

import numpy as np

from vocab.tokens.native.hosts import tld_tree
from vocab.tokens.native.plain import plain_characters
from vocab.tokens.unicode_data import COMBINING, FLAGS, FOLD


class Tables(NamedTuple):
    """Arrays by code point (see `unicode_data` and `plain_characters`) and the tree of `tld_tree`."""

    flags: Any  # int32
    plain: Any  # int32
    combining: Any  # uint8
    fold_at: Any  # int32
    fold_length: Any  # uint8
    fold_to: Any  # int32
    tld_edges: Any
    tld_targets: Any
    tld_ends: Any


TABLES = Tables(
    FLAGS.view(np.int32), plain_characters(), COMBINING, FOLD.at, FOLD.length, FOLD.to.view(np.int32), *tld_tree()
)
