"""One log of tweets makes one vocabulary, byte for byte, however it is processed: in this process, and by workers.

The workers of every run differ from those of the plain one in one thing: hash seed, batches, number, or the year.
"""

import functools
import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from contracts.settings import Settings
from contracts.topics import TWEETS
from sources import open_source
from tests.support.data_files import data_file
from tests.support.drifting_stream import DAY_MS, Row, drifting, drifting_rows, row_of, ticks
from tests.support.paths import ROOT
from tests.support.unhurried import unhurried
from tests.support.vocab_outcome import Decided, Outcome, decided, digest, outcome, states_written
from tests.support.vocab_replay import replay
from tests.support.vocab_runs import crew, write_rows

pytestmark = pytest.mark.timeout(900)  # of a busy machine

FEW_TWEETS = 1_000
MANY_TWEETS = 6_000
REAL_TWEETS = 5_000
BATCH_RECORDS = 5_000
HOUR_MS = 3_600_000
YEAR_S = 365 * 86_400
SHIFTED = {
    "PYTHONPATH": os.pathsep.join(
        [str(ROOT / "tests" / "support" / "shifted_clock"), *filter(None, [os.environ.get("PYTHONPATH")])]
    ),
    "SHIFTED_CLOCK_S": str(YEAR_S),
}


@functools.cache
def few(seed: int) -> tuple[Settings, Sequence[Row], Decided]:
    """A short log, and what one owner makes of it in large batches."""
    settings, rows = drifting(Settings(), BATCH_RECORDS), drifting_rows(FEW_TWEETS, seed)
    return settings, rows, decided(settings, replay(settings, rows)[0])


@pytest.mark.slow
@given(st.integers(0, 3), st.integers(0, 1 << 32), st.sampled_from([1, 3, 4, 8]))
@settings(unhurried, max_examples=10)
def test_batches_restarts_interleaving_and_number_of_owners_change_nothing(log, cut, owners):
    settings, rows, expected = few(log)
    assert expected.admitted > expected.evicted > 50
    assert decided(settings, replay(settings, rows, owners, random.Random(cut))[0]) == expected


@pytest.mark.slow
@pytest.mark.data
def test_real_tweets_make_one_vocabulary_too():
    tweets = sorted(open_source(data_file("airline_2015.csv.gz")), key=lambda tweet: tweet.created_ms)[:REAL_TWEETS]
    settings = drifting(Settings(), BATCH_RECORDS)
    settings = replace(settings, time=replace(settings.time, window_ms=HOUR_MS, jump_ms=DAY_MS))  # nights are quiet
    rows = [*map(row_of, tweets), *ticks((TWEETS,), tweets[-1].created_ms + DAY_MS)]
    expected = decided(settings, replay(settings, rows)[0])
    assert expected.admitted > expected.evicted > 500
    assert decided(settings, replay(settings, rows, 4, random.Random(1))[0]) == expected


def test_the_shifted_clock_is_a_year_ahead_and_monotonic_time_is_not():
    program = (
        "import datetime, time; print(time.time(), time.time_ns() / 1e9, time.mktime(time.localtime()), "
        "datetime.datetime.now().timestamp(), time.clock_gettime(time.CLOCK_REALTIME), time.monotonic())"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | SHIFTED, capture_output=True, text=True, check=True
    )
    *clocks, monotonic = map(float, said.stdout.split())
    ahead = [clock - time.time() for clock in clocks]
    assert ahead == pytest.approx([YEAR_S] * len(clocks), abs=3_600)
    assert monotonic == pytest.approx(time.monotonic(), abs=3_600)
    assert said.stderr == ""


def run(settings: Settings, rows: Sequence[Row], folder: Path, *, workers: int = 1, **environ: str) -> Outcome:
    """What so many workers leave, each of which has partitions when the log is written."""
    with crew(settings, workers, folder, **({"PYTHONHASHSEED": "1"} | environ)) as running:
        write_rows(settings, rows)
        running.drain()
    return outcome(settings)


@pytest.fixture(scope="module")
def plain(
    kafka: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Settings, Sequence[Row], Outcome]:
    """One worker, large batches, the true year."""
    prefix = f"plain-{os.urandom(3).hex()}-"
    settings = drifting(Settings(kafka=kafka, redis=redis_url, prefix=prefix), BATCH_RECORDS)
    rows = drifting_rows(MANY_TWEETS, seed=1)
    return settings, rows, run(settings, rows, tmp_path_factory.mktemp("plain"))


def test_workers_decide_as_one_process_without_servers_does(plain):
    settings, rows, expected = plain
    deltas, states = replay(settings, rows, owners=4)
    assert decided(settings, deltas) == expected.decided
    assert {number: digest([state]) for number, state in enumerate(states)} == expected.states
    assert expected.decided.evicted > 100
    assert expected.bins.records > 1


@pytest.mark.parametrize(
    ("batch_records", "workers", "environ"),
    [
        pytest.param(BATCH_RECORDS, 1, {"PYTHONHASHSEED": "2"}, id="another hash seed"),
        pytest.param(37, 1, {}, id="batches of 37"),
        pytest.param(37, 4, {}, id="four workers"),
        pytest.param(BATCH_RECORDS, 1, SHIFTED, id="a year ahead"),
    ],
)
def test_what_differs_between_workers_is_not_in_the_vocabulary(
    plain, settings, tmp_path, batch_records, workers, environ
):
    _, rows, expected = plain
    settings = drifting(settings, batch_records)
    assert run(settings, rows, tmp_path, workers=workers, **environ) == expected
    if batch_records == 37:
        assert states_written(settings)  # a state on its way through the log is the same state
    if environ is SHIFTED:
        year = time.gmtime(time.time() + YEAR_S).tm_year
        assert (tmp_path / "worker-0.log").read_text().startswith(f"{year}-")
