"""Tokens to keys to slots: a vocabulary that drifts with event time, decided once a window and logged as deltas.

`tokens` turns tweets into keys, `counting` adds them up per window, `owner` decides who holds a slot, and
`vocabulary` replays its deltas into an immutable table per version; `trends` says what rises and falls. Imports no
torch and no faust; only `view_store` knows a client.
"""
