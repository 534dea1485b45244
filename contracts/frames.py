"""Columnar records: numpy arrays beside scalars, in MessagePack.

An array column travels as a MessagePack extension whose code is its dtype. It decodes to a read-only, aligned array
and is copied only if the message does not align it. A column whose dtype is not the declared one is refused.
"""

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, NamedTuple, get_args, get_origin, get_type_hints

import msgspec
import numpy as np

from contracts.codec import Record, Wire

# Extension codes are part of the wire format: append, never renumber.
_DTYPES: tuple[np.dtype[Any], ...] = tuple(
    np.dtype(name).newbyteorder("<") for name in ("u1", "u2", "u4", "u8", "i4", "i8", "f4", "f8", "i1", "i2")
)
_CODES = {dtype: code for code, dtype in enumerate(_DTYPES)}


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
def _columns(frame_type: type[Record]) -> tuple[_Column, ...]:
    """The array columns that a frame declares: `NDArray[...]`, optionally `Annotated` with a range."""
    columns = []
    for field, hint in get_type_hints(frame_type, include_extras=True).items():
        array, *extras = get_args(hint) if get_origin(hint) is Annotated else (hint,)
        if get_origin(array) is np.ndarray:
            dtype = np.dtype(get_args(get_args(array)[1])[0])
            columns.append(_Column(field, dtype, next((e for e in extras if isinstance(e, Within)), None)))
    return tuple(columns)


def _check_columns(frame: Record) -> None:
    for field, dtype, within in _columns(type(frame)):
        column = getattr(frame, field)
        if column.dtype != dtype:
            raise ValueError(f"Expected a column of `{dtype}`, got `{column.dtype}` - at `$.{field}`")
        if within is not None:
            within.check(field, column)


class _ArrayWire:
    """`contracts.codec.Wire` of frames."""

    def __init__(self) -> None:
        self._encoder = msgspec.msgpack.Encoder(enc_hook=_encode_array)

    def encode(self, record: Any) -> bytes:
        _check_columns(record)
        return self._encoder.encode(record)

    def decoder(self, of: type[Any]) -> msgspec.msgpack.Decoder[Any]:
        return msgspec.msgpack.Decoder(of, ext_hook=_decode_array)

    def check(self, record: Any) -> None:
        _check_columns(record)


class Frame(Record, frozen=True, kw_only=True):
    """Base of the columnar records: 1-D numpy arrays beside scalars, in MessagePack."""

    wire: ClassVar[Wire] = _ArrayWire()
