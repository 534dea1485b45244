"""A broker that cannot be reached is named; what is left to a reader."""

import pytest

from contracts.errors import ServerUnavailable, SettingsError
from contracts.settings import Settings
from transport.kafka import admin as kafka_admin
from transport.kafka.admin import PartitionOffsets


def test_a_broker_that_is_not_there_is_named_with_its_setting() -> None:
    with pytest.raises(ServerUnavailable, match=r"127\.0\.0\.1:1 \(setting DRIFTLINE_KAFKA\)"):
        kafka_admin.check_reachable(Settings(kafka="127.0.0.1:1"))


def test_an_address_without_a_port_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"DRIFTLINE_KAFKA: 'localhost' is not host:port"):
        kafka_admin.check_reachable(Settings(kafka="localhost"))


def test_what_is_left_to_a_reader_is_what_is_still_held_from_its_offset_on() -> None:
    held = PartitionOffsets(3, 10)
    assert [held.after(offset) for offset in (0, 3, 7, 10, 12)] == [7, 7, 3, 0, 0]
