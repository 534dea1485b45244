"""What a running installation knows, read from outside: the logs on Kafka, the views in Redis.

Functions that take the settings and return plain records; the command groups and the demo's summary print them.
"""
