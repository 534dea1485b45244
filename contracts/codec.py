"""Typed records to bytes and back: JSON for what people read, MessagePack with array columns for what machines read.

Every record has a field `v`, the version of its layout. A `Codec` reads the version that the record type declares and
refuses every other version with `UnknownVersion`. It refuses newer versions because readers must be upgraded before
writers. It reads an older version only if the codec was given a function for it (`older`), so whoever adds a version
also decides what happens to the records already on the topics. A new optional field needs no new version: readers
ignore fields that they do not know.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import msgspec

from contracts.errors import BadRecord, UnknownVersion

RecordT = TypeVar("RecordT", bound="Record")


class Decoder(Protocol):
    """Decodes one type."""

    def decode(self, value: bytes) -> Any: ...


class Wire(Protocol):
    """How records of a kind are bytes. JSON is here; `contracts/frames.py` has that of columnar records."""

    def encode(self, record: Any) -> bytes:
        """The bytes of a record. Raises `ValueError` for one that every reader would refuse."""
        ...

    def decoder(self, of: type[Any]) -> Decoder:
        """What decodes values of this type."""
        ...

    def check(self, record: Any) -> None:
        """Raises `ValueError` for what the decoder lets pass and the declaration does not."""
        ...


class _JsonWire:
    """`Wire` of what people read."""

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder()

    def encode(self, record: Any) -> bytes:
        return self._encoder.encode(record)

    def decoder(self, of: type[Any]) -> msgspec.json.Decoder[Any]:
        return msgspec.json.Decoder(of)

    def check(self, record: Any) -> None:
        """The decoder checks everything."""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """Base of every record on a topic. `v` is the version of its layout, 1 unless the record says otherwise."""

    wire: ClassVar[Wire] = _JsonWire()

    v: int = 1


def serialize(record: Record) -> bytes:
    """The bytes of a record: MessagePack for a `contracts.frames.Frame`, JSON for any other `Record`.

    Raises `ValueError` if a column does not have the declared dtype, or has elements outside the declared range:
    every reader would refuse it.
    """
    return record.wire.encode(record)


class Codec(Generic[RecordT]):
    """Decodes one type of record; made once, called for every message.

    older: older version -> function that converts a value of that version to the current record. The function decodes
    the value with the older record type and its codec, and fills in the fields that the older layout lacks.
    """

    def __init__(
        self, record_type: type[RecordT], older: Mapping[int, Callable[[bytes], RecordT]] | None = None
    ) -> None:
        self.record_type = record_type
        self._older = older or {}
        self._newest = record_type.__struct_defaults__[record_type.__struct_fields__.index("v")]
        self._wire = record_type.wire
        self._decoder, self._peek = self._wire.decoder(record_type), self._wire.decoder(_Version)

    def deserialize(self, value: bytes) -> RecordT:
        """The record in one message's value.

        Raises `UnknownVersion` for a version that this codec does not read, and `BadRecord` (reason `malformed`, with
        the path of the faulty field) if the bytes are not such a record.
        """
        try:
            record: RecordT = self._decoder.decode(value)
            self._wire.check(record)
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError) as error:
            # A value of another version may fail to parse. Its version then explains more than the faulty field.
            version = self._version_of(value)
            if version in (None, self._newest):
                raise BadRecord("malformed", f"{self.record_type.__name__}: {error}") from error
            return self._of_version(version, value)
        if record.v != self._newest:
            return self._of_version(record.v, value)
        return record

    def _version_of(self, value: bytes) -> int | None:
        """The version that the value states; None if it states none or cannot be read."""
        try:
            version: int | None = self._peek.decode(value).v
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError):
            return None
        return version

    def _of_version(self, version: int, value: bytes) -> RecordT:
        if version in self._older:
            return self._older[version](value)
        if version < 1:
            raise BadRecord("malformed", f"{self.record_type.__name__}: version {version} never existed")
        raise UnknownVersion(self.record_type.__name__, version, self._newest)


class _Version(msgspec.Struct):
    v: int | None = None
