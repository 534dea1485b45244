"""Reads a file of tweets in any known format, recognized by its content, in file order and bounded memory."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

import msgspec

from contracts.errors import BadRecord, BadSource
from contracts.records import END_OF_TIME_MS, DeadLetter, Tweet
from sources.csv_tables import RowFault, Table
from sources.files import (
    BEGINNING_BYTES,
    Opener,
    Oversized,
    is_tar,
    is_utf8,
    lines,
    members,
    open_bytes,
    oversized,
    read_head,
    with_unix_lines,
)
from sources.foreign import Fault, tweets_in

MAX_PAGE_BYTES = 16 << 20  # of one JSON line: an API page holds up to 500 tweets
MAX_DOCUMENT_BYTES = 64 << 20  # of a JSON file that is one array or one printed object
HEAD_BYTES = 256 << 10  # that the format is recognized by
# A repeated id is always noticed within this many tweets; at most twice as many ids are held.
DUPLICATE_HORIZON = 1 << 20


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that never becomes an event: the reason, the place, and enough of the row to find it again.

    `row` counts from 1: lines of a JSON file, rows below the header of a CSV. `beginning` holds at most the first
    1 KiB of the row; `sha256` and `size` are of the whole row.
    """

    reason: str
    detail: str
    origin: str
    row: int
    beginning: bytes
    size: int
    sha256: str

    def dead_letter(self) -> DeadLetter:
        """The rejected row as a record for `tweets-dead-letters`."""
        detail = f"{self.detail} ({self.size} bytes, sha256 {self.sha256})"
        return DeadLetter(
            reason=self.reason,
            detail=detail,
            topic=f"file:{self.origin}",
            partition=0,
            offset=self.row,
            key=None,
            value=self.beginning,
        )


Rows = Iterator[tuple[int, Tweet | Fault | RowFault]]
Reader = Callable[[IO[bytes]], Rows]


class Source:
    """One file. Iterating it reads it once from the beginning; `counts` has the counts so far.

    `counts["tweets"]` tweets were passed on and `counts["duplicate"]` left out (same id as an earlier one). Every
    other key is a reason of rejection. `offensive_texts`: whether its texts are known to be often offensive, so that
    they should not be shown. For an archive, this covers the files read so far.
    """

    def __init__(
        self, name: str, parts: Callable[[], Iterator["_Part"]], not_after_ms: int, *, offensive_texts: bool = False
    ) -> None:
        self.name = name
        self.offensive_texts = offensive_texts
        self.counts: Counter[str] = Counter()
        self._parts = parts
        self._not_after_ms = not_after_ms

    def __iter__(self) -> Iterator[Tweet | Rejected]:
        """Raises `BadSource` if the file turns out to be damaged."""
        self.counts.clear()
        try:
            yield from self._read()
        except BadSource as error:
            raise BadSource(f"{self.name}: {error}") from error

    def _read(self) -> Iterator[Tweet | Rejected]:
        seen = _Seen()
        for part in self._parts():
            if isinstance(part.format, BadRecord):
                yield self._rejected(part.format, oversized(part.head), part.origin, 0)
                continue
            self.offensive_texts |= part.format.offensive_texts
            with part.opener() as stream:
                for row, found in part.format.read(stream):
                    if isinstance(found, Fault):
                        yield self._rejected(found.error, oversized(found.value), part.origin, row)
                    elif isinstance(found, RowFault):
                        yield self._rejected(found.error, found.bytes_read, part.origin, row)
                    elif found.created_ms > self._not_after_ms:
                        error = BadRecord("bad_time", f"created_ms {found.created_ms} is in the future")
                        yield self._rejected(error, oversized(msgspec.json.encode(found)), part.origin, row)
                    elif seen.add(found.id):
                        self.counts["tweets"] += 1
                        yield found
                    else:
                        self.counts["duplicate"] += 1

    def _rejected(self, error: BadRecord, read: Oversized, origin: str, row: int) -> Rejected:
        self.counts[error.reason] += 1
        return Rejected(error.reason, error.detail, origin, row, read.beginning, read.size, read.sha256)


@dataclass(frozen=True, slots=True)
class _Format:
    """How a file is read, and whether its texts are known to be offensive."""

    read: Reader
    offensive_texts: bool = False


@dataclass(frozen=True, slots=True)
class _Part:
    """One file of the source: its format, or why it has none."""

    origin: str
    opener: Opener
    head: bytes
    format: _Format | BadRecord


