"""`driftline models backfill` on a real log: examples of every kind, and records that hold none."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from contracts.codec import serialize
from contracts.examples import Examples, serialize_examples
from contracts.records import ModelPublished
from contracts.settings import Settings
from contracts.settings_sources import to_environ
from contracts.topics import EXAMPLES, MODELS, Topic, prefixed
from driftline.cli.main import build
from model.serving import Predictor
from scoring.hot_swap import load_warm
from tests.support.scoring_samples import make_snapshot, save_snapshot
from tests.support.trainer_world import PLACES, START_MS, World, small_settings
from transport.installation import install
from transport.kafka.clients import producer

REQUESTS = 6
ROWS = REQUESTS * PLACES
VERSION = 4
LEARNED = {0: 2}  # its first two records of partition 0


@pytest.fixture
def small(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a small model, in the environment too; topics are made."""
    model = small_settings("")
    result = msgspec.structs.replace(settings, vocab=model.vocab, trainer=model.trainer)
    for name, value in to_environ(result).items():
        monkeypatch.setenv(name, value)
    install(result)
    return result


@pytest.fixture
def published(small: Settings) -> ModelPublished:
    """Two versions, the newer one without its folder: its trainer has deleted it."""
    snapshot = make_snapshot(small, VERSION)
    snapshot = replace(snapshot, manifest=msgspec.structs.replace(snapshot.manifest, offsets=LEARNED))
    announced = msgspec.structs.replace(save_snapshot(small, VERSION), offsets=LEARNED)
    snapshot.save(Path(announced.path))
    gone = msgspec.structs.replace(announced, version=VERSION + 1, path=announced.path + "-gone")
    _send(small, MODELS, [(0, serialize(announced)), (0, serialize(gone))])
    return announced


def _send(settings: Settings, topic: Topic, records: Sequence[tuple[int, bytes | None]]) -> None:
    with producer(settings) as writer:
        for partition, value in records:
            writer.send(prefixed(topic, settings.prefix).name, value, key=b"-", partition=partition)
        writer.flush(timeout=30)


def _served(predictor: Predictor, examples: Examples, version: int = VERSION) -> Examples:
    manifest = predictor.manifest
    return replace(
        examples,
        probabilities=predictor.score(examples.features),
        model_versions=np.full(ROWS, version),
        vocab_versions=np.full(ROWS, manifest.vocab_version),
        bins_versions=np.full(ROWS, manifest.bins_version),
    )


@pytest.fixture
def batches(small: Settings, published: ModelPublished) -> list[Examples]:
    """Five records of one minute each: three of this model, one of another version, one of a fallback order."""
    predictor, world = load_warm(published), World()
    fresh = [world.examples(REQUESTS, START_MS + minute * 60_000)[0] for minute in range(5)]
    mine = [_served(predictor, examples) for examples in fresh[:3]]
    other = replace(_served(predictor, fresh[3], VERSION - 1), probabilities=np.full(ROWS, 0.25, np.float32))
    return [*mine, other, fresh[4]]


def _write(settings: Settings, batches: Sequence[Examples]) -> None:
    newer = serialize_examples(replace(batches[0], feature_set="another"))
    values = [serialize_examples(examples) for examples in batches]
    _send(settings, EXAMPLES, [
        (0, values[0]), (0, values[1]), (0, values[2]), (1, values[3]), (2, b"no examples"), (2, values[4]),
        (3, newer), (3, None),
    ])  # fmt: skip


def _run(*words: str) -> Result:
    return CliRunner().invoke(build(), ["models", "backfill", *words], catch_exceptions=False)


