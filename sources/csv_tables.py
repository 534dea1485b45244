"""CSV files: finds the column of each field, and turns rows into tweets.

The columns of known data sets are found by name; the user's own mapping (`{"text": "message"}`) takes precedence.
`docs/sources.md` lists the names.
"""

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from contracts.errors import BadRecord, BadSource
from contracts.records import MAX_TWEET_BYTES, Tweet
from sources.files import BEGINNING_BYTES, UNDEFINED_AS_CONTROLS, Oversized, lines
from sources.values import (
    author_id_of,
    checked_tweet,
    clean_text,
    lost_digits,
    parse_count,
    parse_id,
    parse_time,
    status_of_url,
    synthetic_id,
)

# field -> names of columns that hold it, the most certain first. Names are compared as `_normal` makes them.
COLUMNS: dict[str, tuple[str, ...]] = {
    "text": (
        "full_text", "tweet_text", "tweet_content", "rawcontent", "text", "content", "tweet", "originaltweet", "body",
    ),
    "time": (
        "created_at", "tweet_utc_date", "tweet_created", "tweet_created_at", "tweetcreatedts", "tweet_posted_time",
        "publish_date", "created", "timestamp", "datetime", "date", "time",
    ),
    "clock": ("heure_utc0", "time", "hour"),  # the time of day; by itself only beside a column named `date`
    "id": ("tweet_id", "tweetid", "id_tweet", "status_id", "id_str", "id"),
    "url": ("url", "tweet_url", "link", "permalink"),
    "author": (
        "screen_name", "user_screen_name", "author_username", "user_username", "author", "username", "user_name",
        "handle", "user", "name",
    ),
    "author_id": ("author_id", "user_id", "userid", "id_compte"),
    "lang": ("lang", "language"),
    "followers": (
        "followers_count", "author_public_metrics_followers_count", "user_followers_count", "author_followers",
        "user_followers", "followers",
    ),
    "following": (
        "friends_count", "following_count", "author_public_metrics_following_count", "user_friends_count",
        "author_following", "user_friends", "following",
    ),
    "likes": ("like_count", "public_metrics_like_count", "likecount", "favorite_count", "favorites", "likes"),
    "retweets": ("retweet_count", "public_metrics_retweet_count", "retweetcount", "retweets"),
    "replies": ("reply_count", "public_metrics_reply_count", "replycount", "replies"),
    "quotes": ("quote_count", "public_metrics_quote_count", "quotecount", "quotes"),
    "reply_to": ("in_reply_to_status_id", "referenced_tweets_replied_to_id", "inreplytotweetid"),
    "quote_of": ("quoted_status_id", "referenced_tweets_quoted_id"),
    "retweet_of": ("retweeted_status_id", "referenced_tweets_retweeted_id"),
}  # fmt: skip
_LINKS = ("reply_to", "quote_of", "retweet_of")
_COUNTS = ("likes", "retweets", "replies", "quotes")
# In this column, the data set of Russian troll accounts says what each account posed as. It also has `Commercial` and
# `Unknown`, which may occur in any file.
_CATEGORY = "account_category"
_TROLL_CATEGORIES = {"RightTroll", "LeftTroll", "Fearmonger", "HashtagGamer", "NewsFeed", "NonEnglish"}


@dataclass(frozen=True, slots=True)
class RowFault:
    """A row that does not become a tweet, with the hash and the beginning of its bytes."""

    error: BadRecord
    bytes_read: Oversized


