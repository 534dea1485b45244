"""What can be wrong with the store itself; a Redis that does not answer is `contracts.errors.ServerUnavailable`."""

from contracts.errors import DriftlineError


class ViewWiped(DriftlineError):
    """An owner's part of the feature store is gone from Redis: `FeatureOwner.resume` again and read from there."""
