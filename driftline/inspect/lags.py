"""The lag of each consumer group, and of the trainer.

The trainer is in no group, because its checkpoint holds its offsets. Its newest published model shows how far it is.
"""

import contextlib
import threading
from collections.abc import Iterator, Mapping

from contracts.records import ModelPublished
from contracts.settings import Settings
from contracts.topics import (
    BIN_COUNTS,
    CANDIDATES_SERVED,
    ENGAGEMENTS,
    EXAMPLES,
    FEATURE_UPDATES,
    TIMELINE_REQUESTS,
    TWEETS,
    VOCAB_COUNTS,
    Topic,
)
from driftline.inspect.logs import LogReader
from driftline.inspect.models import newest_model
from transport.kafka.admin import lags_over, topic_offsets
from transport.kafka.cluster import KafkaCluster
from transport.ports.kafka_admin import Admin, PartitionOffsets

# Consumer group -> the topics that it reads.
GROUPS: Mapping[str, tuple[Topic, ...]] = {
    "ingest": (TWEETS,),
    "engagements": (ENGAGEMENTS,),
    "join": (CANDIDATES_SERVED, ENGAGEMENTS),
    "vocabulary": (VOCAB_COUNTS,),
    "bins": (BIN_COUNTS,),
    "features": (FEATURE_UPDATES,),
    "scorer": (TIMELINE_REQUESTS,),
}


class LagMeter:
    """Reads lags repeatedly over one open connection. Thread-safe."""

    def __init__(self, admin: Admin) -> None:
        self._admin = admin
        # A read goes on in its thread after the task that waits for it was cancelled.
        self._lock = threading.Lock()

    @staticmethod
    @contextlib.contextmanager
    def connected(settings: Settings) -> Iterator["LagMeter"]:
        """A meter that is connected while the block runs. Raises `ServerUnavailable`, also from within the block."""
        with KafkaCluster(settings).admin() as admin:
            yield LagMeter(admin)

    def read(self, groups: Mapping[str, tuple[Topic, ...]] = GROUPS) -> dict[str, int]:
        """Group -> offsets not yet committed; all offsets for a group that has not committed any."""
        with self._lock:
            return lags_over(self._admin, groups)

    def members(self) -> dict[str, int]:
        """Group -> number of members; 0 unless the group is stable."""
        with self._lock:
            return self._admin.settled_members(list(GROUPS))


def trainer_lag(settings: Settings) -> int:
    """The number of records of `examples` that the newest published model has not learned from."""
    with LogReader.connected(settings) as logs:
        newest = newest_model(logs, settings.scorer.model)
    return not_learned(topic_offsets(settings, [EXAMPLES])[EXAMPLES.name], newest)


def not_learned(held: Mapping[int, PartitionOffsets], model: ModelPublished | None) -> int:
    """The number of records of `examples` that the model has not learned from. held: partition -> offsets."""
    learned: Mapping[int, int] = model.offsets if model else {}
    return sum(offsets.after(learned.get(partition, 0)) for partition, offsets in held.items())