def _json(*words: str) -> Any:
    result = _run(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_log_is_scored_anew_beside_what_was_served(
    small: Settings, batches: list[Examples], tmp_path: Path
) -> None:
    _write(small, batches)
    out = tmp_path / "scores.parquet"
    found = _json(str(VERSION), "--out", str(out))
    assert (found["name"], found["version"], found["records"]) == (small.scorer.model, VERSION, 8)
    assert {u["reason"]: u["records"] for u in found["unusable"]} == {"malformed": 2, "feature_set": 1}
    assert (found["examples"], found["fallback"], found["outside"]) == (5 * ROWS, ROWS, 0)
    groups = {name: found[name] for name in ("all", "learned_from", "held_out")}
    assert {name: group["examples"] for name, group in groups.items()} == {
        "all": 5 * ROWS, "learned_from": 2 * ROWS, "held_out": 3 * ROWS,
    }  # fmt: skip
    assert groups["held_out"]["ranked_by_a_model"]["examples"] == 2 * ROWS
    same = groups["learned_from"]["ranked_by_a_model"]
    assert same["served_then"] == same["this_snapshot"] == groups["learned_from"]["this_snapshot"]
    assert groups["held_out"]["ranked_by_a_model"]["served_then"] != groups["held_out"]["this_snapshot"]
    parity = found["parity"]
    assert (parity["served"], parity["same_bits"], parity["others"], parity["differences"]) == (
        3 * ROWS,
        3 * ROWS,
        0,
        [],
    )

    table = pq.read_table(out)
    assert table.schema.metadata[b"driftline.version"] == b"4"
    rows = table.sort_by([("at_ms", "ascending"), ("position", "ascending")]).to_pydict()
    assert rows["tweet_id"] == [int(tweet) for examples in batches for tweet in examples.tweet_ids]
    assert rows["served"][-ROWS:] == [None] * ROWS
    assert rows["probability"][: 3 * ROWS] == rows["served"][: 3 * ROWS]
    assert rows["served"][0] == float(batches[0].probabilities[0])
    assert rows["learned_from"] == [True] * 2 * ROWS + [False] * 3 * ROWS
    assert sum(rows["engaged"]) == found["engaged"] > 0
    assert rows["partition"] == [0] * 3 * ROWS + [1] * ROWS + [2] * ROWS
    assert [path.name for path in tmp_path.iterdir() if "scores" in path.name] == ["scores.parquet"]

    text = _run(str(VERSION)).stdout
    assert f"parity: {3 * ROWS} of {3 * ROWS} scores that version 4 served have the same bits" in text
    assert "not learned from: a fair test" in text
    assert "of these, ranked by a model" in text  # `all` holds those of a fallback order too
    assert "records that cannot be scored" in text

    minute = _json(str(VERSION), "--since", str(START_MS + 60_000), "--until", "2023-11-14T22:15:20")
    assert (minute["examples"], minute["outside"], minute["first_ms"]) == (ROWS, 4 * ROWS, START_MS + 60_000)
    nobody = _json(str(VERSION), "--since", "2030-01-01")
    assert (nobody["examples"], nobody["all"]["this_snapshot"]) == (0, None)
    assert "nothing to compare" in _run(str(VERSION), "--since", "2030-01-01").stdout


def test_a_score_of_other_bits_ends_with_status_one_and_is_named(small: Settings, batches: list[Examples]) -> None:
    wrong = batches[1].probabilities.copy()
    wrong[9] = np.nextafter(wrong[9], np.float32(0))
    _write(small, [batches[0], replace(batches[1], probabilities=wrong), *batches[2:]])
    result = _run(str(VERSION), "--json")
    assert result.exit_code == 1
    (found,) = json.loads(result.stdout)["parity"]["differences"]
    assert (found["partition"], found["offset"]) == (0, 1)
    assert found["tweet_id"] == str(batches[1].tweet_ids[9])
    text = _run(str(VERSION))
    assert text.exit_code == 1
    assert f"parity: {3 * ROWS - 1} of {3 * ROWS} scores" in text.stdout
    assert batches[1].request_ids[9] in text.stdout


def test_a_snapshot_that_is_gone_or_was_never_there_says_what_is(small: Settings, published: ModelPublished) -> None:
    def error(*words: str) -> str:
        return str(CliRunner().invoke(build(), ["models", "backfill", *words]).exception)

    assert f"still there: version {VERSION}" in error()  # the newest of all
    assert "DRIFTLINE_TRAINER_KEEP_SNAPSHOTS" in error()
    assert "never published" in error("99")
    assert "never published" in error("--name", "nobody")
    assert "--since 'once'" in error(str(VERSION), "--since", "once")
    assert "--out" in error(str(VERSION), "--out", "/no/such/folder/scores.parquet")


def test_ctrl_c_ends_it_and_leaves_no_file(small: Settings, batches: list[Examples], tmp_path: Path) -> None:
    _send(small, EXAMPLES, [(i % 4, serialize_examples(batches[i % 5])) for i in range(400)])
    out = tmp_path / "scores.parquet"
    program = (
        "import signal, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background jobs are begun without it
        "from driftline.inspect import rescoring\n"
        "observe = rescoring.Rescorer.observe\n"
        "def slowly(*arguments):\n"
        "    time.sleep(0.1)\n"
        "    return observe(*arguments)\n"
        "rescoring.Rescorer.observe = slowly\n"
        "from driftline.cli.main import main\n"
        "main()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "models", "backfill", str(VERSION), "--out", str(out)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob(".scores*")) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, said) == (130, "interrupted: nothing was written\n")
    assert list(tmp_path.glob("*scores*")) == list(tmp_path.glob(".scores*")) == []
