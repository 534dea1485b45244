"""Where a process's settings come from: it reads them once, when it starts.

The environment goes before the TOML file that `DRIFTLINE_CONFIG` names (or `./driftline.toml`), and that before the
defaults. `[trainer] seed` in the file is `DRIFTLINE_TRAINER_SEED` in the environment, and `[vocab.hashtag] capacity`
is `DRIFTLINE_VOCAB_HASHTAG_CAPACITY`. A name that no setting has is refused in both.
"""

import difflib
import math
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import msgspec

from contracts.errors import SettingsError
from contracts.settings import LEAST_NEGATIVE_KEEP, Section, Settings

_CONFIG = "DRIFTLINE_CONFIG"
# What Kubernetes tells every container about a service of this name: DRIFTLINE_SERVICE_HOST, DRIFTLINE_PORT_80_TCP...
_OF_KUBERNETES = re.compile(r"_(SERVICE_(HOST|PORT).*|PORT(_\d+_(TCP|UDP|SCTP).*)?)\Z")


def load(environ: Mapping[str, str] | None = None, path: Path | None = None) -> Settings:
    """The settings of this process.

    Raises `SettingsError` for a file that is missing or not TOML, an unknown name, or a value of the wrong type or
    out of range.
    """
    environ = os.environ if environ is None else environ
    file = _file(environ, path)
    values = _read(file)
    _check_variables(environ)
    for name in names():
        if (variable := variable_of(name)) in environ:
            _put(values, name, environ[variable])
    try:
        settings = msgspec.convert(_over(msgspec.to_builtins(Settings()), values), Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(_explained(str(error), environ, file)) from error
    for name in names():
        value = value_of(settings, name)
        if isinstance(value, float) and not math.isfinite(value):
            raise SettingsError(f"{name} ({variable_of(name)}) is {value}: set it to a number")
    keep = settings.join.negative_keep
    if keep != 0 and not LEAST_NEGATIVE_KEEP <= keep <= 1:
        raise SettingsError(f"join.negative_keep is {keep}: set it to 0, or to {LEAST_NEGATIVE_KEEP} to 1")
    return settings


def origins(environ: Mapping[str, str] | None = None, path: Path | None = None) -> dict[str, str]:
    """Name of each setting -> where its value comes from: a variable, a file, or "default". Raises as `load` does."""
    environ = os.environ if environ is None else environ
    file = _file(environ, path)
    in_file = set(_names_in(_read(file)))
    return {
        name: variable_of(name) if variable_of(name) in environ else str(file) if name in in_file else "default"
        for name in names()
    }


def names() -> list[str]:
    """Every setting by its name in the file: `time.window_ms`."""
    return [".".join(path) for path in _paths(Settings())]


def value_of(settings: Settings, name: str) -> Any:
    """The value of a setting."""
    return reduce(getattr, name.split("."), settings)


def variable_of(name: str) -> str:
    """The environment variable of a setting: `time.window_ms` is `DRIFTLINE_TIME_WINDOW_MS`."""
    return "_".join(["driftline", *name.split(".")]).upper()


def to_environ(settings: Settings) -> dict[str, str]:
    """The environment that gives a child process these settings."""
    return {variable_of(name): str(value_of(settings, name)) for name in names()}


def _paths(section: Section) -> Iterator[tuple[str, ...]]:
    for field in section.__struct_fields__:
        value = getattr(section, field)
        if isinstance(value, Section):
            yield from ((field, *path) for path in _paths(value))
        else:
            yield (field,)


def _put(values: dict[str, Any], name: str, value: str) -> None:
    *sections, field = name.split(".")
    for section in sections:
        values = values.setdefault(section, {})
    values[field] = value


def _over(defaults: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults with `values` merged in, table by table: a field that a table does not name keeps its default."""
    merged = dict(defaults)
    for name, value in values.items():
        default = defaults.get(name)
        merged[name] = _over(default, value) if isinstance(default, dict) and isinstance(value, dict) else value
    return merged


def _explained(error: str, environ: Mapping[str, str], file: Path | None) -> str:
    """msgspec's message, with where the value came from: the variable, or the file and the line."""
    found = re.search(r"`\$\.(\S+)`\Z", error)
    name = found[1] if found else ""
    if (variable := variable_of(name)) in environ:
        return f"settings: {variable} is {environ[variable]!r}: {error}"
    return f"settings ({_line_of(file, name) if file and name else file}): {error}"


def _check_variables(environ: Mapping[str, str]) -> None:
    known = {variable_of(name) for name in names()} | {_CONFIG}
    for variable in environ:
        if variable.startswith("DRIFTLINE_") and variable not in known and not _OF_KUBERNETES.search(variable):
            raise SettingsError(f"settings: no setting has the variable {variable}{_meant(variable, known)}")


def _meant(name: str, known: set[str]) -> str:
    nearest = difflib.get_close_matches(name, sorted(known), 1, cutoff=0.75)
    return f"; did you mean {nearest[0]}?" if nearest else "; docs/settings.md lists all"


def _file(environ: Mapping[str, str], path: Path | None) -> Path | None:
    """The settings file, if there is one. Raises `SettingsError` for one that was named and does not exist."""
    named = path or (Path(environ[_CONFIG]) if environ.get(_CONFIG) else None)
    if named is not None and not named.exists():
        raise SettingsError(f"{_CONFIG} names {named}, which does not exist")
    here = Path("driftline.toml")
    return named or (here if here.exists() else None)


def _read(file: Path | None) -> dict[str, Any]:
    """The tables of a settings file. Raises `SettingsError` if it is not TOML, or names what is no setting."""
    if file is None:
        return {}
    try:
        values = tomllib.loads(file.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not TOML: {error}") from error
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}") from error
    known = set(names())
    known |= {table for name in known for table in _tables_of(name)}
    for name in _names_in(values):
        if name not in known:
            raise SettingsError(f"settings ({_line_of(file, name)}): there is no {name!r}{_meant(name, known)}")
    return values


def _tables_of(name: str) -> Iterator[str]:
    while name := name.rpartition(".")[0]:
        yield name


def _names_in(values: Mapping[str, Any], table: str = "") -> Iterator[str]:
    """The names that a file gives values to; a table without any counts as one."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _names_in(value, f"{table}{name}.")
        else:
            yield f"{table}{name}"


def _line_of(file: Path, name: str) -> str:
    """`file, line n`, where a setting or a table of this name is written; the file alone if it is not found."""
    table = ""
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if header := re.match(r"\s*\[([^\]]+)\]", line):
            here = table = header[1].strip()
        elif key := re.match(r"\s*([^=#]+?)\s*=", line):
            here = f"{table}.{key[1]}" if table else key[1]
        else:
            continue
        if here.replace('"', "").replace(" ", "") == name:
            return f"{file}, line {number}"
    return str(file)
