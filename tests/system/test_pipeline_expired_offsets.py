"""Owners whose committed offsets have expired go on from their own state, and send no decision twice."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from contracts.settings import Settings
from tests.support.drifting_stream import drifting, drifting_rows
from tests.support.installation import PARTITIONS
from tests.support.vocab_outcome import outcome, states_written
from tests.support.vocab_runs import crew, write_rows
from transport.kafka.cluster import KafkaCluster

TWEETS = 6_000
BATCH_RECORDS = 20
OWNERS = ["vocabulary", "bins", "features"]


@pytest.mark.timeout(900)
def test_owners_go_on_from_their_own_state_when_their_offsets_have_expired(
    settings: Settings, tmp_path: Path
) -> None:
    settings = drifting(settings, BATCH_RECORDS)
    rows = drifting_rows(TWEETS, seed=1)
    with crew(settings, 1, tmp_path / "whole") as workers:
        write_rows(settings, rows)
        workers.drain()
    expected = outcome(settings)

    expired = replace(settings, prefix=f"{settings.prefix}expired-")
    cut = len(rows) * 9 // 10
    with crew(expired, 1, tmp_path / "first") as workers:
        write_rows(expired, rows[:cut])
        workers.drain()
        workers.members[0].terminate()
    assert states_written(expired) == set(range(PARTITIONS))
    with KafkaCluster(expired).admin() as admin:
        admin.forget(OWNERS)
    with crew(expired, 1, tmp_path / "second") as workers:
        write_rows(expired, rows[cut:])
        workers.drain()
        said = workers.members[0].said()
    for hop in OWNERS:
        assert f"hop {hop}, partition 0: its committed offsets expired" in said
    assert outcome(expired) == expected
