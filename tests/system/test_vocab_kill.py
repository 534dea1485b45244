"""Workers killed at random points leave the vocabulary of a run that nobody killed, hash for hash.

Fifty runs over one log, each with kills of its own, drawn from its seed: at the offset that a topic of the vocabulary
has reached, transactions in flight included, or as soon as a successor has its partitions. One worker or both.
"""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from contracts.settings import Settings
from contracts.topics import VOCAB_COUNTS, VOCAB_DELTAS, VOCAB_STATE, Topic
from tests.support.drifting_stream import Row, drifting, drifting_rows
from tests.support.installation import PARTITIONS
from tests.support.vocab_outcome import outcome, states_written
from tests.support.vocab_runs import LOOK_S, Appended, Crew, appended, crew, forget, write_rows

TWEETS = 6_000
WORKERS = 2
BATCH_RECORDS = 20  # so that a kill falls among hundreds of transactions, and states are written
PLACES = (VOCAB_COUNTS, VOCAB_STATE, VOCAB_DELTAS)
LAST_PLACE = 0.7  # of what the run without kills appended: batches differ, and most points should be reached
MOST_KILLS = 2


def run_without_kills(settings: Settings, rows: Sequence[Row], folder: Path) -> dict[Topic, int]:
    """The offsets that each of `PLACES` held at the end."""
    with crew(settings, WORKERS, folder) as workers, appended(settings, PLACES) as look:
        write_rows(settings, rows)
        workers.drain()
        return {topic: look.offsets(topic) for topic in PLACES}


def run_with_kills(
    settings: Settings, rows: Sequence[Row], held: dict[Topic, int], rng: random.Random, folder: Path
) -> list[str]:
    """Where each kill fell, for people."""
    kills = []
    with crew(settings, WORKERS, folder) as workers, appended(settings, PLACES) as look:
        write_rows(settings, rows)
        for share in sorted(rng.uniform(0, LAST_PLACE) for _ in range(rng.randint(1, MOST_KILLS))):
            topic = rng.choice(PLACES)
            goal = int(held[topic] * share)
            workers.wait_for(topic, goal, look)
            kills.append(kill_some(workers, look, rng, f"{topic.name} past {goal}"))
            if rng.random() < 0.3:
                workers.wait_until(workers.all_own_some, poll_s=LOOK_S)
                kills.append(kill_some(workers, look, rng, "on taking over"))
        workers.drain()
    return kills


def kill_some(workers: Crew, look: Appended, rng: random.Random, where: str) -> str:
    """Kill one or both, and start as many."""
    victims = rng.sample(workers.members, rng.randint(1, WORKERS))
    for victim in victims:
        workers.kill(victim)
    in_flight = look.in_flight()
    for _ in victims:
        workers.start()
    return f"{len(victims)} killed, {where}, {in_flight} offsets in flight"


@pytest.mark.parametrize(
    "runs",
    [
        pytest.param(2, marks=pytest.mark.timeout(900)),
        pytest.param(50, marks=[pytest.mark.soak, pytest.mark.timeout(7_200)]),
    ],
)
def test_killed_workers_leave_the_vocabulary_of_a_run_without_kills(settings, tmp_path, runs):
    settings = drifting(settings, BATCH_RECORDS)
    rows = drifting_rows(TWEETS, seed=1)
    held = run_without_kills(settings, rows, tmp_path / "whole")
    expected = outcome(settings)
    assert states_written(settings) == set(range(PARTITIONS))
    assert expected.decided.evicted > 100
    for run in range(runs):
        killed = replace(settings, prefix=f"{settings.prefix}{run}-")
        kills = run_with_kills(killed, rows, held, random.Random(run), tmp_path / f"killed-{run}")
        print(f"run {run}: {'; '.join(kills)}", flush=True)
        assert outcome(killed) == expected, f"run {run}: {kills}"
        forget(killed)
