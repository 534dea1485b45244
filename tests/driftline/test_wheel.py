"""The wheel installs the rooms and nothing else, and nothing that stands beside it has one of their names."""

import importlib.metadata
import tomllib

import pytest
from setuptools import find_packages

from tests.support.paths import ROOT
from tests.test_rooms import ROOMS

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS = PROJECT["tool"]["setuptools"]


def test_the_wheel_has_every_package_of_every_room_and_no_other() -> None:
    found = find_packages(str(ROOT), include=SETUPTOOLS["packages"]["find"]["include"])
    there = {
        ".".join(path.parent.relative_to(ROOT).parts) for room in ROOMS for path in (ROOT / room).rglob("__init__.py")
    }
    assert set(found) == there
    assert {name.partition(".")[0] for name in found} == set(ROOMS)


def test_the_wheel_has_the_files_that_the_code_reads() -> None:
    for package, patterns in SETUPTOOLS["package-data"].items():
        for pattern in patterns:
            assert list((ROOT / package.replace(".", "/")).glob(pattern)), (package, pattern)


@pytest.mark.parametrize("room", ROOMS)
def test_no_other_distribution_here_installs_a_package_of_that_name(room: str) -> None:
    assert set(importlib.metadata.packages_distributions()[room]) == {"driftline"}
