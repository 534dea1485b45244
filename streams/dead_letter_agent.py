"""The Faust agent that watches the dead-letter topics: each letter gets a log line and counts by topic and reason."""

import logging
from typing import Any

from contracts.codec import Codec
from contracts.errors import BadRecord
from contracts.records import DeadLetter
from transport.metrics import DEAD_LETTERS

log = logging.getLogger(__name__)

_deserialize = Codec(DeadLetter).deserialize


async def watch_dead_letters(stream: Any) -> None:
    """Count every dead letter of the installation, one at a time, because there are few."""
    async for value in stream:
        try:
            letter = _deserialize(value)
        except BadRecord as error:
            log.warning("malformed dead letter: %s", error)
            continue
        DEAD_LETTERS.labels(topic=letter.topic, reason=letter.reason).inc()
        log.info(
            "dead letter: %s from %s[%d]@%d: %s",
            letter.reason,
            letter.topic,
            letter.partition,
            letter.offset,
            letter.detail,
        )
