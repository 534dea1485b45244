"""Waits for the demo's processes: until they are ready, have read everything, and have learned."""

import asyncio
from collections.abc import Callable

from contracts.errors import DriftlineError
from contracts.settings import Settings
from driftline.demo.processes import Children
from driftline.inspect.examples import read_examples
from driftline.inspect.lags import LagMeter
from driftline.inspect.models import read_models

READY_TIMEOUT_S = 120.0  # three processes import torch, faust and numba on two cores
DRAIN_TIMEOUT_S = 60.0
LEARN_TIMEOUT_S = 45.0  # for the trainer to learn the rest once all others have drained
_LOOK_EVERY_S = 1.0
_SCORER = "scorer"


class NotReady(DriftlineError):
    """Some processes did not join their consumer groups in time."""


class Watch:
    """What to check while waiting: that no child has died, the groups' lags, and whatever `also` checks.

    `also` and the meter are called in a thread.
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
        """Wait a second, then return group -> lag. Raises `ChildFailed`."""
        await asyncio.sleep(_LOOK_EVERY_S)
        self.children.check()
        await asyncio.to_thread(self._also)
        return await asyncio.to_thread(self.meter.read)


async def wait_until_ready(watch: Watch, workers: int) -> None:
    """Wait until every group has its members, or `stopping` is set. Raises `NotReady` and `ChildFailed`.

    The trainer is in no group. It need not be ready: it reads the examples from the first one, whenever it starts.
    """
    deadline = watch.clock_s() + READY_TIMEOUT_S
    while not watch.stopping.is_set():
        watch.children.check()
        members = await asyncio.to_thread(watch.meter.members)
        missing = [group for group, count in members.items() if count < (1 if group == _SCORER else workers)]
        if not missing:
            return
        if watch.clock_s() > deadline:
            names = ", ".join(missing)
            raise NotReady(
                f"after {READY_TIMEOUT_S:.0f} s these consumer groups have too few members: {names}; "
                "see the logs of the processes"
            )
        await asyncio.sleep(_LOOK_EVERY_S)


async def wait_until_drained(watch: Watch) -> dict[str, int]:
    """Wait until all lags are 0 twice in a row, or `DRAIN_TIMEOUT_S` has passed. Returns the last lags."""
    deadline = watch.clock_s() + DRAIN_TIMEOUT_S
    quiet = 0
    lags = await watch.look()
    while quiet < 2 and watch.clock_s() < deadline and not watch.stopping.is_set():
        lags = await watch.look()
        quiet = quiet + 1 if not any(lags.values()) else 0
    return lags


async def wait_until_learned(watch: Watch, settings: Settings) -> None:
    """Wait until the trainer has fewer examples left than a version and a batch take, or until the timeout.

    The trainer publishes the rest when it is asked to stop. Call this once the log of examples no longer grows.
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
