"""The table of sizes: every implementation with every number of live keys, in turn, under the same conditions."""

import json
import subprocess
import sys
from statistics import median
from typing import Any

from benchmarks.vocab.implementations import IMPLEMENTATIONS

FEWEST_RESIDENT = 1_000_000  # with fewer live keys, the process's resident memory says nothing about them
HEADER = (
    f"{'live keys':>10}  {'':<22}{'M/s counted':>12}{'M/s looked up':>15}{'uniform':>10}{'bytes a key':>13}{'RSS':>6}"
)


class Child:
    """An implementation in its own process. memory: {} if it failed to start; `failure` is then its last line."""

    def __init__(self, name: str, live: int, seed: int, python: str) -> None:
        command = [python, "-W", "ignore", "-m", "benchmarks.vocab.implementations", name, str(live), str(seed)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self._process.stdin
        assert self._process.stdout
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self.failure = ""
        self.memory = self._answer()

    def _answer(self) -> dict[str, Any]:
        """The next line of JSON; other lines (from libraries) are skipped. {} at the end; `failure` says why."""
        for line in self._stdout:
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line)
                return answer
            self.failure = line.strip() or self.failure
        return {}

    def measure(self) -> dict[str, float]:
        """Measure one round."""
        self._stdin.write("\n")
        self._stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def compare(sizes: list[int], rounds: int, seed: int, torchrec_python: str) -> None:
    """Print a line for every implementation and size: the medians of the rounds, without the first."""
    print(HEADER)
    for live in sizes:
        children = {
            name: Child(name, live, seed, torchrec_python if name == "TorchRec" else sys.executable)
            for name in IMPLEMENTATIONS
        }
        measured = {name: child for name, child in children.items() if child.memory}
        results = [{name: child.measure() for name, child in measured.items()} for _ in range(rounds + 1)][1:]
        for name, child in children.items():
            child.close()
            if not child.memory:
                print(f"{live:>10,}  {name:<22}not installed: {child.failure}")
            else:
                print(_line(live, name, [result[name] for result in results], child.memory), flush=True)


def _line(live: int, name: str, rounds: list[dict[str, float]], memory: dict[str, Any]) -> str:
    rates = [
        f"{median(figures[figure] for figures in rounds) / 1e6:.1f}" if figure in rounds[0] else "-"
        for figure in ("count", "zipf", "uniform")
    ]
    own = f"{memory['own_bytes'] / live:.1f}" if memory["own_bytes"] is not None else "-"
    resident = f"{memory['resident_bytes'] / live:.0f}" if live >= FEWEST_RESIDENT else "-"
    return f"{live:>10,}  {name:<22}{rates[0]:>12}{rates[1]:>15}{rates[2]:>10}{own:>13}{resident:>6}"
