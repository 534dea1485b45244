"""Labelled examples, which the trainer learns from: one Arrow IPC stream per Kafka record (topic `examples`).

One row per impression. Any Arrow reader can read it: `pyarrow.ipc.open_stream(value).read_all()`. The schema's
metadata has the version of the layout (`driftline.version`) and the feature set (`driftline.feature_set`), which
fixes the order of the dense columns. The rows of one request are adjacent and repeat the viewer's features; LZ4
compresses the repetition away.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from contracts.arrays import F32, I32, I64, U8, U16, U64, Bools
from contracts.bags import Bags, Keys
from contracts.columns import MISSING, MOST_KEYS, MOST_MAGNITUDE, FeatureColumns
from contracts.errors import BadRecord, UnknownVersion
from contracts.frames import Within
from contracts.records import ACTIONS, END_OF_TIME_MS, ENGAGED, MAX_ID, TWITTER_BEGAN_MS, Provenance
from contracts.settings import LEAST_NEGATIVE_KEEP

VERSION = 1
PROVENANCES = tuple(Provenance)
_ENGAGED_BITS = np.uint16(sum(1 << bit for bit, action in enumerate(ACTIONS) if action in ENGAGED))
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


@dataclass(frozen=True, slots=True)
class Examples:
    """n labelled impressions.

    at_ms: int64[n], event time of the request.
    labels: uint16[n], bit i = `ACTIONS[i]` happened within the label window.
    weights: float32[n], 1 / sampling rate, at most MOST_WEIGHT.
    probabilities: float32[n] as served, NaN if a fallback order served. model_versions: int64[n], 0 if a fallback
    order served.
    engaged_append_ms: int64[n], when the broker appended the engagement that made the example positive; 0 if there
    is none. It measures freshness and is never a feature.
    provenances: uint8[n], index into `PROVENANCES`: where the request came from (the Arrow column has the name).
    """

    feature_set: str
    features: FeatureColumns
    request_ids: Sequence[str]
    viewer_ids: U64
    tweet_ids: U64
    at_ms: I64
    positions: U16
    labels: U16
    weights: F32
    probabilities: F32
    model_versions: I64
    vocab_versions: I64
    bins_versions: I64
    engaged_append_ms: I64
    provenances: U8

    def __len__(self) -> int:
        return len(self.tweet_ids)


MOST_WEIGHT = 1 / LEAST_NEGATIVE_KEEP  # of an example

_IDS, _VERSIONS, _ALL_16_BITS = Within(0, MAX_ID), Within(0, 2**63 - 1), Within(0, 2**16 - 1)
_MAGNITUDES = Within(-MOST_MAGNITUDE, MOST_MAGNITUDE)
_FLAT: Mapping[str, tuple[type[np.generic], Within]] = {
    "viewer_ids": (np.uint64, _IDS),
    "tweet_ids": (np.uint64, _IDS),
    "at_ms": (np.int64, Within(TWITTER_BEGAN_MS, END_OF_TIME_MS)),
    "positions": (np.uint16, _ALL_16_BITS),
    "labels": (np.uint16, _ALL_16_BITS),
    "weights": (np.float32, Within(0, MOST_WEIGHT)),
    "probabilities": (np.float32, Within(0, 1, nan=True)),
    "model_versions": (np.int64, _VERSIONS),
    "vocab_versions": (np.int64, _VERSIONS),
    "bins_versions": (np.int64, _VERSIONS),
    "engaged_append_ms": (np.int64, Within(0, END_OF_TIME_MS)),
}


def engaged(labels: U16) -> Bools:
    """bool[n]: whether any action of `ENGAGED` happened; labels as in `Examples`."""
    return np.asarray(labels & _ENGAGED_BITS != 0)


def serialize_examples(examples: Examples) -> bytes:
    """One Arrow IPC stream.

    Raises `ValueError` for a flat column of another dtype than `Examples` declares, or with elements out of range:
    every reader would refuse it.
    """
    features, rows = examples.features, examples.features.viewer_row
    arrays: dict[str, pa.Array] = {"request_ids": pa.array(examples.request_ids, pa.string())}
    for name in _FLAT:
        arrays[name] = pa.array(_of_dtype(name, getattr(examples, name)))
    arrays["provenances"] = _named(examples.provenances)
    arrays["viewer_dense"] = _dense_array(features.viewer_dense[rows])
    arrays["candidate_dense"] = _dense_array(features.candidate_dense)
    for field, bags in features.viewer_keys.items():
        arrays |= _bag_arrays("viewer", field, bags.take(rows))
    for field, bags in features.candidate_keys.items():
        arrays |= _bag_arrays("candidate", field, bags)
    for name, vectors in features.viewer_vectors.items():
        arrays[f"viewer_vectors.{name}"] = _dense_array(vectors[rows])
    for name, vectors in features.candidate_vectors.items():
        arrays[f"candidate_vectors.{name}"] = _dense_array(vectors)
    metadata = {"driftline.version": str(VERSION), "driftline.feature_set": examples.feature_set}
    batch = pa.record_batch(list(arrays.values()), names=list(arrays)).replace_schema_metadata(metadata)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=_OPTIONS) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def deserialize_examples(value: bytes) -> Examples:
    """The inverse of `serialize_examples`; each request's viewer is held once.

    Raises `UnknownVersion` for another version of the layout, and `BadRecord` for bytes that are not examples.
    """
    try:
        table = pa.ipc.open_stream(value).read_all().combine_chunks()
        metadata = table.schema.metadata or {}
        version = int(metadata[b"driftline.version"])
        if version != VERSION:
            raise UnknownVersion("Examples", version, VERSION)
        _check(table)
        flat = {name: _within(name, table[name].to_numpy()) for name in _FLAT}
        request_ids = table["request_ids"].to_pylist()
        first, viewer_row = _runs(request_ids)
        return Examples(
            feature_set=metadata[b"driftline.feature_set"].decode(),
            features=FeatureColumns(
                viewer_row=viewer_row,
                viewer_dense=_dense(_one_chunk(table["viewer_dense"]))[first],
                viewer_keys={name: bags.take(first) for name, bags in _bags(table, "viewer").items()},
                candidate_dense=_dense(_one_chunk(table["candidate_dense"])),
                candidate_keys=_bags(table, "candidate"),
                viewer_vectors={name: vectors[first] for name, vectors in _vectors(table, "viewer").items()},
                candidate_vectors=_vectors(table, "candidate"),
            ),
            request_ids=request_ids,
            provenances=_numbered(table),
            **flat,
        )
    # A truncated body is an OSError.
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise BadRecord("malformed", f"Examples: {error}") from error


def _runs(request_ids: Sequence[str]) -> tuple[I64, I32]:
    """(first row of each run of one request, run number of each row)."""
    begins = [i == 0 or request_ids[i] != request_ids[i - 1] for i in range(len(request_ids))]
    starts = np.array(begins, bool)
    return np.flatnonzero(starts), (np.cumsum(starts) - 1).astype(np.int32)


def _named(provenances: U8) -> pa.Array:
    if provenances.dtype != np.uint8:
        raise ValueError(f"column provenances is of {provenances.dtype}, expected uint8")
    return pa.DictionaryArray.from_arrays(pa.array(provenances), pa.array(PROVENANCES, pa.string()))


def _numbered(table: pa.Table) -> U8:
    """uint8[n], indices into `PROVENANCES`. Raises `ValueError` for a name that is not among them."""
    array = _one_chunk(table["provenances"])
    number = np.array([PROVENANCES.index(Provenance(name)) for name in array.dictionary.to_pylist()], np.uint8)
    return np.asarray(number[array.indices.to_numpy()])


def _of_dtype(name: str, values: NDArray[Any]) -> NDArray[Any]:
    dtype = np.dtype(_FLAT[name][0])
    if values.dtype != dtype:
        raise ValueError(f"column {name} is of {values.dtype}, expected {dtype}")
    return _within(name, values)


def _within(name: str, values: NDArray[Any]) -> NDArray[Any]:
    _FLAT[name][1].check(name, values)
    return values


def _check(table: pa.Table) -> None:
    """Raises `ValueError` (or Arrow's error) unless every column is valid, without nulls and of its declared type."""
    table.validate(full=True)
    for field in table.schema:
        if not _fits(field.name, field.type):
            raise ValueError(f"column {field.name} may not be of {field.type}")
        if table[field.name].null_count:
            raise ValueError(f"column {field.name} has nulls")


def _fits(name: str, found: pa.DataType) -> bool:
    if name in _FLAT:
        return bool(found == pa.from_numpy_dtype(_FLAT[name][0]))
    if name == "request_ids":
        return bool(found == pa.string())
    if name == "provenances":
        return pa.types.is_dictionary(found) and bool(found.value_type == pa.string())
    if name in ("viewer_dense", "candidate_dense") or name.startswith(("viewer_vectors.", "candidate_vectors.")):
        return pa.types.is_fixed_size_list(found) and bool(found.value_type == pa.float32())
    if name.startswith(("viewer_keys.", "candidate_keys.")):
        return pa.types.is_list(found) and bool(found.value_type == pa.uint64())
    if name.startswith(("viewer_weights.", "candidate_weights.")):
        return pa.types.is_list(found) and bool(found.value_type == pa.float32())
    return True


def _dense_array(values: F32) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])


