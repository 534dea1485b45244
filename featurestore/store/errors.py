"""Errors of the store itself. A Redis that does not answer raises `contracts.errors.ServerUnavailable`."""

from contracts.errors import DriftlineError


class ViewLost(DriftlineError):
    """Redis has lost an owner's part of the store, or its newest writes: call `FeatureOwner.resume`, and read from
    its offset."""


class ViewEvicted(DriftlineError):
    """Redis is set up to evict keys. A counter that it evicts would begin at zero again."""


class QueryRefused(DriftlineError):
    """A query names a feature that is not declared, lacks ids that its features need, or has ids that cannot be."""
