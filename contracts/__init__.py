"""What rooms say to each other: typed records, columnar frames, the table of topics, readers of sources.

Imports nothing but msgspec, numpy and xxhash, so that a client that only reads timelines stays light.
"""
