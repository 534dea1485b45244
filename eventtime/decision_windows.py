"""Which windows get a decision: a function of the log alone, whenever and however often an owner looks.

A window that any source counted in gets one. Of the run of empty windows after it, the 1st to 16th and then each
power of two (32nd, 64th, ...) do: time goes on where nothing happens, at a cost that does not.
"""

from collections.abc import Iterable, Iterator

_EVERY = 16


def decision_windows(decided: int, counted: int, waiting: Iterable[int], closed: int) -> Iterator[tuple[int, bool]]:
    """(window, whether it was counted in), ascending: those due after `decided`, up to `closed`.

    decided: the newest window with a decision. counted: the newest such that was counted in; 0 for none, and
    empty windows before the first counted one get no decision. waiting: counted windows after `decided`.
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
    """Those of the run counted + 1 .. end - 1 that get a decision."""
    yield from range(counted + 1, min(counted + _EVERY, end - 1) + 1)
    after = 2 * _EVERY
    while counted + after < end:
        yield counted + after
        after *= 2
