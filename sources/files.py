"""Reads files as streams of bytes and lines, in bounded memory: plain, gzip, zstd or tar, recognized by content.

A line longer than a limit is not held: it is hashed while it is read, and returned as an `Oversized`.
"""

import codecs
import gzip
import hashlib
import io
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

import zstandard

from contracts.errors import BadSource

BEGINNING_BYTES = 1024  # of a rejected row, kept for a person to look at
_CHUNK = 1 << 20
_ZSTD_WINDOW = 1 << 27  # `zstd --long=27`
# Compressed bytes read at once. 4 bytes may hold a block of 128 KiB, so they expand to 64 MiB at the very worst.
_ZSTD_PIECE = 2 << 10

Opener = Callable[[], IO[bytes]]

# How five bytes are read that Windows-1252 does not define: as the control characters of latin-1, as browsers do.
UNDEFINED_AS_CONTROLS = "undefined-as-controls"


@dataclass(frozen=True, slots=True)
class Oversized:
    """A line longer than the limit: its beginning, and the size and hash of the whole line without the line end."""

    size: int
    sha256: str
    beginning: bytes


def _as_controls(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error(UNDEFINED_AS_CONTROLS, _as_controls)


def open_bytes(path: Path) -> IO[bytes]:
    """The decompressed bytes of a file. Raises `BadSource` if it cannot be opened."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        if magic[:2] == b"\x1f\x8b":
            return cast(IO[bytes], gzip.open(path, "rb"))
        if magic == b"\x28\xb5\x2f\xfd":
            return io.BufferedReader(_ZstdReader(path.open("rb")), _CHUNK)
        return path.open("rb")
    except OSError as error:
        raise BadSource(f"{path}: {error.strerror or error}") from error


class _ZstdReader(io.RawIOBase):
    """The contents of all frames of a zstd file. Unlike the library's own reader, it notices a truncated last frame.

    Raises `EOFError` for a truncated frame, and `zstandard.ZstdError` for a damaged one.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        self._frame = self._decompressor.decompressobj()
        self._inside = True  # a frame that has not ended
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._ready:
            compressed = self._frame.unused_data if self._frame.eof else b""
            compressed = compressed or self._file.read(_ZSTD_PIECE)
            if not compressed:
                if self._inside:
                    raise EOFError("the last zstd frame ends too early")
                return 0
            if self._frame.eof:
                self._frame = self._decompressor.decompressobj()
            self._ready = memoryview(self._frame.decompress(compressed))
            self._inside = not self._frame.eof
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size

    def close(self) -> None:
        self._file.close()
        super().close()


def _read(stream: IO[bytes], size: int = _CHUNK) -> bytes:
    try:
        return stream.read(size)
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        raise BadSource(f"the file is damaged or cut short: {error}") from error


def read_head(opener: Opener, size: int) -> bytes:
    """Up to `size` bytes from the beginning."""
    with opener() as stream:
        parts: list[bytes] = []
        while size > 0 and (part := _read(stream, size)):
            parts.append(part)
            size -= len(part)
    return b"".join(parts)


def lines(stream: IO[bytes], limit: int) -> Iterator[bytes | Oversized]:
    """Every line with its line end, including empty lines. Holds at most `limit` bytes and a chunk."""
    rest = b""
    while chunk := _read(stream):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line + b"\n" if len(line) <= limit else oversized(line)
        if len(rest) > limit:
            passed, rest = _pass_over(stream, rest)
            yield passed
    if rest:
        yield rest if len(rest) <= limit else oversized(rest)


def oversized(line: bytes) -> Oversized:
    """The description of a line that is not passed on."""
    return Oversized(len(line), hashlib.sha256(line).hexdigest(), line[:BEGINNING_BYTES])


def _pass_over(stream: IO[bytes], begun: bytes) -> tuple[Oversized, bytes]:
    """Reads to the end of a line that is too long; also returns the bytes already read of the next line."""
    digest, size = hashlib.sha256(begun), len(begun)
    while chunk := _read(stream):
        piece, newline, rest = chunk.partition(b"\n")
        digest.update(piece)
        size += len(piece)
        if newline:
            return Oversized(size, digest.hexdigest(), begun[:BEGINNING_BYTES]), rest
    return Oversized(size, digest.hexdigest(), begun[:BEGINNING_BYTES]), b""


def is_utf8(opener: Opener) -> bool:
    """Whether the whole file is UTF-8. Takes a pass over the file, because one bad byte decides for every row."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with opener() as stream:
            while chunk := _read(stream):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


class _UnixLines(io.RawIOBase):
    """A file whose lines end in CR alone, with LF instead."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = _read(self._file, len(buffer)).replace(b"\r", b"\n")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def with_unix_lines(opener: Opener, head: bytes) -> Opener:
    """The opener; if the lines of `head` end in CR alone, as on an old Mac, one that reads them as others do."""
    if b"\r" not in head or b"\n" in head:
        return opener
    return lambda: io.BufferedReader(_UnixLines(opener()), _CHUNK)


def is_tar(opener: Opener) -> bool:
    """Whether the (decompressed) bytes begin with a tar header."""
    return read_head(opener, 262)[257:262] == b"ustar"


def members(opener: Opener) -> Iterator[tuple[str, Opener]]:
    """(name, opener) of each regular file of a tar archive, unpacked one at a time into a temporary folder.

    An opener works until the next member is asked for. Raises `BadSource` for a damaged archive.
    """
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            opener() as stream,
            tarfile.open(fileobj=stream, mode="r|") as archive,
        ):
            unpacked = Path(folder) / "member"
            for member in archive:
                content = archive.extractfile(member) if member.isfile() else None
                if content is not None:
                    with unpacked.open("wb") as file:
                        while chunk := _read(content):
                            file.write(chunk)
                    yield member.name, partial(open_bytes, unpacked)
    except tarfile.TarError as error:
        raise BadSource(f"the archive is damaged: {error}") from error
