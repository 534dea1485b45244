"""Dead letters are warnings, one a burst."""

import pytest

from contracts.records import DeadLetter
from streams.dead_letter_agent import BURST_S, Bursts


def letter(reason: str, offset: int) -> DeadLetter:
    return DeadLetter(reason=reason, detail="x", topic="tweets", partition=1, offset=offset, key=None, value=b"")


def test_a_burst_gets_one_line_and_its_number_with_the_next(caplog: pytest.LogCaptureFixture) -> None:
    now_s = 0.0
    bursts = Bursts(lambda: now_s)
    for offset in range(500):
        bursts.log(letter("malformed", offset))
    bursts.log(letter("time_ahead", 7))
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "malformed from tweets[1]@0: x; `driftline dead-letters list`" in caplog.messages[0]
    now_s = BURST_S
    bursts.log(letter("malformed", 501))
    assert "(and 499 more like it since the last line)" in caplog.messages[2]
