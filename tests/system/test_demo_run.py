"""The demo, short, as a person runs it: it ends by itself, in good order, and its summary tells of a closed loop."""

import contextlib
import json
import re
import subprocess
import sys
from pathlib import Path

SECONDS = "30"  # of feeding; start-up, drain and summary come on top


def processes_of(folder: str) -> list[str]:
    """Command lines of the processes that were told of a folder, by argument or environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            command = (process / "cmdline").read_bytes()
            if folder.encode() in command + (process / "environ").read_bytes():
                found.append(command.replace(b"\0", b" ").decode(errors="replace"))
    return found


def test_a_short_demo_closes_the_loop_and_leaves_nothing_behind(tmp_path: Path):
    report_path = tmp_path / "report.json"
    command = [sys.executable, "-m", "driftline", "demo", "--seconds", SECONDS, "--json", str(report_path)]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False)
    assert finished.returncode == 0, finished.stdout[-4_000:] + finished.stderr[-4_000:]
    [folder] = re.findall(r"data and logs in (\S+)", finished.stdout + finished.stderr)
    assert processes_of(folder) == []

    report = json.loads(report_path.read_text())
    assert report["provenance"] == "simulated-world"
    assert {group: lag for group, lag in report["lags"].items() if lag and group != "trainer"} == {}
    assert report["served"]["timelines"] > 100
    assert report["examples"] > report["engaged"] > 0
    assert report["vocabulary"]["admitted"] > 0
    assert report["published"] >= 1
    assert any(timeline["places"] for timeline in report["timelines"])
    assert "fastest rising hashtags" in finished.stdout
    parity = report["parity"]  # what a trained model really served, through the join and back
    assert parity["same_bits"] == parity["served"] > 0, parity
    assert parity["others"] == 0
