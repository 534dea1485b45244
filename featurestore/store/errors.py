"""Errors of the store itself. A Redis that does not answer raises `contracts.errors.ServerUnavailable`."""

from contracts.errors import DriftlineError


class ViewWiped(DriftlineError):
    """An owner's part of the store is gone from Redis: call `FeatureOwner.resume` and read from its offset."""
