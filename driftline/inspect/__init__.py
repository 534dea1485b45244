"""Reads the state of a running installation from outside: the logs on Kafka and the views in Redis.

Its functions take the settings and return plain records, which the commands and the demo's report print.
"""
