"""Event time: the watermark of a partition, the windows that it closes, and which windows get a decision."""
