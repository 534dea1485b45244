"""Implementations that count and look up keys, ours and others, behind one interface, each in its own process.

    python -m benchmarks.vocab.implementations NAME LIVE_KEYS SEED

fills NAME with LIVE_KEYS keys and prints a line of JSON. For every line on standard input it then measures a round,
and prints its figures as JSON. Ours is the vocabulary's owner and a replica. Only it imports the project, so that
TorchRec can run in another environment.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable
from time import process_time
from typing import Any, ClassVar, Protocol

import numpy as np

from benchmarks.processes import own_resident_bytes
from benchmarks.vocab.draws import U64, Draws, live_keys

WINDOW_TOKENS = 1_000_000
LOOKED_UP = 1_000_000


class Implementation(Protocol):
    """Counts keys and looks them up."""

    def convert(self, keys: U64) -> Any:
        """Keys as the arguments of `count` and `look_up`. Not timed."""

    def count(self, tokens: Any) -> None:
        """Count a window's tokens."""

    def look_up(self, keys: Any) -> None:
        """Look up every key."""

    def own_bytes(self) -> int | None:
        """The memory that it reports for itself, None if it does not."""


class Ours:
    """An owner and a replica. Counting means: sum a window, observe it, decide. The replica looks up."""

    def __init__(self, live: U64) -> None:
        from benchmarks.vocab.owner import filled_owner, view_of

        self._owner = filled_owner(live)
        self._view = view_of(live)

    def convert(self, keys: U64) -> U64:
        return keys

    def count(self, tokens: U64) -> None:
        from benchmarks.vocab.owner import count_window

        count_window(self._owner, tokens)

    def look_up(self, keys: U64) -> None:
        self._view.lookup(keys)

    def own_bytes(self) -> int | None:
        return self._owner.state.tracked.nbytes


class Replica(Ours):
    """A replica alone, to measure its memory."""

    def __init__(self, live: U64) -> None:
        from benchmarks.vocab.owner import view_of

        self._view = view_of(live)

    def own_bytes(self) -> int | None:
        view = self._view
        return sum(column.nbytes for column in (view.keys, view.slots, view.generations, view.index.starts))


class Dict:
    """A dictionary of Python integers, key -> count, counted by `Counter.update`, which is written in C."""

    def __init__(self, live: U64) -> None:
        self._counts = Counter(live.tolist())

    def convert(self, keys: U64) -> list[int]:
        converted: list[int] = keys.tolist()
        return converted

    def count(self, tokens: list[int]) -> None:
        self._counts.update(tokens)

    def look_up(self, keys: list[int]) -> None:
        get = self._counts.get
        [get(key, -1) for key in keys]

    def own_bytes(self) -> int | None:
        return None


class Sketch:
    """Apache DataSketches' frequent items, with room for all keys; approximate, and without decay."""

    kind: ClassVar[str] = "frequent_strings_sketch"

    def __init__(self, live: U64) -> None:
        import datasketches

        self._sketch = getattr(datasketches, self.kind)(int(np.ceil(np.log2(len(live) / 0.75))))
        self.count(self.convert(live))

    def convert(self, keys: U64) -> list[Any]:
        return [f"{key:016x}" for key in keys.tolist()]

    def count(self, tokens: list[Any]) -> None:
        update = self._sketch.update
        for token in tokens:
            update(token)

    def look_up(self, keys: list[Any]) -> None:
        estimate = self._sketch.get_estimate
        [estimate(key) for key in keys]

    def own_bytes(self) -> int | None:
        return None


class ObjectSketch(Sketch):
    """The same for Python objects, here integers."""

    kind = "frequent_items_sketch"

    def convert(self, keys: U64) -> list[Any]:
        return keys.tolist()


class TorchRec:
    """TorchRec's managed collisions: as many slots as keys; evicts the least frequently used keys every window."""

    def __init__(self, live: U64) -> None:
        import torch
        from torchrec.modules.mc_modules import LFU_EvictionPolicy, MCHManagedCollisionModule
        from torchrec.sparse.jagged_tensor import JaggedTensor

        torch.set_num_threads(1)
        self._tensors, self._torch = JaggedTensor, torch
        self._module = MCHManagedCollisionModule(
            zch_size=len(live),
            device=torch.device("cpu"),
            eviction_policy=LFU_EvictionPolicy(),
            eviction_interval=1,
            input_hash_size=1 << 62,
        )
        # Its buffer is as large as the first batch; it drops the rest of larger batches.
        self.count(self.convert(np.resize(live, max(len(live), WINDOW_TOKENS))))

    def convert(self, keys: U64) -> Any:
        values = self._torch.from_numpy((keys >> np.uint64(2)).astype(np.int64))
        return {"key": self._tensors(values=values, lengths=self._torch.ones(len(values), dtype=self._torch.int64))}

    def count(self, tokens: Any) -> None:
        self._module.profile(tokens)

    def look_up(self, keys: Any) -> None:
        self._module.remap(keys)

    def own_bytes(self) -> int | None:
        return sum(buffer.nbytes for buffer in self._module.buffers())


IMPLEMENTATIONS: dict[str, Callable[[U64], Implementation]] = {
    "driftline": Ours,
    "driftline, a replica": Replica,
    "dict of int": Dict,
    "frequent_strings": Sketch,
    "frequent_items": ObjectSketch,
    "TorchRec": TorchRec,
}
REPLICA = "driftline, a replica"


def main() -> None:
    """Fill the implementation, then measure a round for every line on standard input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=IMPLEMENTATIONS)
    parser.add_argument("live", type=int)
    parser.add_argument("seed", type=int)
    arguments = parser.parse_args()
    live = live_keys(arguments.live, arguments.seed)
    draws = Draws(live, arguments.seed + 1)
    IMPLEMENTATIONS[arguments.name](live[: min(len(live), 1000)])  # imports and compiles
    before = own_resident_bytes()
    implementation = IMPLEMENTATIONS[arguments.name](live)
    resident = own_resident_bytes() - before
    say({"own_bytes": implementation.own_bytes(), "resident_bytes": resident})
    counts = arguments.name != REPLICA
    for _ in sys.stdin:
        window, zipf, uniform = (
            implementation.convert(keys)
            for keys in (draws.window(WINDOW_TOKENS), draws.zipf(LOOKED_UP), draws.uniform(LOOKED_UP))
        )
        figures = {
            "zipf": LOOKED_UP / seconds(implementation.look_up, zipf),
            "uniform": LOOKED_UP / seconds(implementation.look_up, uniform),
        }
        if counts:
            figures["count"] = WINDOW_TOKENS / seconds(implementation.count, window)
        say(figures)


def seconds(work: Callable[[Any], None], argument: Any) -> float:
    """CPU time of one call."""
    begin = process_time()
    work(argument)
    return process_time() - begin


def say(figures: dict[str, Any]) -> None:
    """Print one line of JSON."""
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
