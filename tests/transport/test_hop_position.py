"""What a hop commits with an offset comes back, and tells whether the log can still be read from there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.hop.position import Log, Verdict, explain, from_committed, judge, to_committed
from transport.ports.kafka_records import Committed
from transport.processor import MAX_METADATA_BYTES, Position

ID, OTHER = "0b7e6a52-3c58-4d6f-9c2e-7d1f0a3b5c81", "23a20f32-9aa8-4c4e-a19f-e2672d252aa9"
OFFSETS = st.integers(0, 2**62)


@given(OFFSETS, st.text(max_size=200), OFFSETS, st.uuids().map(str))
def test_what_is_committed_comes_back(offset: int, metadata: str, readable_from: int, topic_id: str) -> None:
    position = Position(offset, metadata, topic_id, readable_from)
    assert from_committed(to_committed(position)) == position


@pytest.mark.parametrize("metadata", ["", "{}", "5", f"{ID} ", f"{ID} x y", f"{ID[1:]} 0 "])
def test_what_another_program_committed_is_known_as_such(metadata: str) -> None:
    assert from_committed(Committed(5, metadata)) is None
    assert judge(Committed(5, metadata), Log(ID, 0, 10)) is Verdict.FOREIGN


def test_metadata_that_the_broker_would_refuse_is_refused_before() -> None:
    to_committed(Position(0, "x" * (MAX_METADATA_BYTES - 100), ID))
    with pytest.raises(ValueError, match="is past"):
        to_committed(Position(0, "x" * MAX_METADATA_BYTES, ID))


@pytest.mark.parametrize(
    ("offset", "log", "verdict"),
    [
        (0, Log(ID, 0, 0), Verdict.OK),
        (10, Log(ID, 0, 10), Verdict.OK),
        (3, Log(ID, 3, 10), Verdict.OK),
        (11, Log(ID, 0, 10), Verdict.SHORTER),
        (2, Log(ID, 3, 10), Verdict.DELETED),
        (5, Log(OTHER, 0, 10), Verdict.MADE_ANEW),
        (11, Log(OTHER, 0, 10), Verdict.MADE_ANEW),
    ],
)
def test_whether_a_log_can_be_read_on(offset: int, log: Log, verdict: Verdict) -> None:
    assert judge(to_committed(Position(offset, "", ID)), log) is verdict


def test_a_missing_offset_is_told_from_a_topic_that_took_it_along() -> None:
    log = Log(ID, 0, 10)
    assert judge(None, log) is Verdict.NEW
    assert judge(None, log, ID) is Verdict.NEW
    assert judge(None, log, OTHER) is Verdict.MADE_ANEW


def test_every_verdict_is_explained() -> None:
    assert len({explain(verdict, 5, Log(ID, 0, 10)) for verdict in Verdict}) == len(Verdict)
