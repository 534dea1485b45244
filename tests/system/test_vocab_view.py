"""The queryable view in Redis: written once and read back."""

from typing import get_args

import pytest

from contracts.errors import VersionNotReached
from contracts.settings import Settings
from tests.support.view_samples import DRIFT, an_owner
from transport.redis.connection import connect
from vocab.namespaces import Namespace
from vocab.trends.spans import HORIZONS
from vocab.view.lists import Kind
from vocab.view.store import read_list, read_token, write_view
from vocab.view.updates import view_updates


async def test_tokens_and_lists_are_read_back_from_redis(settings: Settings):
    redis = connect(settings)
    try:
        with pytest.raises(VersionNotReached, match="no view"):
            await read_list(redis, settings, "top", Namespace.HASHTAG, 10)
        with pytest.raises(VersionNotReached, match="no view"):
            await read_token(redis, settings, Namespace.HASHTAG, "#New")
        halves = [an_owner(DRIFT, range(32)), an_owner(DRIFT, range(32, 64))]
        for owner in halves:
            assert await write_view(redis, settings, view_updates(owner.state), (b"position", 7)) > 0
            assert await write_view(redis, settings, view_updates(owner.state)) == 0
        assert await redis.client.get(f"{settings.prefix}position") == b"7"
        shown = await read_token(redis, settings, Namespace.HASHTAG, "#New")
        assert shown is not None
        assert (shown.token, shown.first_seen, shown.last_seen, shown.version) == ("new", 121, 128, 128)
        assert (shown.generation, list(shown.velocities), shown.velocities["5m"] > 0) == (1, list(HORIZONS), True)
        assert shown.counts["7d"] == pytest.approx(8 * 8, rel=1e-3)
        assert await read_token(redis, settings, Namespace.WORD, "new") is None
        lists = {
            kind: [entry.token for entry in await read_list(redis, settings, kind, Namespace.HASHTAG, 10)]
            for kind in get_args(Kind)
        }
        assert lists == {"top": ["old", "steady", "new"], "rising": ["new"], "falling": ["old"]}
        soon = await read_list(redis, settings, "top", None, 10, language="und", over="5m")
        assert [entry.token for entry in soon] == ["steady", "new", "old"]
        assert [entry.token for entry in await read_list(redis, settings, "top", Namespace.HASHTAG, 1)] == ["old"]
        assert await read_list(redis, settings, "top", Namespace.DOMAIN, 10) == []
    finally:
        await redis.aclose()


async def test_lists_of_a_former_division_of_the_shards_do_not_count_twice(settings: Settings):
    redis = connect(settings)
    try:
        for owner in (an_owner(DRIFT, range(32)), an_owner(DRIFT, range(32, 64)), an_owner([*DRIFT, {"new": 50}])):
            await write_view(redis, settings, view_updates(owner.state))
        entries = await read_list(redis, settings, "top", Namespace.HASHTAG, 10)
        assert sorted(entry.token for entry in entries) == ["new", "old", "steady"]
        assert {entry.version for entry in entries} == {129}
    finally:
        await redis.aclose()
