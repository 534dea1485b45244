"""What the blocking clients rely on was read in the version that is installed."""

from importlib.metadata import version

from transport.kafka import blocking_clients


def test_the_version_that_was_read_is_the_one_installed() -> None:
    assert version("kafka-python") == blocking_clients.READ_IN
