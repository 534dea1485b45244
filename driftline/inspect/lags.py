"""How far each consumer group is behind the logs that it reads.

The trainer belongs to no group, its checkpoint holds its offsets; what it has published says how far it is.
"""

import contextlib
import threading
from collections.abc import Iterator, Mapping

from kafka import KafkaAdminClient
from kafka.errors import CoordinatorLoadInProgressError, CoordinatorNotAvailableError, NotCoordinatorError

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
from driftline.inspect.models import read_models
from transport.kafka.admin import lags_over, topic_offsets
from transport.kafka.clients import admin

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

# Of a cluster whose first group has just come: the topic of offsets is still being made.
_NO_GROUPS_YET = (CoordinatorNotAvailableError, CoordinatorLoadInProgressError, NotCoordinatorError)


class LagMeter:
    """Asks again and again over one connection that stays open; for any thread."""

    def __init__(self, settings: Settings, client: KafkaAdminClient) -> None:
        self._settings = settings
        self._client = client
        self._lock = threading.Lock()  # a reading whose waiter was cancelled goes on in its thread

    @staticmethod
    @contextlib.contextmanager
    def connected(settings: Settings) -> Iterator["LagMeter"]:
        """A meter for the time of the block. Raises `ServerUnavailable`, in the block too."""
        with admin(settings) as client:
            yield LagMeter(settings, client)

    def read(self) -> dict[str, int]:
        """Group -> offsets that it has yet to commit; all of them, for one that has not begun."""
        with self._lock:
            return lags_over(self._client, self._settings, GROUPS)

    def members(self) -> dict[str, int]:
        """Group -> how many members hold partitions, once its assignment is settled; else 0."""
        prefix = self._settings.prefix
        members = dict.fromkeys(GROUPS, 0)
        with self._lock, contextlib.suppress(*_NO_GROUPS_YET):
            stable = {group["group_id"] for group in self._client.list_groups(states_filter=["Stable"])}
            names = [prefix + group for group in GROUPS if prefix + group in stable]
            for name, described in self._client.describe_groups(names).items() if names else ():
                members[name.removeprefix(prefix)] = len(described["members"])
        return members


def trainer_lag(settings: Settings) -> int:
    """Records of `examples` that the newest published model has not learned from."""
    learned: Mapping[int, int] = {}
    for model in read_models(settings, settings.scorer.model):
        learned = model.offsets
    held = topic_offsets(settings, [EXAMPLES])[EXAMPLES.name]
    return sum(offsets.after(learned.get(partition, 0)) for partition, offsets in held.items())
