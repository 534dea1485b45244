"""A source: one partition of an input topic. It counts into windows and closes them by its own watermark."""

# (topic without prefix, partition). A source says how far it has closed its windows. An owner adds up the counts of
# several sources, and decides a window once all of them have closed it.
Source = tuple[str, int]
