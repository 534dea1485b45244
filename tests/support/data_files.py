"""Files of real tweets for tests marked `data`: beside the repository, or in the folder `TEST_DATA_FOLDER`."""

import os
from pathlib import Path

import pytest

from tests.support.paths import ROOT

FOLDER = Path(os.environ.get("TEST_DATA_FOLDER", ROOT.parent / "shared" / "data"))


def data_file(name: str) -> Path:
    """The path of one file. If it is absent, the test is skipped, or fails under `REQUIRE_DATA=1`."""
    path = FOLDER / name
    if not path.exists():
        if os.environ.get("REQUIRE_DATA") == "1":
            pytest.fail(f"REQUIRE_DATA=1, and there is no {path}")
        pytest.skip(f"no {path}: set TEST_DATA_FOLDER to the folder of the real tweets")
    return path
