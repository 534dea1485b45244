"""Feeding Kafka: a file's tweets or a simulated world, with viewers that react to the timelines that come back.

`feed` runs the closed loop, `sorted_tweets` puts a file in order of event time. `driftline replay` and
`driftline simulate` are thin commands over these.
"""
