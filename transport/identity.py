"""Which installation servers and data folders belong to. The record in Kafka decides (`transport/installation.py`).

The data folder has the ids of the installations that processes worked for from it, one of each prefix. Redis has the
id and the number of partitions under a key of the prefix. A Redis without it is new or was wiped: it is rewritten,
and never refused.
"""

import tempfile
from pathlib import Path

import msgspec

from contracts.errors import SettingsError
from contracts.settings import Settings, masked
from contracts.settings_sources import variable_of
from transport.ports.redis import Redis

_VARIABLE = variable_of("installation")


class InRedis(msgspec.Struct, frozen=True):
    """What Redis knows of an installation. partitions: who reads its keys needs no Kafka to find them."""

    id: str
    partitions: int


def redis_key(settings: Settings) -> bytes:
    """The key of the installation in Redis."""
    return f"{settings.prefix}installation".encode()


def folder_id(settings: Settings) -> str:
    """The id that the data folder has for the prefix, "" if none. Raises `SettingsError` for a damaged file."""
    return _read(_path(settings)).get(settings.prefix, "")


def of_folder(settings: Settings) -> Settings:
    """The settings, with the data folder's installation unless they name one."""
    if settings.installation:
        return settings
    return msgspec.structs.replace(settings, installation=folder_id(settings))


def remember(settings: Settings) -> None:
    """Make the data folder that of `settings.installation`, unless it is another's.

    A folder that cannot be written stays without: the process then goes by Kafka each time that it starts.
    """
    path = _path(settings)
    known = _read(path)
    if settings.prefix in known:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Several processes may begin at once, in containers even with the same process id.
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix="installations-", delete=False) as partial:
            partial.write(msgspec.json.encode({**known, settings.prefix: settings.installation}))
        Path(partial.name).replace(path)
    except OSError:
        return


def refuse_other(settings: Settings, server: str, found: str) -> None:
    """Raises `SettingsError` if `server` holds another installation than the settings have. found: its id, or ""."""
    if not settings.installation or found in ("", settings.installation):
        return
    raise SettingsError(f"{server} holds installation {found}, but {_whose(settings)}")


def refuse_none(settings: Settings, server: str) -> None:
    """Raises `SettingsError` if the data folder belongs to an installation. server: has none of this prefix."""
    if owner := folder_id(settings):
        none = f"{server} has no installation with the prefix {settings.prefix!r}"
        raise SettingsError(f"{none}, but {_whose(msgspec.structs.replace(settings, installation=owner))}")


def redis_value(settings: Settings) -> bytes:
    """What a process of this installation puts under `redis_key`."""
    return msgspec.json.encode(InRedis(settings.installation, settings.partitions))


def read_redis(settings: Settings, held: bytes | None) -> InRedis | None:
    """What Redis has under `redis_key`; None for a new or wiped one. held: the value.

    Raises `SettingsError` as `refuse_other` does, and for a value that no installation wrote.
    """
    if held is None:
        return None
    server = f"Redis at {masked(settings.redis)} (setting DRIFTLINE_REDIS)"
    try:
        found = msgspec.json.decode(held, type=InRedis)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        key = redis_key(settings).decode()
        raise SettingsError(
            f"{server} has {held[:64]!r} under {key!r}, which no installation wrote: set DRIFTLINE_PREFIX to one "
            "that nothing else there uses"
        ) from error
    refuse_other(settings, server, found.id)
    return found


async def claim(redis: Redis, settings: Settings) -> None:
    """Put the id into a Redis that has none. Raises `SettingsError` for one that has another, `ServerUnavailable`."""
    if settings.installation:
        read_redis(settings, await redis.claim(redis_key(settings), redis_value(settings)))


def _whose(settings: Settings) -> str:
    if folder_id(settings) != settings.installation:
        return f"{_VARIABLE} is {settings.installation}: correct the one that is wrong"
    return (
        f"the data folder {Path(settings.data_dir).resolve()} belongs to installation {settings.installation}: use "
        "its servers, or another folder (DRIFTLINE_DATA_DIR); if its servers were emptied for good, remove "
        f"{_path(settings)}, and the models and checkpoints beside it"
    )


def _path(settings: Settings) -> Path:
    return Path(settings.data_dir).resolve() / "installations.json"


def _read(path: Path) -> dict[str, str]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (msgspec.MsgspecError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"{path} is damaged ({error}): remove it") from error
