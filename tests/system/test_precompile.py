"""After the precompilation of `make setup`, no process compiles anything."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FEED_S = "20"


def compiled(folder: Path) -> set[str]:
    """Names of the files in numba's cache: one for each function and its argument types."""
    return {path.name for path in folder.rglob("*.nbc")}


@pytest.mark.soak
def test_no_process_compiles_anything_after_precompiling(tmp_path: Path):
    kept = tmp_path / "kept"
    environ = {**os.environ, "NUMBA_CACHE_DIR": str(kept)}
    subprocess.run([sys.executable, "-m", "driftline.operations.precompile"], env=environ, check=True)
    precompiled = compiled(kept)
    assert precompiled
    demo = [sys.executable, "-m", "driftline", "demo", "--seconds", FEED_S]
    subprocess.run(demo, env=environ, cwd=tmp_path, stdout=subprocess.DEVNULL, timeout=280, check=True)
    assert compiled(kept) - precompiled == set()
