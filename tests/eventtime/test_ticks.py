"""A tick says one time and one epoch, and what is no tick is refused."""

import pytest

from contracts.errors import BadRecord
from contracts.records import Tick
from eventtime.ticks import read_tick, tick_value


def test_a_tick_says_what_it_was_made_of() -> None:
    assert read_tick(tick_value(1_700_000_000_000)) == Tick(tick_ms=1_700_000_000_000, epoch=0)
    assert read_tick(tick_value(1_700_000_000_000, epoch=3)).epoch == 3


@pytest.mark.parametrize("value", [None, b"", b"{}", b'{"v":9,"tick_ms":1700000000000}'])
def test_what_is_no_tick_is_a_bad_record(value: bytes | None) -> None:
    with pytest.raises(BadRecord):
        read_tick(value)
