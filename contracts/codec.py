"""Typed records to bytes and back: JSON for what people read, MessagePack with array columns for what machines read.

Every record has a field `v`, the version of its layout. A `Codec` reads the version that the record type declares and
refuses every other version with `UnknownVersion`. It refuses newer versions because readers must be upgraded before
writers. It reads an older version only if the codec was given a function for it (`older`), so whoever adds a version
also decides what happens to the records already on the topics. A new optional field needs no new version: readers
ignore fields that they do not know.

An array column travels as a MessagePack extension whose code is its dtype. It decodes to a read-only, aligned array
and is copied only if the message does not align it. A column whose dtype is not the declared one is refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Generic, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import msgspec
import numpy as np

from contracts.errors import BadRecord, UnknownVersion

RecordT = TypeVar("RecordT", bound="Record")

# Extension codes are part of the wire format: append, never renumber.
_DTYPES: tuple[np.dtype[Any], ...] = tuple(
    np.dtype(name).newbyteorder("<") for name in ("u1", "u2", "u4", "u8", "i4", "i8", "f4", "f8", "i1", "i2")
)
_CODES = {dtype: code for code, dtype in enumerate(_DTYPES)}


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """Base of every record on a topic. `v` is the version of its layout, 1 unless the record says otherwise."""

    v: int = 1


class Frame(Record, frozen=True, kw_only=True):
    """Base of the columnar records: 1-D numpy arrays beside scalars, in MessagePack."""


def _encode_array(value: Any) -> msgspec.msgpack.Ext:
    if isinstance(value, np.ndarray):
        if value.ndim != 1:
            raise TypeError(f"a column is one-dimensional, got shape {value.shape}")
        return msgspec.msgpack.Ext(_CODES[value.dtype], np.ascontiguousarray(value).data.cast("B"))
    raise TypeError(f"{type(value).__name__} does not travel in a frame")


def _decode_array(code: int, data: memoryview) -> np.ndarray[Any, Any]:
    if not 0 <= code < len(_DTYPES):
        raise ValueError(f"unknown column type {code}")
    column = np.frombuffer(data, dtype=_DTYPES[code])
    if not column.flags.aligned:  # compiled kernels are built for aligned columns
        column = column.copy()
        column.flags.writeable = False
    return column


@dataclass(frozen=True, slots=True)
class Within:
    """The range of a column's elements, both ends included: `Annotated[U64, Within(0, 9)]`.

    nan: whether an element may be NaN instead.
    """

    low: float
    high: float
    nan: bool = False

    def check(self, field: str, column: np.ndarray[Any, Any]) -> None:
        """Raises `ValueError`, with the first element that is outside, if there is one."""
        inside = (column >= self.low) & (column <= self.high)
        if self.nan:
            inside |= np.isnan(column)
        if not inside.all():
            raise ValueError(
                f"Expected elements of {self.low} to {self.high}, got {column[~inside][0]} - at `$.{field}`"
            )


class _Column(NamedTuple):
    field: str
    dtype: np.dtype[Any]
    within: Within | None


@cache
def _columns(frame_type: type[Frame]) -> tuple[_Column, ...]:
    """The array columns that a frame declares: `NDArray[...]`, optionally `Annotated` with a range."""
    columns = []
    for field, hint in get_type_hints(frame_type, include_extras=True).items():
        array, *extras = get_args(hint) if get_origin(hint) is Annotated else (hint,)
        if get_origin(array) is np.ndarray:
            dtype = np.dtype(get_args(get_args(array)[1])[0])
            columns.append(_Column(field, dtype, next((e for e in extras if isinstance(e, Within)), None)))
    return tuple(columns)


def _check_columns(frame: Frame) -> None:
    for field, dtype, within in _columns(type(frame)):
        column = getattr(frame, field)
        if column.dtype != dtype:
            raise ValueError(f"Expected a column of `{dtype}`, got `{column.dtype}` - at `$.{field}`")
        if within is not None:
            within.check(field, column)


_json_encoder = msgspec.json.Encoder()
_frame_encoder = msgspec.msgpack.Encoder(enc_hook=_encode_array)


def serialize(record: Record) -> bytes:
    """The bytes of a record: MessagePack for a `Frame`, JSON for any other `Record`.

    Raises `ValueError` if a column does not have the declared dtype, or has elements outside the declared range:
    every reader would refuse it.
    """
    if isinstance(record, Frame):
        _check_columns(record)
        return _frame_encoder.encode(record)
    return _json_encoder.encode(record)


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
        self._decoder: msgspec.msgpack.Decoder[RecordT] | msgspec.json.Decoder[RecordT]
        self._peek: msgspec.msgpack.Decoder[_Version] | msgspec.json.Decoder[_Version]
        if issubclass(record_type, Frame):
            self._decoder = msgspec.msgpack.Decoder(record_type, ext_hook=_decode_array)
            self._peek = msgspec.msgpack.Decoder(_Version, ext_hook=_decode_array)
        else:
            self._decoder = msgspec.json.Decoder(record_type)
            self._peek = msgspec.json.Decoder(_Version)

    def deserialize(self, value: bytes) -> RecordT:
        """The record in one message's value.

        Raises `UnknownVersion` for a version that this codec does not read, and `BadRecord` (reason `malformed`, with
        the path of the faulty field) if the bytes are not such a record.
        """
        try:
            record = self._decoder.decode(value)
            if isinstance(record, Frame):
                _check_columns(record)
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
            return self._peek.decode(value).v
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError):
            return None

    def _of_version(self, version: int, value: bytes) -> RecordT:
        if version in self._older:
            return self._older[version](value)
        if version < 1:
            raise BadRecord("malformed", f"{self.record_type.__name__}: version {version} never existed")
        raise UnknownVersion(self.record_type.__name__, version, self._newest)


class _Version(msgspec.Struct):
    v: int | None = None
