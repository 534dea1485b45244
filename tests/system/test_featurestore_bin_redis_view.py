"""The view of the bins in Redis: every version that it shows is the log's, absolute, and never set back."""

import contextlib

import numpy as np
import pytest

from contracts.errors import BadRecord, VersionNotReached, VersionRetired
from contracts.settings import BinSettings, Settings
from featurestore.bins import owner as bin_owner
from featurestore.bins import redis_view as bin_store
from featurestore.bins.edge_table import MAX_BINS
from featurestore.bins.owner import BinOwner
from featurestore.bins.redis_view import read_bins, write_bins
from featurestore.bins.replica import Bins
from featurestore.features import NUMBER
from tests.support.bin_samples import SOURCES, counted
from transport.redis.connection import connect

SETTINGS = BinSettings(bins=4, rolling_windows=4, minimum_values=8, moved=0.1)


@pytest.fixture
def log() -> tuple[BinOwner, Bins]:
    """An owner whose edges move with every few windows, and the replica that followed its log."""
    random = np.random.default_rng(1)
    owner, records = counted(SETTINGS, {w: (w * 10 + random.integers(0, 9, 40)).tolist() for w in range(1, 60)}, 70)
    bins = Bins()
    for record in records:
        bins.apply(record)
    return owner, bins


def same(one, other) -> bool:
    return {n: e.tolist() for n, e in one.edges.items()} == {n: e.tolist() for n, e in other.edges.items()}


async def test_every_version_is_the_log_s(settings: Settings, log: tuple[BinOwner, Bins]) -> None:
    owner, bins = log
    async with contextlib.aclosing(connect(settings)) as redis:
        with pytest.raises(VersionNotReached, match="no view"):
            await read_bins(redis, settings)
        await write_bins(redis, settings, owner)
        newest = await read_bins(redis, settings)
        assert newest.version == owner.version == bins.complete_through
        for version in range(owner.version + 1):
            found = await read_bins(redis, settings, version)
            assert found.version == version
            assert same(found, bins.at(version)), version
        with pytest.raises(VersionNotReached, match="is not reached"):
            await read_bins(redis, settings, owner.version + 1)


async def test_versions_that_are_no_longer_shown_say_where_they_are(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bin_owner, "SHOWN", 3)
    random = np.random.default_rng(1)
    values = {w: (w * 10 + random.integers(0, 9, 40)).tolist() for w in range(1, 60)}
    owner, records = counted(SETTINGS, values)
    bins = Bins()
    for record in records:
        bins.apply(record)
    assert len({version for version, _, _ in owner.edge_changes}) == 3
    async with contextlib.aclosing(connect(settings)) as redis:
        await write_bins(redis, settings, owner)
        for version in range(owner.oldest_shown, owner.version + 1):
            assert same(await read_bins(redis, settings, version), bins.at(version))
        with pytest.raises(VersionRetired, match="driftline bins show FEATURE --version"):
            await read_bins(redis, settings, owner.oldest_shown - 1)


async def test_a_late_writer_changes_nothing_and_a_wiped_redis_is_whole_after_one_write(
    settings: Settings, log: tuple[BinOwner, Bins]
) -> None:
    owner, _ = log
    late, _ = counted(SETTINGS, {1: list(range(1, 20))})
    async with contextlib.aclosing(connect(settings)) as redis:
        await write_bins(redis, settings, owner)
        value = await redis.client.get(settings.prefix.encode() + bin_store.KEY)
        await write_bins(redis, settings, late)
        assert await redis.client.get(settings.prefix.encode() + bin_store.KEY) == value
        await redis.client.delete(settings.prefix.encode() + bin_store.KEY)
        restored = BinOwner.from_bytes(SETTINGS, SOURCES, owner.to_bytes())
        await write_bins(redis, settings, restored)
        assert await redis.client.get(settings.prefix.encode() + bin_store.KEY) == value


async def test_a_view_of_other_features_is_refused(
    settings: Settings, log: tuple[BinOwner, Bins], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, _ = log
    async with contextlib.aclosing(connect(settings)) as redis:
        monkeypatch.setattr(bin_store, "FEATURE_SET", "other")
        await write_bins(redis, settings, owner)
        monkeypatch.undo()
        with pytest.raises(BadRecord, match="other"):
            await read_bins(redis, settings)


async def test_a_view_of_more_bins_than_there_are_rows_is_refused(
    settings: Settings, log: tuple[BinOwner, Bins]
) -> None:
    owner, _ = log
    owner.edge_changes.append((owner.version, NUMBER["tweet.age_s"], np.arange(MAX_BINS, dtype=np.float32)))
    async with contextlib.aclosing(connect(settings)) as redis:
        await write_bins(redis, settings, owner)
        with pytest.raises(BadRecord, match=r"edges of tweet\.age_s: not at most 58"):
            await read_bins(redis, settings)
