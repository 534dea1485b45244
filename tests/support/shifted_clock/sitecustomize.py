"""Shifts the wall clock by `SHIFTED_CLOCK_S` seconds in every Python that has this folder on its PYTHONPATH.

Python imports `sitecustomize` before anything else, so all later users of `time.time` get the shifted one. It shifts
the real-time functions of `time` and `datetime`, but not monotonic and CPU clocks. C code that asks the kernel sees
the true clock, and so do the servers.
"""

import datetime
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

SHIFT_S = int(os.environ["SHIFTED_CLOCK_S"])
SHIFT_NS = SHIFT_S * 1_000_000_000
REAL_CLOCKS = {time.CLOCK_REALTIME, time.CLOCK_TAI}

_time, _time_ns = time.time, time.time_ns
_clock_gettime, _clock_gettime_ns = time.clock_gettime, time.clock_gettime_ns
_datetime, _date = datetime.datetime, datetime.date


def _now() -> float:
    return _time() + SHIFT_S


def _of_now(function: Callable[..., Any], seconds: float | None = None) -> Any:
    """Call `time.localtime` and the like, which use the present time if they are given none."""
    return function(_now() if seconds is None else seconds)


class _AlsoReal(type):
    """C code makes instances of the real class; they must count as instances of the class that replaces it."""

    def __instancecheck__(cls, instance: object) -> bool:
        if cls in _REAL:
            return isinstance(instance, _REAL[cls])
        return super().__instancecheck__(instance)


class _ShiftedDatetime(_datetime, metaclass=_AlsoReal):
    __slots__ = ()  # compiled modules check that the size equals that of the real class

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> "_ShiftedDatetime":
        return cls.fromtimestamp(_now(), tz)

    @classmethod
    def utcnow(cls) -> "_ShiftedDatetime":
        return cls.fromtimestamp(_now(), datetime.UTC).replace(tzinfo=None)

    @classmethod
    def today(cls) -> "_ShiftedDatetime":
        return cls.now()


class _ShiftedDate(_date, metaclass=_AlsoReal):
    __slots__ = ()

    @classmethod
    def today(cls) -> "_ShiftedDate":
        return cls.fromtimestamp(_now())


_REAL: dict[type, type] = {_ShiftedDatetime: _datetime, _ShiftedDate: _date}

time.time = _now
time.time_ns = lambda: _time_ns() + SHIFT_NS
time.clock_gettime = lambda clock: _clock_gettime(clock) + (SHIFT_S if clock in REAL_CLOCKS else 0)
time.clock_gettime_ns = lambda clock: _clock_gettime_ns(clock) + (SHIFT_NS if clock in REAL_CLOCKS else 0)
# Partial, not plain functions: `logging` keeps `time.localtime` in a class, where a function would become a method.
time.localtime, time.gmtime = partial(_of_now, time.localtime), partial(_of_now, time.gmtime)
time.ctime = partial(_of_now, time.ctime)
_strftime, _asctime = time.strftime, time.asctime
time.strftime = lambda form, parts=None: _strftime(form, time.localtime() if parts is None else parts)
time.asctime = lambda parts=None: _asctime(time.localtime() if parts is None else parts)
datetime.datetime, datetime.date = _ShiftedDatetime, _ShiftedDate
