"""What a backfill reports, as records that print as JSON."""

import msgspec

from contracts.records import Evaluation, Provenance


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """Two judged over the same examples; None where figures are not defined (none, or labels that are all alike)."""

    examples: int
    served_then: Evaluation | None
    this_snapshot: Evaluation | None


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the examples: this snapshot on all of them, and both on those that a model ranked then."""

    examples: int
    this_snapshot: Evaluation | None
    ranked_by_a_model: Compared


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """An example whose score came out with other bits, and where it lies. A NaN is null in JSON."""

    partition: int
    offset: int
    request_id: str
    tweet_id: int
    served: float
    now: float


class Parity(msgspec.Struct, frozen=True, kw_only=True):
    """Whether what this model served comes out again, bit for bit.

    served: examples that name this version with its vocabulary and bins. same_bits: those whose float32 is the same.
    others: examples that name this version with another vocabulary or bins, so that another model or another term of
    the trainer served them. differences: the first few of those served that are not the same.
    """

    version: int
    served: int
    same_bits: int
    others: int
    differences: list[Difference]

    @property
    def holds(self) -> bool:
        """Whether no score differs; so it is where there was none to compare."""
        return self.same_bits == self.served

    def sentence(self) -> str:
        """It in words, for people."""
        if not self.served:
            return f"parity: nothing to compare, for version {self.version} served none of these examples"
        same, served = f"{self.same_bits:,}", f"{self.served:,}"
        return f"parity: {same} of {served} scores that version {self.version} served have the same bits"


class Unusable(msgspec.Struct, frozen=True, kw_only=True):
    """Records that could not be scored, for one reason; where the first lies, and what was wrong with it."""

    reason: str
    records: int
    partition: int
    offset: int
    detail: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All that a backfill found. `outside`: examples of other times. `fallback`: those that no model ranked."""

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
