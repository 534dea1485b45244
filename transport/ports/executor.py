"""Work outside the calling thread. `concurrent.futures.ThreadPoolExecutor` implements the port with threads.

Code that needs threads takes a `StartThreads` and makes its executor with it, so that a simulator can pass an
executor that does the work inside `submit`. So work must end by itself: it may not wait for what its caller does
later.
"""

from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
ResultT = TypeVar("ResultT")


class Executor(Protocol):
    """A few threads, or a simulation of them. All methods may be called from any thread."""

    def submit(self, work: Callable[P, ResultT], /, *args: P.args, **kwargs: P.kwargs) -> Future[ResultT]:
        """Run `work(*args, **kwargs)`, at once or later; the future holds its result or its exception.

        On an event loop, `await asyncio.wrap_future(future)`. Raises `RuntimeError` after `shutdown`.
        """
        ...

    def shutdown(self) -> None:
        """Wait until all submitted work is done, and end the threads."""
        ...


StartThreads = Callable[[int, str], Executor]  # (at most so many threads, the beginning of their names)
