"""Waiting for the demo's processes: until they are ready, and until they have read everything."""

import asyncio
from collections.abc import Callable

from contracts.errors import DriftlineError
from contracts.settings import Settings
from driftline.demo.processes import Children
from driftline.inspect.lags import LagMeter
from driftline.inspect.models import read_models

READY_TIMEOUT_S = 120.0  # imports of torch, faust and numba by three processes on two cores
DRAIN_TIMEOUT_S = 60.0
SETTLED_S = 4.0  # a trainer that publishes nothing for so long has learned what there is
_LOOK_EVERY_S = 1.0
_SCORER = "scorer"


class NotReady(DriftlineError):
    """Processes that did not join their groups in time."""


class Watch:
    """What is looked at while waiting: that no child dies, and how far behind the groups are."""

    def __init__(
        self, children: Children, meter: LagMeter, stopping: asyncio.Event, clock_s: Callable[[], float]
    ) -> None:
        self.children = children
        self.meter = meter
        self.stopping = stopping
        self.clock_s = clock_s

    async def look(self) -> dict[str, int]:
        """Group -> lag, after a moment. Raises `ChildFailed`."""
        await asyncio.sleep(_LOOK_EVERY_S)
        self.children.check()
        return await asyncio.to_thread(self.meter.read)


async def wait_until_ready(watch: Watch, workers: int) -> None:
    """Until every group has its members, or `stopping`. Raises `NotReady` and `ChildFailed`.

    The trainer belongs to no group: it begins with the first example whenever it is there.
    """
    deadline = watch.clock_s() + READY_TIMEOUT_S
    while not watch.stopping.is_set():
        watch.children.check()
        members = await asyncio.to_thread(watch.meter.members)
        missing = [group for group, count in members.items() if count < (1 if group == _SCORER else workers)]
        if not missing:
            return
        if watch.clock_s() > deadline:
            raise NotReady(f"after {READY_TIMEOUT_S:.0f} s nobody had joined the groups {', '.join(missing)}")
        await asyncio.sleep(_LOOK_EVERY_S)


async def wait_until_drained(watch: Watch, settings: Settings) -> dict[str, int]:
    """Until twice in a row nobody is behind and the trainer has settled, or time is up. Returns the lags then."""
    deadline = watch.clock_s() + DRAIN_TIMEOUT_S
    quiet = 0
    lags = await watch.look()
    while quiet < 2 and watch.clock_s() < deadline and not watch.stopping.is_set():
        lags = await watch.look()
        quiet = quiet + 1 if not any(lags.values()) else 0
    published, since = -1, watch.clock_s()
    while watch.clock_s() - since < SETTLED_S and watch.clock_s() < deadline and not watch.stopping.is_set():
        found = await asyncio.to_thread(_count_models, settings)
        if found != published:
            published, since = found, watch.clock_s()
        lags = await watch.look()
    return lags


def _count_models(settings: Settings) -> int:
    return sum(1 for _ in read_models(settings, settings.trainer.name))
