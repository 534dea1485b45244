"""Reads events whose ids are JSON strings, as those of the X API v2 are, as well as integers.

The strict decoder comes first, so writers of integers pay nothing. Where it fails, ids may be strings of decimal
digits; no other field is decoded less strictly.
"""

from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from contracts.codec import Codec, RecordT
from contracts.errors import BadRecord
from contracts.records import Id, IdText


class EventCodec(Codec[RecordT]):
    """A `Codec` of a record of JSON that also reads its ids as strings.

    accepted: the type of what it decodes, with both forms of ids.
    """

    def __init__(self, record_type: type[RecordT]) -> None:
        super().__init__(record_type)
        fields = msgspec.structs.fields(record_type)
        self._ids = [field.name for field in fields if _loosened(field.type) != field.type]
        self.accepted = msgspec.defstruct(
            record_type.__name__,
            [_declared(field) for field in fields],
            kw_only=True,
            namespace={"__doc__": record_type.__doc__},
        )
        self._text_ids = msgspec.json.Decoder(self.accepted)

    def deserialize(self, value: bytes) -> RecordT:
        """See `Codec`."""
        try:
            return super().deserialize(value)
        except BadRecord as error:
            if error.reason != "malformed":
                raise
            return self._with_text_ids(value)

    def _with_text_ids(self, value: bytes) -> RecordT:
        try:
            found = self._text_ids.decode(value)
            fields = {field: getattr(found, field) for field in self.record_type.__struct_fields__}
            for field in self._ids:
                fields[field] = _as_numbers(fields[field])
            record = msgspec.convert(fields, self.record_type)
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError) as error:
            raise BadRecord("malformed", f"{self.record_type.__name__}: {error}") from error
        return record if record.v == self._newest else self._of_version(record.v, value)


def _declared(field: msgspec.structs.FieldInfo) -> tuple[str, Any] | tuple[str, Any, Any]:
    """The field as `msgspec.defstruct` takes it, with strings allowed in place of ids."""
    hint = _loosened(field.type)
    if field.required:
        return field.name, hint
    if field.default_factory is not msgspec.NODEFAULT:
        return field.name, hint, msgspec.field(default_factory=field.default_factory)
    return field.name, hint, field.default


def _loosened(hint: Any) -> Any:
    """The type with strings allowed in place of ids."""
    if hint == Id:
        return Id | IdText
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return Annotated[_loosened(arguments[0]), *arguments[1:]]
    if origin in (Union, UnionType):
        return Union[tuple(_loosened(argument) for argument in arguments)]  # noqa: UP007
    if origin is list:
        return list[_loosened(arguments[0])]  # type: ignore[misc]
    return hint


def _as_numbers(ids: Any) -> Any:
    if isinstance(ids, list):
        return [_as_numbers(one) for one in ids]
    return int(ids) if isinstance(ids, str) else ids
