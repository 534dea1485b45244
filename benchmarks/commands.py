"""CPU of the commands that look at something: `python -m benchmarks.commands`. Medians of rounds, on real servers.

User and system CPU of the whole process, from its start to its end. The servers hold a handful of records, so nearly
all of it is Python's start and what a command imports. The last rows are imports alone.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import msgspec
from rich.console import Console
from rich.table import Table

from contracts.settings import Settings
from contracts.settings_sources import to_environ
from driftline.servers.local import local_servers
from tests.support.inspect_samples import write_all
from tests.support.looking_commands import ALLOWED

IMPORTS = ("pass", "import typer", "import kafka", "import redis", "import redis, numpy", "import kafka, numpy")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="how often each command runs")
    rounds = parser.parse_args().rounds
    programs = {name: [sys.executable, "-m", "driftline", *name.split()] for name in ALLOWED}
    programs |= {f"python -c {code!r}": [sys.executable, "-c", code] for code in IMPORTS}
    with tempfile.TemporaryDirectory(prefix="driftline-benchmark-") as folder:
        settings = Settings(data_dir=folder, partitions=4)
        with local_servers(settings, Path(folder), print) as servers:
            settings = msgspec.structs.replace(servers.settings, metrics_port=0)
            write_all(settings)
            environ = os.environ | to_environ(settings)
            seconds: dict[str, list[float]] = {name: [] for name in programs}
            for _ in range(rounds):
                for name, program in programs.items():
                    seconds[name].append(cpu_s(program, environ, folder))
    table = Table("command", title=f"CPU of a command, {rounds} rounds", title_justify="left")
    for column in ("median s", "least", "most"):
        table.add_column(column, justify="right")
    for name, each in seconds.items():
        table.add_row(name, f"{median(each):.2f}", f"{min(each):.2f}", f"{max(each):.2f}")
    Console().print(table)


def cpu_s(program: Sequence[str], environ: dict[str, str], folder: str) -> float:
    """CPU seconds of one run of `program`, user and system, its children included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(program, env=environ, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode not in (0, 2):  # `topics plan` exits with 2 where something is to be done
        sys.exit(f"{' '.join(program)}: {done.stdout}{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


if __name__ == "__main__":
    main()
