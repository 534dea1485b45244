"""What moves: occurrences over each horizon, how fast a token rises or falls, and drift as numbers."""
