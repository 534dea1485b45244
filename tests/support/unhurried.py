"""Settings of property tests that a busy machine must not fail: no deadline, no complaint about slow generation."""

from hypothesis import HealthCheck, settings

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
