"""A file that a page, a docstring or a comment names is there: names go stale at every move."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import DOCS, ROOT
from tests.test_rooms import BESIDES, ROOMS

FOLDERS = "|".join([*ROOMS, *sorted(BESIDES)])
FROM_ROOT = re.compile(rf"(?<![\w./-])((?:{FOLDERS})/[\w/]+\.py)\b")
BESIDE = re.compile(r"`(\w+\.py)`")


def sources() -> list[Path]:
    pages = [ROOT / "README.md", *DOCS.rglob("*.md")]
    return [*pages, *(path for folder in (*ROOMS, *sorted(BESIDES)) for path in (ROOT / folder).rglob("*.py"))]


def absent(path: Path) -> Iterator[str]:
    text = path.read_text()
    yield from (name for name in FROM_ROOT.findall(text) if not (ROOT / name).exists())
    yield from (name for name in BESIDE.findall(text) if not (path.parent / name).exists())


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_file_that_is_named_exists(path: Path):
    assert not list(absent(path))
