"""A tick says one time, and what is no tick is refused."""

import pytest

from contracts.errors import BadRecord
from eventtime.ticks import read_tick, tick_value


def test_a_tick_says_what_it_was_made_of() -> None:
    assert read_tick(tick_value(1_700_000_000_000)) == 1_700_000_000_000


@pytest.mark.parametrize("value", [None, b"", b"{}", b'{"v":9,"tick_ms":1700000000000}'])
def test_what_is_no_tick_is_a_bad_record(value: bytes | None) -> None:
    with pytest.raises(BadRecord):
        read_tick(value)
