"""The report of a backfill, as records that can be printed as JSON."""

import msgspec

from contracts.records import Evaluation, IdText, Provenance


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of the served scores and of this snapshot, over the same examples.

    None where figures are undefined: without examples, or if all labels are equal.
    """

    examples: int
    served_then: Evaluation | None
    this_snapshot: Evaluation | None


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A group of examples: figures of this snapshot on all, and of both on those that a model ranked at the time."""

    examples: int
    this_snapshot: Evaluation | None
    ranked_by_a_model: Compared


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """An example whose new score has different bits, and its place in the log. NaN is null in JSON."""

    partition: int
    offset: int
    request_id: str
    tweet_id: IdText
    served: float
    now: float


class Parity(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the scores that this model served come out again, bit for bit.

    served: examples with this version and its vocabulary and bins versions. same_bits: those of them whose float32
    score is the same. others: examples with this version but another vocabulary or bins version: another model, or
    another epoch of the trainer, served them. differences: the first few served scores that differ.
    """

    version: int
    served: int
    same_bits: int
    others: int
    differences: list[Difference]

    @property
    def holds(self) -> bool:
        """Whether no score differs; True also if there was none to compare."""
        return self.same_bits == self.served

    def sentence(self) -> str:
        """The result in words."""
        if not self.served:
            return f"parity: nothing to compare, for version {self.version} served none of these examples"
        same, served = f"{self.same_bits:,}", f"{self.served:,}"
        return f"parity: {same} of {served} scores that version {self.version} served have the same bits"


class Unusable(msgspec.Struct, frozen=True, kw_only=True):
    """Records that could not be scored for one reason; partition, offset and detail are those of the first."""

    reason: str
    records: int
    partition: int
    offset: int
    detail: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a backfill. outside: examples outside the time span. fallback: examples that no model ranked."""

    name: str
    version: int
    epoch: int
    vocab_version: int
    bins_version: int
    records: int
    unusable: list[Unusable]
    examples: int
    outside: int
    fallback: int
    engaged: int
    first_ms: int | None
    last_ms: int | None
    provenance: dict[Provenance, int]
    all: Group
    learned_from: Group
    held_out: Group
    parity: Parity
