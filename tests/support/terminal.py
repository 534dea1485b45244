"""Runs Driftline's commands as a user does."""

import os
import subprocess
import sys
from pathlib import Path

from contracts.settings import Settings
from driftline.servers import background


class Terminal:
    """A folder in which commands run, without configured servers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("DRIFTLINE_")}

    def run(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run `driftline words...` to its end."""
        return subprocess.run(
            [sys.executable, "-m", "driftline", *words],
            cwd=self.folder,
            env=self.environ | environ,
            capture_output=True,
            text=True,
            check=False,
        )

    def state(self) -> dict[str, background.BackgroundServer]:
        """The servers that `driftline up` started here and that still run."""
        servers = background.read_state(Settings(data_dir=str(self.folder / ".driftline")))
        return {name: server for name, server in servers.items() if server.runs}
