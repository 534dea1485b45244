"""Scores of examples as a Parquet file, one row per example. Written as a stream; it appears only when complete.

    request_id string    position uint16                    weight float32
    viewer_id uint64     model_version int64 (0: fallback)  learned_from bool
    tweet_id uint64      served float32 (null: fallback)    partition int32
    at_ms int64          probability float32 (of this one)  offset int64
                         engaged bool

Rows are in the log's order within a partition; partitions are in any order. The file's metadata names the model:
driftline.model, driftline.version, driftline.epoch, driftline.vocab_version, driftline.bins_version.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.errors import DriftlineError
from driftline.inspect.rescoring import Scored
from model.snapshot import Manifest

ROW_GROUP = 65_536  # rows written together, some 5 MB


class NotWritable(DriftlineError):
    """The file cannot be written at the path given."""


SCHEMA = pa.schema(
    {
        "request_id": pa.string(),
        "viewer_id": pa.uint64(),
        "tweet_id": pa.uint64(),
        "at_ms": pa.int64(),
        "position": pa.uint16(),
        "model_version": pa.int64(),
        "served": pa.float32(),
        "probability": pa.float32(),
        "engaged": pa.bool_(),
        "weight": pa.float32(),
        "learned_from": pa.bool_(),
        "partition": pa.int32(),
        "offset": pa.int64(),
    }
)


class ScoreFile:
    """A context manager. When its block ends, the rows written in it replace the file at `path`.

    If the block fails, nothing is left behind. Every method raises `NotWritable`; entering raises it before any work.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self._path = path
        self._partial = path.with_name(f".{path.name}.partial")
        self._metadata = {
            "driftline.model": manifest.name,
            "driftline.version": str(manifest.version),
            "driftline.epoch": str(manifest.epoch),
            "driftline.vocab_version": str(manifest.vocab_version),
            "driftline.bins_version": str(manifest.bins_version),
        }
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0

    def __enter__(self) -> Self:
        try:
            with self._translated():
                self._writer = pq.ParquetWriter(
                    self._partial, SCHEMA.with_metadata(self._metadata), compression="zstd"
                )
        except BaseException:  # Ctrl-C must not leave a partial file either
            self._partial.unlink(missing_ok=True)
            raise
        return self

    def write(self, scored: Scored) -> None:
        """Add the examples of one record."""
        if len(scored.rows):
            self._waiting.append(_batch(scored))
            self._rows += len(scored.rows)
        if self._rows >= ROW_GROUP:
            self._flush()

    def __exit__(self, failed: type[BaseException] | None, *others: object) -> None:
        try:
            if failed is None:
                self._finish()
        finally:
            with contextlib.suppress(OSError):  # the disk may be full; the file is deleted anyway
                self._writer.close()
            self._partial.unlink(missing_ok=True)

    def _finish(self) -> None:
        self._flush()
        with self._translated():
            self._writer.close()
            with self._partial.open("rb+") as handle:
                os.fsync(handle.fileno())
            self._partial.rename(self._path)

    def _flush(self) -> None:
        """Write the waiting rows as one row group."""
        if self._waiting:
            with self._translated():
                self._writer.write_table(pa.Table.from_batches(self._waiting), row_group_size=self._rows)
            self._waiting, self._rows = [], 0

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise NotWritable(f"{self._path} cannot be written ({error}); choose another path with --out") from error


def _batch(scored: Scored) -> pa.RecordBatch:
    examples, rows = scored.examples, scored.rows
    k = len(rows)
    served = examples.probabilities[rows]
    columns = {
        "request_id": [examples.request_ids[row] for row in rows.tolist()],
        "viewer_id": examples.viewer_ids[rows],
        "tweet_id": examples.tweet_ids[rows],
        "at_ms": examples.at_ms[rows],
        "position": examples.positions[rows],
        "model_version": examples.model_versions[rows],
        "served": pa.array(served, mask=np.isnan(served)),
        "probability": scored.probabilities,
        "engaged": scored.engaged,
        "weight": examples.weights[rows],
        "learned_from": np.full(k, scored.learned),
        "partition": np.full(k, scored.partition, np.int32),
        "offset": np.full(k, scored.offset, np.int64),
    }
    return pa.record_batch(list(columns.values()), schema=SCHEMA)
