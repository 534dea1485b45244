"""Requests of newer protocol versions than aiokafka has: topic ids, and offsets that no open transaction changes.

Source: the Kafka protocol guide, https://kafka.apache.org/protocol, MetadataRequest 12 and OffsetFetchRequest 7.
"""

from collections.abc import Sequence
from io import BytesIO
from uuid import UUID

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

_TAGS = ("tags", TaggedFields)
_NO_TAGS: dict[int, bytes] = {}
_NO_ID = UUID(int=0)


class _Uuid(AbstractType[UUID]):  # type: ignore[misc]
    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))


class _TopicIdsResponse(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 12
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32), ("host", CompactString()), ("port", Int32), ("rack", CompactString()), _TAGS
            ),
        ),
        ("cluster_id", CompactString()),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString()),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("in_sync", CompactArray(Int32)),
                        ("offline", CompactArray(Int32)),
                        _TAGS,
                    ),
                ),
                ("authorized_operations", Int32),
                _TAGS,
            ),
        ),
        _TAGS,
    )


class _TopicIdsStruct(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 12
    RESPONSE_TYPE = _TopicIdsResponse
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", _Uuid), ("name", CompactString()), _TAGS)),
        ("allow_auto_topic_creation", Boolean),
        ("include_topic_authorized_operations", Boolean),
        _TAGS,
    )


class TopicIdsRequest(Request[_TopicIdsStruct]):  # type: ignore[misc]
    """The ids of `topics`, among other metadata. Creates none."""

    API_KEY = 3

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_TopicIdsStruct]) -> _TopicIdsStruct:
        """See `Request`."""
        wanted = [(_NO_ID, topic, _NO_TAGS) for topic in self._topics]
        return request_struct_class(wanted, False, False, _NO_TAGS)


class _StableOffsetsResponse(Response):  # type: ignore[misc]
    API_KEY = 9
    API_VERSION = 7
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("name", CompactString()),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                        ("metadata", CompactString()),
                        ("error_code", Int16),
                        _TAGS,
                    ),
                ),
                _TAGS,
            ),
        ),
        ("error_code", Int16),
        _TAGS,
    )


class _StableOffsetsStruct(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 9
    API_VERSION = 7
    RESPONSE_TYPE = _StableOffsetsResponse
    SCHEMA = Schema(
        ("group", CompactString()),
        ("topics", CompactArray(("name", CompactString()), ("partitions", CompactArray(Int32)), _TAGS)),
        ("require_stable", Boolean),
        _TAGS,
    )


class StableOffsetsRequest(Request[_StableOffsetsStruct]):  # type: ignore[misc]
    """What `group` committed; the broker refuses to say it while a transaction that changes it is open (KIP-447)."""

    API_KEY = 9

    def __init__(self, group: str, partitions: Sequence[tuple[str, Sequence[int]]]) -> None:
        self._group = group
        self._partitions = partitions

    def build(self, request_struct_class: type[_StableOffsetsStruct]) -> _StableOffsetsStruct:
        """See `Request`."""
        wanted = [(topic, list(numbers), _NO_TAGS) for topic, numbers in self._partitions]
        return request_struct_class(self._group, wanted, True, _NO_TAGS)
