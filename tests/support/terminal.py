"""Driftline's commands as they are typed into a terminal."""

import os
import subprocess
import sys
from pathlib import Path

from contracts.settings import Settings
from driftline.servers import background


class Terminal:
    """A folder in which driftline commands are run, with no server configured."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("DRIFTLINE_")}

    def run(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """`driftline words...`, run to its end."""
        return subprocess.run(
            [sys.executable, "-m", "driftline", *words],
            cwd=self.folder, env=self.environ | environ, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def state(self) -> dict[str, background.BackgroundServer]:
        """The servers that `driftline up` started here and that still run."""
        return background.read_state(Settings(data_dir=str(self.folder / ".driftline")))
