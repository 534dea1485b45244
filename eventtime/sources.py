"""What counts into windows and closes them: one partition of an input topic, by its own watermark."""

# (topic without prefix, partition). A source says how far it has closed its windows; whoever adds up what several
# sources counted decides a window once all of them have closed it.
Source = tuple[str, int]
