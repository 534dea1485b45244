"""The bins that a run left behind, as digests: equal digests mean equal bytes."""

import asyncio
import contextlib
import hashlib
from dataclasses import dataclass

from contracts.codec import Codec, serialize
from contracts.columnar import BinCounts
from contracts.records import BinsVersion
from contracts.settings import Settings
from contracts.topics import BIN_COUNTS, BIN_STATE, BINS
from featurestore.bins.owner import BinOwner
from featurestore.bins.redis_view import KEY, read_bins, shown
from featurestore.bins.replica import Bins
from streams.bin_processor import sources_of
from streams.state_records import join_state
from tests.support.pipeline_runs import read_all
from transport.kafka.cluster import KafkaCluster
from transport.kafka.state_log import read_latest
from transport.redis.connection import connect, connect_blocking

_counts_of = Codec(BinCounts).deserialize
_version_of = Codec(BinsVersion).deserialize


@dataclass(frozen=True, slots=True)
class BinsOutcome:
    """Digests and counts.

    log: of the records of `bins`, in order. state: of the owner's state, recovered as a successor does, from the
    newest logged state and the counts since. view: of the value in Redis. records: how many records `bins` has.
    edge_changes: how many changes of edges they hold.
    """

    log: str
    state: str
    view: str
    records: int
    edge_changes: int


def bins_outcome(settings: Settings) -> BinsOutcome:
    """The outcome of a drained run; committed records only. Raises `ChainBroken` on a gap, repeat or wrong order."""
    values = [record.value or b"" for record in read_all(settings, BINS)]
    records = [_version_of(value) for value in values]
    assert [serialize(record) for record in records] == values
    bins = Bins()
    for record in records:
        bins.apply(record)
    owner = recovered_owner(settings)
    with connect_blocking(settings) as redis:
        view = redis.get(settings.prefix.encode() + KEY)
    assert view == shown(owner)
    return BinsOutcome(
        log=_digest(b"\n".join(values)),
        state=_digest(owner.to_bytes()),
        view=_digest(view or b""),
        records=len(records),
        edge_changes=sum(len(record.edges) for record in records),
    )


def recovered_owner(settings: Settings) -> BinOwner:
    """The bin owner, recovered as a successor of the stopped one does."""
    sources = sources_of(settings)
    state = join_state(asyncio.run(read_latest(KafkaCluster(settings), BIN_STATE, 0)))
    offset, owner = 0, BinOwner(settings.bins, sources)
    if state is not None:
        offset, owner = state.offset, BinOwner.from_bytes(settings.bins, sources, state.state)
    for record in read_all(settings, BIN_COUNTS):
        if record.offset >= offset:
            owner.observe(_counts_of(record.value or b""))
            owner.close_windows()
    return owner


async def shown_edges(settings: Settings, version: int | None = None) -> dict[int, list[float]]:
    """Feature number -> edges, as read from Redis."""
    async with contextlib.aclosing(connect(settings)) as redis:
        view = await read_bins(redis, settings, version)
    return {number: edges.tolist() for number, edges in view.edges.items()}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
