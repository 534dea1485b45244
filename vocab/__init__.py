"""Tokens to keys to slots: a vocabulary that drifts with event time, decided once a window and logged as deltas.

`tokens/` turns tweets into keys, `source_counter` adds them up per window, and `owner/` decides which keys hold a
slot. `replica/` replays the decisions into an immutable table for each version, `trends/` says what rises and falls,
and `view/` writes to Redis what people query. Imports neither torch nor faust; only `view/` knows Redis.
"""
