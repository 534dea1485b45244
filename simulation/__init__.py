"""A simulated world whose true probabilities are known, and simulated viewers for real tweets.

Needs only `contracts/` and numpy. Everything runs in event time and is a function of the seed: the same seed gives
the same events, in however many calls they are asked for.
"""
