"""Hypothesis settings for busy machines: no deadline, and no failure when generating data is slow."""

from hypothesis import HealthCheck, settings

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
