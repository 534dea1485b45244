"""No value that a person types ends in a traceback: one message says what is wrong with it."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.driftline.test_cli_help import COMMANDS

NOWHERE = {"DRIFTLINE_KAFKA": "127.0.0.1:1", "DRIFTLINE_REDIS": "redis://127.0.0.1:1/0"}
HUGE = "99999999999999999999"


def run(folder: Path, words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DRIFTLINE_")}
    called = [sys.executable, "-m", "driftline", *words.split()]
    return subprocess.run(
        called, cwd=folder, env=clean | NOWHERE | environ, capture_output=True, text=True, timeout=120
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        *(f"features {kind} {value}" for kind in ("tweet", "author", "viewer") for value in (HUGE, "abc")),
        f"features pair 1 {HUGE}",
        f"bins show tweet.age_s --version {HUGE}",
        f"bins compare {HUGE} 1",
        f"vocab diff 1 {HUGE}",
        f"vocab rebuild {HUGE}",
        f"models show {HUGE}",
        f"models backfill {HUGE}",
        f"dead-letters show tweets {HUGE} 0",
        f"dead-letters show tweets 0 {HUGE}",
        "topics apply --partitions 257",
        "topics plan --partitions 0",
        "timelines tail --count 0",
        "replay nowhere.csv",
        "replay .",
        "replay nowhere.csv --speed fast",
        "up --kafka-port 70000",
        "offsets reset nothing",
        "nothing",
    ],
)
def test_a_value_that_cannot_be_is_refused_in_one_message(tmp_path: Path, words: str) -> None:
    done = run(tmp_path, words)
    assert done.returncode in (1, 2), done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("path", COMMANDS)
def test_every_number_has_bounds(path: str) -> None:
    for parameter in COMMANDS[path].params:
        if parameter.type.name in ("integer", "float", "integer range", "float range"):
            assert parameter.type.name.endswith("range"), f"{path}: {parameter.name}"
            assert None not in (parameter.type.min, parameter.type.max), f"{path}: {parameter.name}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "environ", "said"),
    [
        ("vocab top", {"DRIFTLINE_REDIS": "localhost:6379x"}, "DRIFTLINE_REDIS: 'localhost:6379x' is no address"),
        ("vocab top", {"DRIFTLINE_REDIS": "redis://localhost:6379x"}, "is no address"),
        ("doctor", {"DRIFTLINE_REDIS": "redis://localhost:6379x"}, ""),
        ("topics plan", {"DRIFTLINE_KAFKA": ""}, "DRIFTLINE_KAFKA: '' is not host:port"),
        ("topics plan", {"DRIFTLINE_KAFKA": "localhost:x"}, "DRIFTLINE_KAFKA"),
        ("topics plan", {"DRIFTLINE_TRAINER_LEARNING_RATE": "-5"}, "DRIFTLINE_TRAINER_LEARNING_RATE is '-5'"),
        ("trainer", {"DRIFTLINE_TRAINER_BATCH_SIZE": "0"}, "DRIFTLINE_TRAINER_BATCH_SIZE is '0'"),
        ("config check", {"DRIFTLINE_BINS_BINS": "100000"}, "bins.bins (DRIFTLINE_BINS_BINS) is 100000"),
        ("config check", {"DRIFTLINE_VOCAB_SHARDS": "3"}, "vocab.shards is 3: set it to a power of two"),
        ("config show", {"DRIFTLINE_CONFIG": "nowhere.toml"}, "DRIFTLINE_CONFIG names nowhere.toml, which does not"),
    ],
)
def test_a_setting_that_cannot_be_is_named(tmp_path: Path, words: str, environ: dict[str, str], said: str) -> None:
    done = run(tmp_path, words, **environ)
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    assert said in done.stderr


@pytest.mark.slow
def test_two_processes_on_one_metrics_port_are_told_so(tmp_path: Path) -> None:
    with socket.create_server(("0.0.0.0", 0)) as other:
        port = str(other.getsockname()[1])
        done = run(tmp_path, "scorer", DRIFTLINE_METRICS_PORT=port)
    assert done.returncode == 1
    assert f"metrics_port (DRIFTLINE_METRICS_PORT) is {port}: " in done.stderr
    assert "Traceback" not in done.stderr


def test_the_version_is_said(tmp_path: Path) -> None:
    assert run(tmp_path, "--version").stdout.startswith("driftline 0.")
