"""The spans over which tokens are counted, and by which lists are named."""

_MINUTE_MS, _HOUR_MS, _DAY_MS = 60_000, 3_600_000, 86_400_000

HORIZONS = {"5m": 5 * _MINUTE_MS, "1h": _HOUR_MS, "24h": _DAY_MS, "7d": 7 * _DAY_MS}
LONG_RUN_MS = 28 * _DAY_MS
SPANS_MS = (*HORIZONS.values(), LONG_RUN_MS)  # the rows of a table of counts; append nothing: saved states have them
LEAST_SCORE = 0.01  # a smaller one may be decay's rounding: no list has it
