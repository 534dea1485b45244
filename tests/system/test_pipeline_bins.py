"""The bins of real workers: killed or not, the same versions at the same windows, hash for hash; trees out of labels
included, and Redis shows what the log says."""

import asyncio
import random

import numpy as np
import pytest
from msgspec.structs import replace

from contracts.codec import Codec
from contracts.columnar import CandidatesServed
from contracts.records import BinsVersion
from contracts.settings import BinSettings, Settings
from contracts.topics import BIN_COUNTS, BIN_STATE, BINS, EXAMPLES
from featurestore.bins.replica import Bins
from featurestore.features import CANDIDATE_DENSE, NUMBER
from tests.support.bin_outcome import bins_outcome, shown_edges
from tests.support.pipeline_runs import PLACES, make_served, make_tweets, read_all, write_run
from tests.support.vocab_runs import appended, crew

TWEETS, REQUESTS = 3_000, 600
WORKERS = 2
AGE = [feature.name for feature in CANDIDATE_DENSE].index("tweet.age_s")
WATCHED = (BIN_COUNTS, BIN_STATE, BINS, EXAMPLES)


def small(settings: Settings) -> Settings:
    """Small batches, so that kills fall among many transactions; one feature's edges are a tree's."""
    return replace(
        settings,
        hop=replace(settings.hop, batch_records=40, session_timeout_ms=6_000),  # the least that a broker allows
        bins=BinSettings(bins=8, rolling_windows=20, minimum_values=100, supervised="tweet.age_s"),
    )


def served(i: int) -> CandidatesServed:
    """`tweet.age_s` is the place, and of two neighbouring places one is liked: something for a tree to find."""
    record = make_served(i, REQUESTS)
    dense = record.candidate_dense.reshape(PLACES, len(CANDIDATE_DENSE)).copy()
    dense[:, AGE] = 1 + np.arange(PLACES)
    return replace(record, candidate_dense=dense.reshape(-1))


def write(settings: Settings) -> None:
    tweets = make_tweets(TWEETS, random.Random(1))
    asyncio.run(write_run(settings, tweets, [served(i) for i in range(REQUESTS)]))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("runs", [1, pytest.param(20, marks=[pytest.mark.soak, pytest.mark.timeout(7_200)])])
def test_killed_workers_leave_the_bins_of_a_run_without_kills(settings, tmp_path, runs):
    settings = small(settings)
    with crew(settings, WORKERS, tmp_path / "whole") as workers, appended(settings, WATCHED) as look:
        write(settings)
        workers.drain()
        held = {topic: look.offsets(topic) for topic in WATCHED}
    expected = bins_outcome(settings)
    assert held[BIN_STATE] > 0
    assert expected.edge_changes > 20

    bins = Bins()
    for record in read_all(settings, BINS):
        bins.apply(Codec(BinsVersion).deserialize(record.value))
    newest = bins.at(bins.complete_through)
    cuts = newest.edges[NUMBER["tweet.age_s"]].tolist()
    assert len(cuts) == settings.bins.bins - 1
    assert set(cuts) <= set(range(2, PLACES + 1))  # between two places that fared differently
    assert asyncio.run(shown_edges(settings)) == {n: edges.tolist() for n, edges in newest.edges.items()}

    for run in range(runs):
        rng, killed = random.Random(run), replace(settings, prefix=f"{settings.prefix}{run}-")
        with crew(killed, WORKERS, tmp_path / f"killed-{run}") as workers, appended(killed, WATCHED) as look:
            write(killed)
            for share in sorted(rng.uniform(0, 0.7) for _ in range(2)):
                topic = rng.choice(WATCHED)
                workers.wait_for(topic, int(held[topic] * share), look)
                workers.kill(rng.choice(workers.members))
                workers.start()
            workers.drain()
        assert bins_outcome(killed) == expected, f"run {run}"
