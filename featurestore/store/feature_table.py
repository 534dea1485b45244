"""What a query answers: named columns, one row for each row of ids asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts.arrays import F32, U64, Bools
from contracts.columns import is_missing

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """n rows: `table[name]` is float32[n], `contracts.columns.MISSING` (a NaN) where nothing is known, never 0.

    columns: by feature, in the order asked for. ids: what was asked for, entity -> uint64[n]. at_ms: the event time
    that windows and ages are as of. whole: if the store held all that it should; else it is being rewritten, values
    may be missing and counts too low.

    pandas, Polars, DuckDB and pyarrow take it as it is, over Arrow's C stream: ids first, then features, with nulls
    for what is missing.
    """

    ids: Mapping[str, U64]
    columns: Mapping[str, F32]
    at_ms: int
    whole: bool

    def __getitem__(self, name: str) -> F32:
        return self.columns[name]

    def __len__(self) -> int:
        """The number of rows."""
        return len(next(iter(self.columns.values()), ()))

    def missing(self, name: str) -> Bools:
        """bool[n]: where the store knows no value of a feature."""
        return is_missing(self.columns[name])

    def to_arrow(self) -> "pa.Table":
        """A table of pyarrow, whose numbers are not copied."""
        import pyarrow as pa

        features = {name: pa.array(values, mask=self.missing(name)) for name, values in self.columns.items()}
        return pa.table({**self.ids, **features})

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
        return self.to_arrow().__arrow_c_stream__(requested_schema)
