"""Starts a local Kafka and Redis without containers, for development, the demo, tests and benchmarks."""