def open_source(
    path: Path | str,
    *,
    columns: Mapping[str, str] | None = None,
    time_format: str | None = None,
    not_after_ms: int = END_OF_TIME_MS,
) -> Source:
    """The source at `path`, its format recognized by its content.

    JSON lines, a JSON array or one object, of v2, v1.1 or our own tweets; CSV; each plain, .gz or .zst; a tar of
    such files. `columns` and `time_format` are for CSV. A tweet later than `not_after_ms` is rejected.
    Raises `BadSource` if the file cannot be read or has none of these formats.
    """
    path = Path(path)
    opener: Opener = partial(open_bytes, path)
    recognize = partial(_recognize, columns=columns or {}, time_format=time_format)
    if is_tar(opener):
        return Source(path.name, partial(_tar_parts, path.name, opener, recognize), not_after_ms)
    opener = with_unix_lines(opener, read_head(opener, HEAD_BYTES))
    head = read_head(opener, HEAD_BYTES)
    try:
        found = recognize(opener, head)
    except BadSource as error:
        raise BadSource(f"{path}: {error}") from error
    parts = (_Part(path.name, opener, head, found),)
    return Source(path.name, lambda: iter(parts), not_after_ms, offensive_texts=found.offensive_texts)


def _tar_parts(name: str, opener: Opener, recognize: Callable[[Opener, bytes], _Format]) -> Iterator[_Part]:
    for member, member_opener in members(opener):
        member_opener = with_unix_lines(member_opener, read_head(member_opener, HEAD_BYTES))
        head = read_head(member_opener, HEAD_BYTES)
        try:
            found: _Format | BadRecord = recognize(member_opener, head)
        except BadSource as error:
            found = BadRecord("not_a_source", str(error))
        yield _Part(f"{name}/{member}", member_opener, head[:BEGINNING_BYTES], found)


def _recognize(opener: Opener, head: bytes, *, columns: Mapping[str, str], time_format: str | None) -> _Format:
    begin = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not begin:
        raise BadSource("the file is empty")
    if begin[:1] in b"[{":
        return _Format(_json_lines if _has_json_line(begin) else _json_document)
    encoding = "utf-8" if is_utf8(opener) else "cp1252"
    if b"\x00" in head:
        raise BadSource("not text: expected JSON or CSV in UTF-8 (or Windows-1252), plain, .gz or .zst")
    table = Table(head, encoding, columns=columns, time_format=time_format)
    return _Format(table.tweets, table.offensive_texts)


def _has_json_line(begin: bytes) -> bool:
    """Whether some line is a JSON object by itself. A page on one line may be longer than `begin`."""
    whole = begin.splitlines() if len(begin) < HEAD_BYTES // 2 else begin.split(b"\n")[:-1]
    if not whole:
        return begin[:1] == b"{"
    return any(line.startswith(b"{") and line.rstrip().endswith(b"}") for line in whole)


def _json_lines(stream: IO[bytes]) -> Rows:
    for row, line in enumerate(lines(stream, MAX_PAGE_BYTES), start=1):
        if isinstance(line, Oversized):
            error = BadRecord("too_large", f"a line of {line.size} bytes, more than a page has")
            yield row, RowFault(error, line)
            continue
        content = line.removeprefix(b"\xef\xbb\xbf").strip() if row == 1 else line.strip()
        if content:
            for found in tweets_in(content):
                yield row, found


def _json_document(stream: IO[bytes]) -> Rows:
    """One array, or one object over several lines. It is held in memory, so its size is limited."""
    content = stream.read(MAX_DOCUMENT_BYTES + 1)
    if len(content) > MAX_DOCUMENT_BYTES:
        raise BadSource(f"one JSON value of more than {MAX_DOCUMENT_BYTES >> 20} MiB; make lines of it: jq -c '.[]'")
    content = content.removeprefix(b"\xef\xbb\xbf").strip()
    items = [content]
    if content.startswith(b"["):
        try:
            items = [bytes(item) for item in msgspec.json.decode(content, type=list[msgspec.Raw])]
        except (msgspec.MsgspecError, RecursionError) as error:
            raise BadSource(f"a JSON array that does not parse: {error}") from error
    for row, item in enumerate(items, start=1):
        for found in tweets_in(item):
            yield row, found


class _Seen:
    """The ids of at least the last `DUPLICATE_HORIZON` tweets, and of at most twice as many."""

    def __init__(self) -> None:
        self._newer: set[int] = set()
        self._older: set[int] = set()

    def add(self, tweet_id: int) -> bool:
        """Remember the id; returns whether it is new."""
        if tweet_id in self._newer or tweet_id in self._older:
            return False
        if len(self._newer) >= DUPLICATE_HORIZON:
            self._older, self._newer = self._newer, set()
        self._newer.add(tweet_id)
        return True