class Table:
    """The columns of one CSV file.

    `columns` maps fields (the keys of `COLUMNS`) to column names, or to their places from 0 in a file without a
    header. Raises `BadSource` if no column is found for text,
    time or author, or if the mapping names a column that is not there. `offensive_texts`: the beginning of the file
    has rows of the data set of troll accounts, whose texts are often offensive.
    """

    def __init__(
        self, head: bytes, encoding: str, *, columns: Mapping[str, str] | None = None, time_format: str | None = None
    ) -> None:
        text = head.decode(encoding, "replace").removeprefix("\ufeff")
        first_line = text.partition("\n")[0]
        self.encoding = encoding
        self.delimiter = max(",;\t|", key=first_line.count)
        self.time_format = time_format
        header = next(csv.reader([first_line], delimiter=self.delimiter), [])
        self.width = len(header)
        self.has_header = not _are_numbers(columns or {})
        self._places = _find_columns(header, columns or {}) if self.has_header else _numbered(header, columns or {})
        self.offensive_texts = _has_troll_accounts(text, header, self.delimiter)

    def tweets(self, stream: IO[bytes]) -> Iterator[tuple[int, Tweet | RowFault]]:
        """(row number from 1, tweet or fault) for every row after the header."""
        raw = _RawRows(stream, self.encoding)
        reader = csv.reader(raw, delimiter=self.delimiter)
        if self.has_header:
            next(reader, None)
        row_number = 0
        while True:
            raw.begin_row()
            cells = _next_row(reader)
            for passed in raw.take_oversized():
                row_number += 1
                yield row_number, RowFault(BadRecord("too_large", f"a line of {passed.size} bytes"), passed)
            if cells is None:
                return
            row_number += 1
            if isinstance(cells, list) and not cells:
                continue  # an empty line
            try:
                if isinstance(cells, BadRecord):
                    raise cells
                yield row_number, self._tweet(cells)
            except BadRecord as error:
                yield row_number, RowFault(error, raw.bytes_of_row())

    def _tweet(self, cells: Sequence[str]) -> Tweet:
        if len(cells) != self.width:
            raise BadRecord("malformed", f"{len(cells)} cells where the header has {self.width}")
        row = {field: cells[place] for field, place in self._places.items() if cells[place]}
        text, moment = row.get("text"), row.get("time")
        if text is None or moment is None:
            raise BadRecord("missing_field", "the text is empty" if text is None else "the time is empty")
        if "clock" in row:
            moment = f"{moment} {row['clock']}"
        from_url = status_of_url(row.get("url", ""))
        author, author_id = _author(row, from_url)
        counts = {field: parse_count(row[field]) for field in _COUNTS if field in row}
        present = {field: count for field, count in counts.items() if count is not None}
        return checked_tweet(
            {
                "id": _id(row, from_url, cells),
                "created_ms": parse_time(moment, self.time_format),
                "author_id": author_id,
                "author": author,
                "text": clean_text(text),
                "lang": row.get("lang", "und"),
                "author_followers": parse_count(row.get("followers", "")),
                "author_following": parse_count(row.get("following", "")),
                "public_counts": present or None,
                **{link: _linked_id(row[link], link) for link in _LINKS if link in row},
            }
        )


def _next_row(reader: Iterator[list[str]]) -> list[str] | BadRecord | None:
    """The next row's cells, or the error in it, or None at the end."""
    try:
        return next(reader, None)
    except csv.Error as error:
        return BadRecord("malformed", f"CSV: {error}")


def _find_columns(header: list[str], mapping: Mapping[str, str]) -> dict[str, int]:
    _check_fields(mapping)
    by_name = {_normal(name): place for place, name in reversed(list(enumerate(header)))}
    places: dict[str, int] = {}
    for field, names in COLUMNS.items():
        if field in mapping:
            if _normal(mapping[field]) not in by_name:
                raise BadSource(f"no column {mapping[field]!r} for {field}; the columns are {', '.join(header)}")
            names = (_normal(mapping[field]),)
        found = next((by_name[name] for name in names if name in by_name), None)
        if found is not None:
            places[field] = found
    if "clock" in places and "clock" not in mapping and _normal(header[places.get("time", 0)]) != "date":
        del places["clock"]
    needed = {"text": {"text"}, "time": {"time"}, "author": {"author", "author_id", "url"}}
    missing = [field for field, any_of in needed.items() if not any_of & places.keys()]
    if missing:
        shown = ", ".join(header[:20]) + (", ..." if len(header) > 20 else "")
        raise BadSource(
            f"no column was found for {', '.join(missing)} among: {shown}. "
            f"Name them, as in --columns {','.join(f'{field}=COLUMN' for field in missing)}; if the first line is no "
            "header, say their places, from 0: --columns text=5,time=2,author=4"
        )
    return places


