"""The installation of tests that need not have another."""

from contracts.settings import Settings

PARTITIONS = 4
INSTALLED = Settings(partitions=PARTITIONS)
