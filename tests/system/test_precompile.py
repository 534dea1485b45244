"""The rehearsal of set-up leaves nothing to be compiled when it counts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FEED_S = "20"


def compiled(folder: Path) -> set[str]:
    """What numba has kept: a file for each function and kind of arguments."""
    return {path.name for path in folder.rglob("*.nbc")}


@pytest.mark.soak
def test_no_process_compiles_anything_after_a_rehearsal(tmp_path: Path):
    kept = tmp_path / "kept"
    environ = {**os.environ, "NUMBA_CACHE_DIR": str(kept)}
    subprocess.run([sys.executable, "-m", "driftline.operations.precompile"], env=environ, check=True)
    rehearsed = compiled(kept)
    assert rehearsed
    demo = [sys.executable, "-m", "driftline", "demo", "--seconds", FEED_S]
    subprocess.run(demo, env=environ, cwd=tmp_path, stdout=subprocess.DEVNULL, timeout=280, check=True)
    assert compiled(kept) - rehearsed == set()
