"""Readers that turn a file, or a foreign JSON object, into `contracts.records.Tweet`.

`open_source(path)` recognizes the format; iterating the `Source` gives tweets and what was rejected, in the file's
order and in bounded memory. `docs/sources.md` says what each reader does with what it meets.
"""

from sources.foreign import tweet_from_foreign_json
from sources.source import Rejected, Source, open_source

__all__ = ["Rejected", "Source", "open_source", "tweet_from_foreign_json"]
