"""Found in a sorted column, and merged into the next one: the same as with a dictionary."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.settings import VocabSettings
from vocab.keys import SHARDS
from vocab.replica.frozen_vocabulary import FrozenVocabulary
from vocab.slot_layout import RARE, SlotLayout
from vocab.sorted_keys import KeyIndex, replace

# Hashes, as keys are; and numbers that crowd in one bucket or stand at its borders, as they never should.
KEYS = st.one_of(
    st.integers(0, 2**64 - 1),
    st.integers(0, 40),
    st.integers(2**64 - 40, 2**64 - 1),
    st.integers(-3, 3).map(lambda i: (1 << 63) + i),
)
TABLES = st.dictionaries(KEYS, st.integers(0, 2**31 - 1), max_size=200)


def columns(table: dict[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    keys = np.array(sorted(table), np.uint64)
    slots = np.array([table[key] for key in sorted(table)], np.int32)
    return keys, slots, slots.astype(np.uint32) + np.uint32(7)


@given(TABLES, st.lists(KEYS, max_size=40))
@settings(max_examples=100, deadline=None)
def test_rows_are_those_of_a_dictionary(table, others):
    keys = columns(table)[0]
    wanted = [*table, *others]
    row_of = {key: row for row, key in enumerate(sorted(table))}
    assert KeyIndex(keys).rows(np.array(wanted, np.uint64)).tolist() == [row_of.get(key, -1) for key in wanted]


@given(TABLES, TABLES, st.lists(KEYS, max_size=40), st.data())
@settings(max_examples=100, deadline=None)
def test_the_next_columns_are_those_of_a_dictionary(table, added, strangers, data):
    gone = [key for key in table if data.draw(st.booleans())]
    added = {key: slot for key, slot in added.items() if key not in table or key in gone}
    keys, slots, generations = columns(table)
    without = np.array(gone + [key for key in strangers if key not in table], np.uint64)
    merged = replace(KeyIndex(keys), slots, generations, without, columns(added))
    expected = columns({key: slot for key, slot in table.items() if key not in gone} | added)
    for column, wanted in zip(merged, expected, strict=True):
        assert column.dtype == wanted.dtype
        assert column.tolist() == wanted.tolist()


@pytest.mark.parametrize("n", [0, 1, 2, 3, 1_000, 65_537])
def test_a_view_answers_as_a_dictionary_does(n):
    rng = np.random.default_rng(3)
    keys = np.unique(rng.integers(0, 2**64, n, dtype=np.uint64))
    layout = SlotLayout.from_rows(
        [[RARE, 0, 8], [RARE + 1, 8, 1], [RARE + 2, 9, 1], [0, 10, n // SHARDS + 1]], [8, 1, 1], SHARDS
    )
    slots = (rng.permutation(len(keys)) + 10).astype(np.int32)
    view = FrozenVocabulary(
        version=1,
        sequence=1,
        layout=layout,
        keys=keys,
        slots=slots,
        generations=np.ones(len(keys), np.uint32),
    )
    slot_of = dict(zip(keys.tolist(), slots.tolist(), strict=True))
    wanted = rng.permutation(np.concatenate([keys, rng.integers(0, 2**64, 500, dtype=np.uint64)]))
    for part in (wanted, wanted[:1], wanted[::2], wanted[:0]):
        rare = [(key * 0x9E3779B97F4A7C15 % 2**64 >> 32) % 10 for key in part.tolist()]
        assert view.lookup(part).tolist() == [slot_of.get(k, r) for k, r in zip(part.tolist(), rare, strict=True)]
        assert view.is_admitted(part).tolist() == [key in slot_of for key in part.tolist()]
    with pytest.raises(ValueError, match="read-only"):
        view.keys[:1] = 0


def test_an_index_is_small():
    keys = np.unique(np.random.default_rng(4).integers(0, 2**64, 3 << 15, dtype=np.uint64))
    for n in (1_000, 1 << 15, 3 << 14, len(keys)):
        assert 1.4 < KeyIndex(keys[:n]).starts.nbytes / n < 2.9


def test_an_empty_vocabulary_has_only_rare_slots():
    view = FrozenVocabulary.empty(VocabSettings())
    keys = np.array([0, 1, 2**64 - 1], np.uint64)
    assert not view.is_admitted(keys).any()
    assert np.isin(view.lookup(keys), view.layout.rare_rows).all()
