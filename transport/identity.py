"""Which installation servers and data folders belong to. The record in Kafka decides (`transport/installation.py`).

The data folder has the ids of the installations that processes worked for from it, one of each prefix. Redis has the
id under a key of the prefix. A Redis without it is new or was wiped: it is rewritten, and never refused.
"""

import tempfile
from pathlib import Path

import msgspec

from contracts.errors import SettingsError
from contracts.settings import Settings, masked
from contracts.settings_sources import variable_of
from transport.ports.redis import Redis

_VARIABLE = variable_of("installation")


def redis_key(settings: Settings) -> bytes:
    """The key of the id in Redis."""
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


def refuse_other_redis(settings: Settings, held: bytes | None) -> None:
    """`refuse_other` for Redis. held: what it has under `redis_key`."""
    server = f"Redis at {masked(settings.redis)} (setting DRIFTLINE_REDIS)"
    refuse_other(settings, server, (held or b"").decode(errors="replace"))


async def claim(redis: Redis, settings: Settings) -> None:
    """Put the id into a Redis that has none. Raises `SettingsError` for one that has another, `ServerUnavailable`."""
    if settings.installation:
        refuse_other_redis(settings, await redis.claim(redis_key(settings), settings.installation.encode()))


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
