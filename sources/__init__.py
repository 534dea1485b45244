"""Readers that turn a file, or a foreign JSON object, into `contracts.records.Tweet`.

`open_source(path)` recognizes the format. Iterating the `Source` gives tweets and rejected rows, in the file's order
and in bounded memory. `docs/sources.md` describes what each reader accepts and rejects.
"""

from sources.foreign import tweet_from_foreign_json
from sources.source import Rejected, Source, open_source

__all__ = ["Rejected", "Source", "open_source", "tweet_from_foreign_json"]
