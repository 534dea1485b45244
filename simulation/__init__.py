"""A world with known truth, and simulated viewers for real tweets. Needs `contracts/` and numpy alone.

Everything moves in event time and is a function of its seed: the same seed gives the same events, however the calls
that ask for them are cut.
"""
