"""Bytes to typed records and back: JSON for what people read, MessagePack with array columns for what machines do.

Every record has a version field `v`. Today's code reads every former version and refuses a newer one.
An array column travels as a MessagePack extension whose code is its dtype. It decodes read-only and aligned
(without a copy where the message happens to align it), and only as the dtype that its field declares.
"""

from functools import cache
from typing import Any, Generic, TypeVar, get_args, get_type_hints

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


@cache
def _columns(frame_type: type[Frame]) -> tuple[tuple[str, np.dtype[Any]], ...]:
    """(field, dtype) of each array column that the frame declares as `NDArray[...]`."""
    hints = get_type_hints(frame_type)
    return tuple(
        (field, np.dtype(get_args(get_args(hints[field])[1])[0]))
        for field in frame_type.__struct_fields__
        if getattr(hints[field], "__origin__", None) is np.ndarray
    )


def _check_columns(frame: Frame) -> None:
    for field, dtype in _columns(type(frame)):
        found = getattr(frame, field).dtype
        if found != dtype:
            raise ValueError(f"Expected a column of `{dtype}`, got `{found}` - at `$.{field}`")


_json_encoder = msgspec.json.Encoder()
_frame_encoder = msgspec.msgpack.Encoder(enc_hook=_encode_array)


def serialize(record: Record) -> bytes:
    """The bytes of a record: MessagePack for a `Frame`, JSON for any other `Record`.

    Raises `ValueError` for a column of another dtype than its field declares: no reader would take it.
    """
    if isinstance(record, Frame):
        _check_columns(record)
        return _frame_encoder.encode(record)
    return _json_encoder.encode(record)


class Codec(Generic[RecordT]):
    """Decodes one type of record; made once, called for every message.

    Raises `UnknownVersion` for a newer record and `BadRecord` (reason `malformed`, with the path of the
    fault) for bytes that are no such record.
    """

    def __init__(self, record_type: type[RecordT]) -> None:
        self.record_type = record_type
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
        """One record out of one message's value."""
        try:
            record = self._decoder.decode(value)
            if isinstance(record, Frame):
                _check_columns(record)
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError) as error:
            self._refuse_newer(value)
            raise BadRecord("malformed", f"{self.record_type.__name__}: {error}") from error
        if record.v != self._newest:
            self._check_version(record.v)
        return record

    def _refuse_newer(self, value: bytes) -> None:
        """A newer layout may fail to parse as today's: say that, rather than which field was odd."""
        try:
            version = self._peek.decode(value).v
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError):
            return
        self._check_version(version)

    def _check_version(self, version: int) -> None:
        if version > self._newest:
            raise UnknownVersion(self.record_type.__name__, version, self._newest)
        if version < 1:
            raise BadRecord("malformed", f"{self.record_type.__name__}: version {version} never existed")


class _Version(msgspec.Struct):
    v: int = 1
