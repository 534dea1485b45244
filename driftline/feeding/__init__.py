"""Feeds Kafka with a file's tweets or a simulated world, and with viewers' reactions to the ranked timelines.

`loop.feed` runs the closed loop; `sorting.TweetSorter` puts a file in order of event time. `driftline replay`,
`driftline simulate` and the demo use them.
"""
