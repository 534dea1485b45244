"""One log of tweets makes one vocabulary, byte for byte, whatever the batches, the restarts and the owners."""

import functools
import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from contracts.settings import Settings
from contracts.topics import TWEETS
from sources import open_source
from tests.support.data_files import data_file
from tests.support.drifting_stream import DAY_MS, Row, drifting, drifting_rows, row_of, ticks
from tests.support.installation import INSTALLED
from tests.support.unhurried import unhurried
from tests.support.vocab_outcome import Decided, decided
from tests.support.vocab_replay import replay
from tests.support.vocab_runs import SHIFTED, YEAR_S

pytestmark = pytest.mark.timeout(900)  # of a busy machine


FEW_TWEETS = 1_000


REAL_TWEETS = 5_000


BATCH_RECORDS = 5_000


HOUR_MS = 3_600_000


@functools.cache
def few(seed: int) -> tuple[Settings, Sequence[Row], Decided]:
    """A short log, and what one owner makes of it in large batches."""
    settings, rows = drifting(INSTALLED, BATCH_RECORDS), drifting_rows(FEW_TWEETS, seed)
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
    settings = drifting(INSTALLED, BATCH_RECORDS)
    settings = replace(settings, time=replace(settings.time, window_ms=HOUR_MS))
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
