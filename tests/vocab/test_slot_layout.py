"""Where rows are: namespaces and shards share none, no change of settings moves one, rare keys stay if they can."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import SettingsError
from contracts.settings import KINDS, VocabSettings
from featurestore.encoding.encode import REGIONS
from featurestore.features import TWEET_FIELDS
from featurestore.store.tweet_records import _ORDER
from vocab.keys import SHARDS
from vocab.namespaces import Namespace
from vocab.replica.frozen_vocabulary import FrozenVocabulary
from vocab.slot_layout import RARE, REGION_OF, Region, SlotLayout

KEYS = np.random.default_rng(5).integers(0, 2**64, 20_000, dtype=np.uint64)


@st.composite
def some_settings(draw: st.DrawFn) -> VocabSettings:
    plain = VocabSettings.uniform(capacity=0, rare_slots=1)
    kinds = {
        kind: msgspec.structs.replace(
            plain.word, capacity=SHARDS * draw(st.integers(0, 3)), rare_slots=draw(st.integers(1, 5))
        )
        for kind in KINDS
    }
    return msgspec.structs.replace(plain, **kinds)


def regions(region: Region) -> np.ndarray:
    return np.full(len(KEYS), region, np.uint8)


def view_of(layout: SlotLayout) -> FrozenVocabulary:
    """A table without keys."""
    none = {"keys": np.empty(0, np.uint64), "slots": np.empty(0, np.int32), "generations": np.empty(0, np.uint32)}
    return FrozenVocabulary(version=1, sequence=1, layout=layout, **none)


@given(st.lists(some_settings(), min_size=1, max_size=4))
@settings(max_examples=15, deadline=None)
def test_every_row_is_of_one_namespace_and_shard_or_of_one_region_whatever_the_changes(changes):
    layout = SlotLayout.of(changes[0])
    for change in changes:
        former, layout = layout, layout.changed(change)
        assert layout.extends(former)
        assert SlotLayout.from_rows(layout.to_rows(), layout.rare, layout.shards) == layout
        rows = list(layout.rare_rows)
        for namespace in Namespace:
            for shard in range(SHARDS):
                slots = layout.slots_of(namespace, shard)
                kinds, shards, places = layout.locate(slots)
                assert (kinds == namespace).all()
                assert (shards == shard).all()
                assert len(set(places.tolist())) == len(slots) >= change.kinds[KINDS[namespace]].capacity // SHARDS
                held = former.slots_of(namespace, shard)
                assert (former.locate(held)[2] == places[: len(held)]).all()
                rows += slots.tolist()
        assert sorted(rows) == list(range(layout.num_slots))
        assert (layout.locate(layout.rare_rows)[0] == -1).all()
        assert layout.locate(np.array([-1, layout.num_slots]))[0].tolist() == [-1, -1]
        for region in Region:
            mine = [extent for extent in layout.extents if extent.of == RARE + region]
            inside = {row for extent in mine for row in range(extent.first, extent.first + extent.size)}
            assert set(layout.rare_slots_of(KEYS[:500], regions(region)[:500]).tolist()) <= inside
        table = view_of(layout)
        some = np.random.default_rng(1).integers(0, len(Region), 500).astype(np.uint8)
        assert (table.lookup(KEYS[:500], some) == layout.rare_slots_of(KEYS[:500], some)).all()
        assert (table.lookup(KEYS[:500]) == layout.rare_slots_of(KEYS[:500])).all()


def grown(rare_slots: int) -> VocabSettings:
    return VocabSettings.uniform(capacity=SHARDS, rare_slots=rare_slots)


def test_growing_a_region_moves_only_the_keys_that_its_new_rows_take_and_shrinking_brings_them_back():
    layout = SlotLayout.of(grown(100))
    before = layout.rare_slots_of(KEYS, regions(Region.TEXT))
    larger = layout.changed(grown(150))
    after = larger.rare_slots_of(KEYS, regions(Region.TEXT))
    moved = after != before
    assert (after[moved] >= layout.num_slots).all()
    assert moved.mean() == pytest.approx(1 / 3, abs=0.02)
    load = np.bincount(after, minlength=larger.num_slots)
    assert load[load > 0].max() < 33 + 6 * 33**0.5  # 20,000 keys in 600 rows
    assert len(load[load > 0]) == 600
    smaller = larger.changed(grown(100))
    assert smaller.num_slots == larger.num_slots
    assert (smaller.rare_slots_of(KEYS, regions(Region.TEXT)) == before).all()


def test_keys_of_which_nothing_is_known_share_the_rows_that_a_table_began_with():
    layout = SlotLayout.of(grown(100))
    slots = layout.rare_slots_of(KEYS)
    assert set(slots.tolist()) == set(range(100 * len(KINDS)))
    assert (layout.changed(grown(150)).rare_slots_of(KEYS) == slots).all()


def test_what_shares_rows_is_what_a_field_holds():
    fields = {TWEET_FIELDS[field]: namespaces for field, namespaces in _ORDER.items()}
    fields |= {"viewer": (Namespace.VIEWER,), "history": (*fields["author"], *fields["tags"])}
    fields |= {"subwords": (Namespace.WORD,)}  # n-grams share the rows of the words that they are of
    assert {field: {REGION_OF[kind] for kind in kinds} for field, kinds in fields.items()} == {
        field: {region} for field, region in REGIONS.items()
    }
    assert set(REGION_OF) == set(Namespace)


def test_a_region_without_rows_and_too_many_slots_are_refused():
    plain = grown(1)
    with pytest.raises(SettingsError, match=r"vocab\.viewer\.rare_slots to 1 or more"):
        SlotLayout.of(msgspec.structs.replace(plain, viewer=msgspec.structs.replace(plain.word, rare_slots=0)))
    with pytest.raises(SettingsError, match="lower the capacities"):
        SlotLayout.of(msgspec.structs.replace(plain, word=msgspec.structs.replace(plain.word, capacity=1 << 31)))
