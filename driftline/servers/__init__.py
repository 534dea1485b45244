"""Local Kafka and Redis for development, the demo, tests and benchmarks, without containers."""
