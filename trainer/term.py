"""A trainer's term: the time in which one process alone may announce models of a name. Its epoch numbers it.

The epoch comes from the log: it is higher than that of every term on `trainer-terms` and of every announced model. So
a trainer that lost its disk is served again, and of two trainers on two disks the later one fences the other.

Whatever the trainer sends goes through the transactional id of its model's name. Owning that fences everyone who
owned it before; then the log says whether there is a later term. If there is none, what is sent in the same ownership
can only be committed as long as that stays so.
"""

import contextlib
import os
import socket
from collections.abc import Sequence

from contracts.codec import Codec, serialize
from contracts.errors import BadRecord, DriftlineError
from contracts.records import ModelPublished, TrainerTerm
from contracts.topics import MODELS, TRAINER_TERMS
from transport.kafka.state_log import read_partition_blocking
from transport.ports.kafka import Kafka
from transport.ports.kafka_records import Fenced, Output

_term_of = Codec(TrainerTerm).deserialize
_published_of = Codec(ModelPublished).deserialize


class TermEnded(DriftlineError):
    """Another trainer of the same name has begun a later term."""


class Term:
    """The term that `begin` began."""

    def __init__(self, kafka: Kafka, name: str, epoch: int, announced: ModelPublished | None) -> None:
        """announced: the newest model of the name on `models` when the term began."""
        self._kafka = kafka
        self._name = name
        self.epoch = epoch
        self.announced = announced

    @staticmethod
    def begin(kafka: Kafka, name: str) -> "Term":
        """Begin a term, which ends the former one of `name`.

        Raises `ServerUnavailable` and `KafkaFailed`.
        """
        while True:
            # Fenced: another trainer begins or announces at this moment, and what was read may not be the newest.
            with contextlib.suppress(Fenced), kafka.own_blocking(_owner_of(name)) as producer:
                newest, announced = _newest_term(kafka, name), _newest_announced(kafka, name)
                epoch = 1 + max(newest.epoch if newest else 0, announced.epoch if announced else 0)
                term = TrainerTerm(name=name, epoch=epoch, trainer=f"process {os.getpid()} on {socket.gethostname()}")
                producer.deliver([Output(TRAINER_TERMS.name, serialize(term), name.encode(), partition=0)])
                return Term(kafka, name, epoch, announced)

    def deliver(self, outputs: Sequence[Output]) -> None:
        """Send `outputs` in one transaction, as long as this is the newest term.

        Raises `TermEnded`, `ServerUnavailable` and `KafkaFailed`.
        """
        while True:
            # Fenced: someone begins a term just now, and the log will say so, or was itself fenced by us.
            with contextlib.suppress(Fenced), self._kafka.own_blocking(_owner_of(self._name)) as producer:
                self._check()
                producer.deliver(outputs)
                return

    def _check(self) -> None:
        newest = _newest_term(self._kafka, self._name)
        if newest is not None and newest.epoch > self.epoch:
            raise TermEnded(
                f"another trainer of {self._name} has begun: {newest.trainer}, epoch {newest.epoch}; this one, epoch "
                f"{self.epoch}, publishes nothing more. Run one trainer for each model, or give this one a name of "
                "its own with DRIFTLINE_TRAINER_NAME"
            )


def _owner_of(name: str) -> str:
    return f"trainer-{name}"


def _newest_term(kafka: Kafka, name: str) -> TrainerTerm | None:
    """The term of `name` with the highest epoch. Raises `BadRecord` for a record of another kind."""
    with contextlib.closing(kafka.blocking_consumer()) as consumer:
        terms = [
            _term_of(record.value or b"")
            for records in read_partition_blocking(consumer, TRAINER_TERMS, 0)
            for record in records
            if record.key == name.encode()
        ]
    return max(terms, key=lambda term: term.epoch, default=None)


def _newest_announced(kafka: Kafka, name: str) -> ModelPublished | None:
    """The announced model of `name` with the highest (epoch, version); what cannot be read is passed over."""
    newest: ModelPublished | None = None
    with contextlib.closing(kafka.blocking_consumer()) as consumer:
        for records in read_partition_blocking(consumer, MODELS, 0):
            for record in records:
                with contextlib.suppress(BadRecord):  # scorers log it, and it has no epoch to go by
                    found = _published_of(record.value or b"")
                    if found.name == name and (newest is None or _place(found) > _place(newest)):
                        newest = found
    return newest


def _place(published: ModelPublished) -> tuple[int, int]:
    return published.epoch, published.version
