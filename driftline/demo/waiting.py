"""Waiting for the demo's processes: until they are ready, and until they have read everything."""

import asyncio
from collections.abc import Callable

from contracts.errors import DriftlineError
from contracts.settings import Settings
from driftline.demo.processes import Children
from driftline.inspect.examples import read_examples
from driftline.inspect.lags import LagMeter
from driftline.inspect.models import read_models

READY_TIMEOUT_S = 120.0  # imports of torch, faust and numba by three processes on two cores
DRAIN_TIMEOUT_S = 60.0
LEARN_TIMEOUT_S = 45.0  # for what the trainer has yet to learn once nobody else is behind
_LOOK_EVERY_S = 1.0
_SCORER = "scorer"


class NotReady(DriftlineError):
    """Processes that did not join their groups in time."""


class Watch:
    """What is looked at while waiting: that no child dies, how far behind the groups are, and what `also` looks at.

    `also` is called in a thread, as the meter is.
    """

    def __init__(
        self,
        children: Children,
        meter: LagMeter,
        stopping: asyncio.Event,
        clock_s: Callable[[], float],
        also: Callable[[], None],
    ) -> None:
        self._also = also
        self.children = children
        self.meter = meter
        self.stopping = stopping
        self.clock_s = clock_s

    async def look(self) -> dict[str, int]:
        """Group -> lag, after a moment. Raises `ChildFailed`."""
        await asyncio.sleep(_LOOK_EVERY_S)
        self.children.check()
        await asyncio.to_thread(self._also)
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


async def wait_until_drained(watch: Watch) -> dict[str, int]:
    """Until twice in a row nobody is behind, or time is up. Returns the lags then."""
    deadline = watch.clock_s() + DRAIN_TIMEOUT_S
    quiet = 0
    lags = await watch.look()
    while quiet < 2 and watch.clock_s() < deadline and not watch.stopping.is_set():
        lags = await watch.look()
        quiet = quiet + 1 if not any(lags.values()) else 0
    return lags


async def wait_until_learned(watch: Watch, settings: Settings) -> None:
    """Until the trainer has less to learn than a version and a batch take, or time is up.

    The rest is published when the trainer is asked to stop. Call it when the log of examples no longer grows.
    """
    rest = settings.trainer.publish_every_examples + settings.trainer.batch_size
    deadline = watch.clock_s() + LEARN_TIMEOUT_S
    examples = await asyncio.to_thread(_count_examples, settings)
    while watch.clock_s() < deadline and not watch.stopping.is_set():
        learned = await asyncio.to_thread(_count_learned, settings)
        await watch.look()
        if examples - learned < rest:
            return


def _count_examples(settings: Settings) -> int:
    return sum(len(examples) for _, examples in read_examples(settings))


def _count_learned(settings: Settings) -> int:
    return max((model.examples_seen for model in read_models(settings, settings.trainer.name)), default=0)
