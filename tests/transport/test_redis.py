"""A Redis that is not there is named, without its password."""

import contextlib

import pytest

from contracts.errors import ServerUnavailable
from contracts.settings import Settings
from transport.redis import connection as redis_connection


async def test_a_redis_that_is_not_there_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_connection, "RETRIES", 1)
    settings = Settings(redis="redis://user:secret@127.0.0.1:1/0")
    expected = r"redis://user:\*\*\*@127\.0\.0\.1:1/0 \(setting DRIFTLINE_REDIS\)"
    async with contextlib.aclosing(redis_connection.connect(settings)) as client:
        with pytest.raises(ServerUnavailable, match=expected):
            await client.mget([b"key"])
        assert await client.mget([]) == []
    with pytest.raises(ServerUnavailable, match=expected):
        redis_connection.check_reachable(settings)
