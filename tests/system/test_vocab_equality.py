"""One log of tweets makes one vocabulary, byte for byte, in this process and by workers.

The workers of every run differ from those of the plain one in one thing: hash seed, batches, number, or the year.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from contracts.settings import Settings
from tests.support.drifting_stream import Row, drifting, drifting_rows
from tests.support.installation import PARTITIONS
from tests.support.vocab_outcome import Outcome, decided, digest, outcome, states_written
from tests.support.vocab_replay import replay
from tests.support.vocab_runs import SHIFTED, YEAR_S, crew, write_rows

pytestmark = pytest.mark.timeout(900)  # of a busy machine

MANY_TWEETS = 6_000
BATCH_RECORDS = 5_000


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
    settings = drifting(Settings(kafka=kafka, redis=redis_url, prefix=prefix, partitions=PARTITIONS), BATCH_RECORDS)
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