def _dense(array: pa.Array) -> F32:
    """float32[rows, width]. Driftline writes no nulls; a null from another writer counts as missing."""
    flat = array.flatten()
    values: F32 = flat.to_numpy(zero_copy_only=False)
    if flat.null_count:
        values[flat.is_null().to_numpy(zero_copy_only=False)] = MISSING
    return values.reshape(len(array), array.type.list_size)


def _bag_arrays(side: str, field: str, bags: Keys) -> dict[str, pa.Array]:
    offsets = pa.array(bags.offsets.astype(np.int32))
    arrays = {f"{side}_keys.{field}": pa.ListArray.from_arrays(offsets, pa.array(bags.ids))}
    if bags.weights is not None:
        arrays[f"{side}_weights.{field}"] = pa.ListArray.from_arrays(offsets, pa.array(bags.weights))
    return arrays


def _bags(table: pa.Table, side: str) -> dict[str, Keys]:
    """The bags of a side, by field.

    Raises `ValueError` for too many keys, and unless the weights, if any, are one per key and in range.
    """
    found, weights = {}, _columns(table, f"{side}_weights.")
    for field, keys in _columns(table, f"{side}_keys.").items():
        of_keys = weights.pop(field, None)
        if of_keys is not None and of_keys.offsets != keys.offsets:
            raise ValueError(f"the weights of {field} are not one for each key")
        found[field] = bags = Bags(
            keys.offsets.to_numpy().astype(np.int64),
            keys.values.to_numpy(),
            None if of_keys is None else of_keys.values.to_numpy(),
        )
        if len(bags) and bags.lengths.max() > MOST_KEYS:
            raise ValueError(f"{bags.lengths.max()} keys in {side}_keys.{field}, more than {MOST_KEYS}")
        if bags.weights is not None:
            _MAGNITUDES.check(f"{side}_weights.{field}", bags.weights)
    if weights:
        raise ValueError(f"weights of {', '.join(weights)}, but no keys")
    return found


def _vectors(table: pa.Table, side: str) -> dict[str, F32]:
    vectors = {name: _dense(array) for name, array in _columns(table, f"{side}_vectors.").items()}
    for name, values in vectors.items():
        _MAGNITUDES.check(f"{side}_vectors.{name}", values)
    return vectors


def _columns(table: pa.Table, prefix: str) -> dict[str, pa.Array]:
    """The columns whose names begin with `prefix`, keyed by the rest of the name."""
    return {
        name.removeprefix(prefix): _one_chunk(table[name]) for name in table.column_names if name.startswith(prefix)
    }


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
