"""Which windows get a decision. A function of the log alone: it does not depend on when an owner looks.

Every window that a source counted in gets a decision. So do some of the empty windows after it: the 1st to the 16th,
then the 32nd, the 64th and each further power of two. Time goes on through a silence, at little cost.
"""

from collections.abc import Iterable, Iterator

_EVERY = 16


def decision_windows(decided: int, counted: int, waiting: Iterable[int], closed: int) -> Iterator[tuple[int, bool]]:
    """(window, whether a source counted in it) of every decision due, ascending, after `decided` and up to `closed`.

    decided: the newest window with a decision. counted: the newest decided window that a source counted in, 0 for
    none; empty windows before the first counted one get no decision. waiting: counted windows after `decided`.
    """
    for window in [*sorted(window for window in waiting if window <= closed), None]:
        if counted:
            end = closed + 1 if window is None else window
            for empty in _empty_windows(counted, end):
                if empty > decided:
                    yield empty, False
        if window is not None:
            yield window, True
            decided = counted = window


def _empty_windows(counted: int, end: int) -> Iterator[int]:
    """The windows of the empty run counted + 1 .. end - 1 that get a decision."""
    yield from range(counted + 1, min(counted + _EVERY, end - 1) + 1)
    after = 2 * _EVERY
    while counted + after < end:
        yield counted + after
        after *= 2
