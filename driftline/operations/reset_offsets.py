"""Sets a hop's committed offsets to where its logs can be read on, after a person has decided to.

What the hop's processors keep stays: counts, decisions, clocks. Only what they would read again is given up, because
it is gone: repeats of records before the new offset are not recognized, and requests that were open are not joined.
"""

import contextlib
from collections.abc import Mapping
from enum import StrEnum

import msgspec

from contracts.errors import DriftlineError
from contracts.settings import Settings
from contracts.topics import FEATURE_UPDATES
from driftline.inspect.lags import GROUPS
from driftline.inspect.offsets import read_logs, starts
from featurestore.store.redis_layout import Keys
from streams.engagement_processor import EngagementProcessor
from streams.ingest_processor import first_metadata
from streams.join_processor import JoinProcessor
from transport.hop.position import Log, Verdict, from_committed, judge, to_committed
from transport.hop.standing import start_of
from transport.identity import read_redis, redis_key
from transport.kafka.cluster import KafkaCluster
from transport.ports.kafka_admin import Admin
from transport.ports.kafka_records import Committed, TopicPartition
from transport.processor import Position
from transport.redis.connection import connect_blocking


class CannotReset(DriftlineError):
    """The offsets cannot be set now, or not without a choice that was not made."""


class Target(StrEnum):
    """Where to go on."""

    BEGINNING = "beginning"
    END = "end"


class Reset(msgspec.Struct, frozen=True, kw_only=True):
    """What was, or would be, changed. before: None if nothing was committed."""

    topic: str
    partition: int
    verdict: Verdict
    before: int | None
    after: int


# Where a hop goes on if nobody says: what it has not read is read, what it has read is not read again.
_TARGETS = {Verdict.SHORTER: Target.END, Verdict.DELETED: Target.BEGINNING, Verdict.MADE_ANEW: Target.BEGINNING}


def reset(settings: Settings, hop: str, partition: int | None, target: Target | None, *, write: bool) -> list[Reset]:
    """Set the offsets of one partition number of `hop`, or of all. A partition that can be read on keeps its offset.

    Raises `CannotReset` for a hop or partition that does not exist or has never run, for one that still has members,
    and for one that needs a `target`; `ServerUnavailable`.
    """
    if hop not in GROUPS:
        raise CannotReset(f"there is no hop {hop!r}; there are {', '.join(GROUPS)}")
    began = {number: found for (name, number), found in sorted(starts(settings).items()) if name == hop}
    numbers = [number for number in began if partition in (None, number)]
    if not numbers:
        raise CannotReset(f"hop {hop} has never read {'a partition' if partition is None else f'{partition}'}")
    with KafkaCluster(settings).admin() as admin:
        _check_at_rest(admin, settings, hop)
        logs, committed = read_logs(admin), admin.committed([hop]).get(hop, {})
        moved: dict[TopicPartition, Position] = {}
        done = []
        for number in numbers:
            for at in (TopicPartition(topic.name, number) for topic in GROUPS[hop]):
                found = committed.get(at)
                verdict = judge(found, logs[at], began[number].topic_ids.get(at.topic))
                position = _moved(settings, hop, at, found, logs[at], verdict, target)
                moved[at] = position
                before = found.offset if found else None
                done.append(
                    Reset(topic=at.topic, partition=number, verdict=verdict, before=before, after=position.offset)
                )
        if write:
            if hop == "features":
                _rebase(settings, moved)
            admin.commit(hop, {at: to_committed(position) for at, position in moved.items()})
            _say_begun(settings, hop, moved)
    return done


def _check_at_rest(admin: Admin, settings: Settings, hop: str) -> None:
    if members := admin.members(hop):
        raise CannotReset(
            f"the group {settings.prefix}{hop} still has {members} members: stop the processes that run it "
            "(`driftline worker`, or `driftline scorer` for scorer); a killed one leaves after "
            f"{settings.hop.session_timeout_ms / 1000:.0f} s"
        )


def _moved(
    settings: Settings,
    hop: str,
    at: TopicPartition,
    found: Committed | None,
    log: Log,
    verdict: Verdict,
    target: Target | None,
) -> Position:
    position = from_committed(found) if found else None
    if position is not None and verdict is Verdict.OK:
        return position._replace(readable_from=max(position.readable_from, log.begin))
    chosen = target or _TARGETS.get(verdict)
    if chosen is None:
        raise CannotReset(
            f"nothing says how far hop {hop} has read {at.topic}[{at.partition}] ({verdict}), which holds offsets "
            f"{log.begin} to {log.end}: give `--to beginning` to read all of it, some of it for the second time, or "
            "`--to end` to skip what was not read"
        )
    offset = log.begin if chosen is Target.BEGINNING else log.end
    words = position.metadata if position else _first_metadata(settings, hop, at.partition)
    return Position(offset, words, log.topic_id, offset)


def _first_metadata(settings: Settings, hop: str, partition: int) -> str:
    """The metadata of a processor that has read nothing, where what was committed is lost."""
    match hop:
        case "ingest":
            return first_metadata(settings)
        case "engagements":
            return EngagementProcessor(settings, partition).metadata()
        case "join":
            return JoinProcessor(settings, partition).metadata()
    return ""


def _say_begun(settings: Settings, hop: str, moved: Mapping[TopicPartition, Position]) -> None:
    ids: dict[int, dict[str, str]] = {}
    for at, position in moved.items():
        ids.setdefault(at.partition, {})[at.topic] = position.topic_id
    with contextlib.closing(KafkaCluster(settings).producer()) as producer:
        producer.deliver([start_of(hop, number, of_number) for number, of_number in ids.items()])


def _rebase(settings: Settings, moved: Mapping[TopicPartition, Position]) -> None:
    """Make the owners' positions in Redis ascend, though their offsets begin anew: raise the `base` of
    `featurestore/store/redis_layout.py`."""
    keys = Keys(settings)
    with connect_blocking(settings) as redis:
        read_redis(settings, redis.get(redis_key(settings)))
        for at, position in moved.items():
            assert at.topic == FEATURE_UPDATES.name
            reached, base = redis.mget([keys.position(at.partition), keys.base(at.partition)])
            if int(reached or 0) - int(base or 0) > position.offset:
                redis.set(keys.base(at.partition), int(reached) - position.offset)