def _are_numbers(mapping: Mapping[str, str]) -> bool:
    return bool(mapping) and all(name.isascii() and name.isdigit() for name in mapping.values())


def _numbered(first_row: list[str], mapping: Mapping[str, str]) -> dict[str, int]:
    """The columns of a file without a header, by their places."""
    _check_fields(mapping)
    places = {field: int(place) for field, place in mapping.items()}
    if beyond := [f"{field}={place}" for field, place in places.items() if place >= len(first_row)]:
        raise BadSource(f"no column {', '.join(beyond)}: the first row has {len(first_row)} cells, counted from 0")
    if missing := [name for name in ("text", "time") if name not in places]:
        raise BadSource(f"without a header, --columns must say the place of {', '.join(missing)} too")
    if not {"author", "author_id", "url"} & places.keys():
        raise BadSource("without a header, --columns must say the place of author, author_id or url too")
    return places


def _check_fields(mapping: Mapping[str, str]) -> None:
    if unknown := sorted(set(mapping) - set(COLUMNS)):
        raise BadSource(f"no such field: {', '.join(unknown)}; the fields are {', '.join(COLUMNS)}")


def _has_troll_accounts(text: str, header: Sequence[str], delimiter: str) -> bool:
    """Whether `text`, the beginning of a file, has a row of the data set of troll accounts."""
    names = [_normal(name) for name in header]
    if _CATEGORY not in names:
        return False
    place = names.index(_CATEGORY)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    while isinstance(cells := _next_row(rows), list):
        if len(cells) > place and cells[place] in _TROLL_CATEGORIES:
            return True
    return False


def _normal(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name.strip("\ufeff ").casefold())


def _author(row: Mapping[str, str], from_url: tuple[str, str] | None) -> tuple[str, int]:
    handle = row.get("author", "").strip().lstrip("@")
    if not handle or handle.startswith(("{", "http")):  # snscrape writes a user's profile here
        handle = from_url[0] if from_url else ""
    if "author_id" in row:
        author_id = parse_id(row["author_id"].strip(), "author id")
        return handle or str(author_id), author_id
    if not handle:
        raise BadRecord("missing_field", "neither the author's id nor a handle")
    return handle, author_id_of(handle)


def _id(row: Mapping[str, str], from_url: tuple[str, str] | None, cells: Sequence[str]) -> int:
    """The row's own id; if it has none, or one that lost digits, a synthetic id from all of the row's cells."""
    written = row.get("id", "").strip() or (from_url[1] if from_url else "")
    if not written or lost_digits(written):
        return synthetic_id(*cells)
    return parse_id(written)


def _linked_id(written: str, field: str) -> int | None:
    """The id of another tweet; None if it lost digits, because it would link to the wrong tweet."""
    written = written.strip().removesuffix(".0")
    return None if lost_digits(written) or not written else parse_id(written, field)


class _RawRows:
    """The text lines of a file for `csv.reader`. Remembers the bytes of the row being read."""

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        self._lines = lines(stream, MAX_TWEET_BYTES)
        self._encoding = encoding
        self._first = True
        self._oversized: list[Oversized] = []
        self.begin_row()

    def begin_row(self) -> None:
        self._row: list[bytes] = []

    def take_oversized(self) -> list[Oversized]:
        """Lines since the last call that were too long to pass to the reader."""
        taken, self._oversized = self._oversized, []
        return taken

    def bytes_of_row(self) -> Oversized:
        """The row's bytes, held whole: a field has at most 128 KiB (`csv.field_size_limit`)."""
        digest, size = hashlib.sha256(), 0
        beginning = io.BytesIO()
        for line in self._row:
            digest.update(line)
            size += len(line)
            beginning.write(line[: max(0, BEGINNING_BYTES - beginning.tell())])
        return Oversized(size, digest.hexdigest(), beginning.getvalue())

    def __iter__(self) -> "_RawRows":
        return self

    def __next__(self) -> str:
        while isinstance(line := next(self._lines), Oversized):
            self._oversized.append(line)
        self._row.append(line)
        text = line.decode(self._encoding, UNDEFINED_AS_CONTROLS)
        if self._first:
            text, self._first = text.removeprefix("\ufeff"), False
        return text
