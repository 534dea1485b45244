"""Work beside the thread that asks for it. `concurrent.futures.ThreadPoolExecutor` is the one on threads.

Code that needs threads takes a `StartThreads` and makes its executor by it, so that a simulator can hand over one
that does the work within `submit`. Work must therefore end by itself: it may not wait for what its caller does later.
"""

from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
ResultT = TypeVar("ResultT")


class Executor(Protocol):
    """A few threads, or the semblance of them. All methods may be called from any thread."""

    def submit(self, work: Callable[P, ResultT], /, *args: P.args, **kwargs: P.kwargs) -> Future[ResultT]:
        """Have `work(*args, **kwargs)` done, at once or later; the future has what it returns or raises.

        On an event loop, `await asyncio.wrap_future(future)`. Raises `RuntimeError` after `shutdown`.
        """
        ...

    def shutdown(self) -> None:
        """Return once all submitted work is done, and let the threads go."""
        ...


StartThreads = Callable[[int, str], Executor]  # (at most so many threads, the beginning of their names)
