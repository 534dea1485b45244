"""Event time: how far a partition is, which windows are closed, and which of them get a decision."""
