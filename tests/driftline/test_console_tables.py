"""Tables on a narrow terminal, in a pipe, and with COLUMNS set."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
from driftline.console_tables import print_table
print_table(
    "newest timelines",
    ["request", "asked at", "#viewer", "ranked by", "#tweets", "#missing", "#best", "what was said"],
    [("world-1-1767225600-17", "2026-01-01 03:58:49", "9223372036854775807", "fallback order fallback-recency", 35, 0,
      "0.4480", "a text of many words that may be wrapped wherever there is a space between two of them")],
)
"""
WHOLE = ("world-1-1767225600-17", "2026-01-01 03:58:49", "9223372036854775807", "0.4480")


@pytest.mark.parametrize("columns", ["", "80", "40", "200", "wide"])
def test_ids_and_times_are_whole_and_no_line_is_padded(columns: str) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environ | ({"COLUMNS": columns} if columns else {}),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert all(word in done.stdout for word in WHOLE)
    assert [line for line in lines if line != line.rstrip()] == []
    assert "\x1b" not in done.stdout
    if columns in ("", "wide"):
        assert len(lines) == 3  # title, head and one row: nothing is wrapped in a pipe
    if columns == "200":
        assert max(map(len, lines)) <= 200
