"""A broker that is away is reported, not shouted about."""

import logging

from aiokafka.errors import KafkaError

from transport.kafka.client_logs import INTERVAL_S, OncePerInterval


def record(name: str, at_s: float, node: int = 1) -> logging.LogRecord:
    made = logging.LogRecord(name, logging.ERROR, "", 0, "Unable connect to node with id %s", (node,), None)
    made.created = at_s
    return made


def test_a_client_says_the_same_thing_once_in_an_interval() -> None:
    passes = OncePerInterval().filter
    assert passes(record("aiokafka", 1000.0))
    assert not passes(record("aiokafka", 1000.0 + INTERVAL_S / 2, node=2))
    assert passes(record("aiokafka.producer.sender", 1000.0))
    assert passes(record("aiokafka", 1000.0 + INTERVAL_S))


def test_a_stack_trace_of_a_client_is_left_out() -> None:
    made = record("aiokafka", 1000.0)
    made.exc_info = (ValueError, ValueError("x"), None)
    assert OncePerInterval().filter(made)
    assert made.exc_info is None


def test_our_own_lines_always_pass() -> None:
    passes = OncePerInterval().filter
    assert all(passes(record("transport.hop.hop", 1000.0)) for _ in range(3))


def test_what_a_client_forgot_is_left_out_and_what_we_forgot_is_not() -> None:
    passes = OncePerInterval().filter
    theirs, ours = record("asyncio", 1000.0), record("asyncio", 1000.0)
    theirs.exc_info = (KafkaError, KafkaError("gone"), None)
    ours.exc_info = (ValueError, ValueError("x"), None)
    assert passes(theirs)
    assert theirs.exc_info is None
    assert all(passes(ours) for _ in range(3))
    assert ours.exc_info is not None


def test_a_producer_that_waits_for_its_last_transaction_says_nothing() -> None:
    passes = OncePerInterval().filter
    made = record("aiokafka.producer.sender", 1000.0)
    made.msg, made.args = "Got error produce response, retrying. Error: %s", ("NotEnoughReplicasError",)
    assert not passes(made)
