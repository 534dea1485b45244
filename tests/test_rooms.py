"""Rooms import only those that they may: the list below is the architecture, checked on every import statement."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.support.paths import ROOT

# Room -> the rooms that it may import, besides itself. The order is that of docs/architecture.md.
ROOMS: dict[str, set[str]] = {
    "contracts": set(),
    "sources": {"contracts"},
    "eventtime": {"contracts"},
    "transport": {"contracts", "eventtime"},
    "vocab": {"contracts", "eventtime", "transport"},
    "featurestore": {"contracts", "eventtime", "transport", "vocab"},
    "model": {"contracts", "eventtime", "transport", "vocab", "featurestore"},
    "trainer": {"contracts", "eventtime", "transport", "vocab", "featurestore", "model"},
    "scoring": {"contracts", "eventtime", "transport", "vocab", "featurestore", "model"},
    "streams": {"contracts", "sources", "eventtime", "transport", "vocab", "featurestore", "model"},
    "simulation": {"contracts"},
}
ROOMS["driftline"] = set(ROOMS)

# Library -> the folders whose modules may import it: a port's adapter, and nothing else of the rooms.
ADAPTERS: dict[str, set[str]] = {
    "redis": {"transport/redis"},
    "aiokafka": {"transport/kafka"},
    "kafka": {"transport/kafka"},
    "faust": {"streams"},
    "mode": {"streams"},
}

# Folders of Python that are no rooms: they may import everything, and no room may import them.
BESIDES = {"tests", "benchmarks", "scripts"}


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of all that a file imports, inside functions and under TYPE_CHECKING too.

    `from a import b` is a.b, which may be a module or a name in one.
    """
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            package = path.relative_to(ROOT).parts[: -node.level] if node.level else ()
            module = ".".join([*package, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}"


@pytest.mark.parametrize("room", ROOMS)
def test_room_imports_only_what_it_may(room: str) -> None:
    others = (set(ROOMS) | BESIDES) - ROOMS[room] - {room}
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {package}"
        for path in sorted((ROOT / room).rglob("*.py"))
        for line, package in sorted({(line, name.partition(".")[0]) for line, name in imports(path)})
        if package in others
    ]
    assert not wrong


@pytest.mark.parametrize("library", ADAPTERS)
def test_a_library_behind_a_port_is_imported_by_its_adapter_alone(library: str) -> None:
    found = {
        path.parent.relative_to(ROOT).as_posix()
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        for _, name in imports(path)
        if name.partition(".")[0] == library
    }
    assert found == ADAPTERS[library]


def test_no_modules_of_the_rooms_import_each_other_in_a_circle() -> None:
    modules = {module_of(path): path for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    arrows = {
        module: {
            imported
            for _, name in imports(path)
            for imported in [name if name in modules else name.rpartition(".")[0]]
            if imported in modules and imported != module
        }
        for module, path in modules.items()
    }
    circle: list[str] = []
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        circle = error.args[1][::-1]
    assert not circle, " imports ".join(circle)


def module_of(path: Path) -> str:
    """The dotted name of a file; of a package's `__init__.py`, the package's."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_no_two_packages_of_the_command_line_import_each_other() -> None:
    packages = sorted(path.parent.name for path in (ROOT / "driftline").glob("*/__init__.py"))
    arrows = {
        (package, other)
        for package in packages
        for path in (ROOT / "driftline" / package).glob("*.py")
        for other in re.findall(r"^\s*(?:from|import) driftline\.(\w+)", path.read_text(), re.MULTILINE)
        if other in packages and other != package
    }
    assert not [arrow for arrow in arrows if arrow[::-1] in arrows]


def test_every_folder_of_python_is_a_room_or_known() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/*.py") if not path.parent.name.startswith(".")}
    assert folders <= set(ROOMS) | BESIDES


def test_the_documented_rooms_are_these() -> None:
    table = (ROOT / "docs" / "architecture.md").read_text()
    assert re.findall(r"^\| `(\w+)/` \|", table, re.MULTILINE) == list(ROOMS)


@pytest.mark.parametrize("package", ["contracts", "vocab", "simulation", "driftline.cli", "driftline.feature_store"])
def test_light_parts_import_neither_torch_nor_faust(package: str) -> None:
    program = (
        "import importlib, pkgutil, sys\n"
        f"package = importlib.import_module({package!r})\n"
        "for module in pkgutil.walk_packages(getattr(package, '__path__', []), package.__name__ + '.'):\n"
        "    importlib.import_module(module.name)\n"
        "print(sorted({'torch', 'faust'} & set(sys.modules)))\n"
    )
    shown = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (shown.stdout, shown.stderr) == ("[]\n", "")
