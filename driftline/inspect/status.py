"""What runs, how far everything is, and what is waiting for what."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from contracts.records import TimeMode
from contracts.settings import Settings
from contracts.topics import EXAMPLES
from driftline.inspect import event_time
from driftline.inspect.event_time import Reached
from driftline.inspect.lags import GROUPS, LagMeter, not_learned
from driftline.inspect.logs import LogReader
from driftline.inspect.models import newest_model
from transport.kafka.cluster import KafkaCluster

SCORER = "scorer"


class HopStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A hop of the workers, or the scorer. running: processes that have partitions. behind: records to read."""

    hop: str
    running: int
    behind: int


class ModelStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The newest published model. age_s: wall clock since it was published."""

    name: str
    version: int
    age_s: float
    examples_seen: int


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """trainer: whether one runs with this data folder, None if that cannot be seen from here. trainer_behind: records
    of `examples` that the newest model has not learned from. examples: records there are. time: who moves event time.
    waiting: what is waiting for what, in words.
    """

    hops: list[HopStatus]
    trainer: bool | None
    trainer_behind: int
    examples: int
    time: str
    reached: list[Reached]
    model: ModelStatus | None
    waiting: list[str]


def status(settings: Settings, now_ms: int) -> Status:
    """Look at everything once. settings: installed ones. Raises `ServerUnavailable`."""
    with KafkaCluster(settings).admin() as admin:
        meter = LagMeter(admin)
        members, behind = meter.members(), meter.read()
        held = admin.offsets([EXAMPLES.name])[EXAMPLES.name]
    with LogReader.connected(settings) as logs:
        declared, reached = event_time.declaration(logs), event_time.reached(logs)
        newest = newest_model(logs, settings.scorer.model)
    found = Status(
        hops=[HopStatus(hop=hop, running=members[hop], behind=behind[hop]) for hop in GROUPS],
        trainer=trainer_runs(settings),
        trainer_behind=not_learned(held, newest),
        examples=sum(offsets.count for offsets in held.values()),
        time=f"replay of {declared.writer}" if declared and declared.mode is TimeMode.REPLAY else "live",
        reached=reached,
        model=None
        if newest is None
        else ModelStatus(
            name=newest.name,
            version=newest.version,
            age_s=(now_ms - newest.published_ms) / 1000,
            examples_seen=newest.examples_seen,
        ),
        waiting=[],
    )
    return msgspec.structs.replace(found, waiting=list(_waiting(settings, found)))


def trainer_runs(settings: Settings) -> bool | None:
    """Whether a process holds the lock of this folder's trainer (`trainer/checkpoint.py`); None without a folder."""
    lock = Path(settings.data_dir).resolve() / "trainer" / settings.trainer.name / "lock"
    try:
        of_lock = lock.stat()
        held = Path("/proc/locks").read_text()
    except OSError:
        return None
    device = f"{os.major(of_lock.st_dev):02x}:{os.minor(of_lock.st_dev):02x}:{of_lock.st_ino}"
    return any(device in line.split() for line in held.splitlines())


def _waiting(settings: Settings, found: Status) -> Iterator[str]:
    for hop in found.hops:
        if hop.behind and not hop.running:
            process = "scorer" if hop.hop == SCORER else "worker"
            start = f"`driftline {process}`, or `driftline run`"
            yield f"{hop.behind:,} records wait for {hop.hop}: no {process} runs ({start})"
    if found.model is None:
        yield _no_model(settings, found)
    elif found.trainer is False and found.trainer_behind:
        behind = f"{found.trainer_behind:,} records of examples"
        yield f"{behind} wait: no trainer runs in this folder (`driftline trainer`)"
    yield from _slow_partitions(settings, found.reached)


def _no_model(settings: Settings, found: Status) -> str:
    if not found.examples:
        after_s = settings.join.label_window_ms // 1000
        return (
            "no model yet, so timelines come in a fallback order: the trainer waits for examples, which are written "
            f"{after_s} s of event time after a timeline is served (join.label_window_ms)"
        )
    if not found.trainer:
        return f"no model yet: {found.examples:,} records of examples wait for `driftline trainer`"
    return (
        f"no model yet: the trainer publishes after {settings.trainer.publish_every_examples:,} examples, or "
        f"{settings.trainer.publish_every_ms // 1000:,} s of event time after the first one"
    )


def _slow_partitions(settings: Settings, reached: Sequence[Reached]) -> Iterator[str]:
    """Windows are decided once every partition has passed them."""
    newest = max((of.at_ms for of in reached), default=0)
    patience_ms = 2 * settings.time.window_ms + settings.time.lateness_ms
    for of in reached:
        if newest - of.at_ms > patience_ms:
            behind_s = (newest - of.at_ms) / 1000
            yield (
                f"event time on {of.topic}[{of.partition}] is {behind_s:,.0f} s behind the furthest partition, and "
                "decisions wait for it"
            )
