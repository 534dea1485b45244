"""The shape of the ranking model: its fields, the interaction input, and how wide each part is.

The interaction input is one vector a candidate, in this order (widths in brackets):

    viewer [dim], history [dim], viewer bins [bin_dim], the viewer's vectors       the viewer's part
    text, tags, author, subwords [dim each], candidate bins [bin_dim],
        the candidate's vectors                                                    the candidate's part
    viewer*author, viewer*text, viewer*tags, history*author, history*tags [dim]    crosses: element-wise products

The viewer's part comes first: serving multiplies it with the first layer once per request, not once per candidate.
Vectors enter as they are, in declared order. No vector is declared for candidates today.
"""

import msgspec

from contracts.errors import SettingsError
from featurestore.features import CANDIDATE_FIELDS, CANDIDATE_SIDE, VIEWER_FIELDS, VIEWER_SIDE

CROSSES = (
    ("viewer", "author"),
    ("viewer", "text"),
    ("viewer", "tags"),
    ("history", "author"),
    ("history", "tags"),
)
MOST_WIDTH = 1_024  # of an embedding or a hidden layer
# The interaction input in its order, without the crosses: pooled fields, pooled bins, vectors.
VIEWER_PARTS = ("viewer", "history", "viewer_bins", "viewer_vectors")
CANDIDATE_PARTS = ("text", "tags", "author", "subwords", "candidate_bins", "candidate_vectors")


class ModelConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes of the model, part of every manifest. Models of equal configs have arrays of equal shapes."""

    num_slots: int
    bin_rows: int
    dim: int
    bin_dim: int = 8
    hidden: tuple[int, int] = (64, 32)
    positions: int = 64  # places of a timeline with a position bias of their own; all below share the last
    # What all vectors of a side have in the interaction input.
    viewer_vector_width: int = VIEWER_SIDE.vector_width
    candidate_vector_width: int = CANDIDATE_SIDE.vector_width
    init_scale: float = 0.1  # fresh embedding rows are uniform in (-init_scale, init_scale)

    def __post_init__(self) -> None:
        declared, laid_out = (VIEWER_FIELDS, CANDIDATE_FIELDS), (VIEWER_PARTS[:-2], CANDIDATE_PARTS[:-2])
        if declared != laid_out:
            raise SettingsError(
                f"the model is laid out for the fields {laid_out}, but the feature set declares {declared}: "
                "change model/config.py with it"
            )
        sizes = (self.num_slots, self.bin_rows, self.dim, self.bin_dim, *self.hidden, self.positions)
        if min(sizes) < 1:
            raise SettingsError(f"every size of the model must be at least 1: {self}")
        if max(self.dim, self.bin_dim, *self.hidden) > MOST_WIDTH:
            raise SettingsError(f"no layer of the model may be wider than {MOST_WIDTH}: {self}")

    @property
    def viewer_width(self) -> int:
        """Elements of the interaction input that depend on the viewer alone."""
        return 2 * self.dim + self.bin_dim + self.viewer_vector_width

    @property
    def candidate_width(self) -> int:
        """Elements of the interaction input that depend on the candidate alone."""
        return 4 * self.dim + self.bin_dim + self.candidate_vector_width

    @property
    def interaction_width(self) -> int:
        """Elements of the interaction input: what the first hidden layer reads."""
        return self.viewer_width + self.candidate_width + len(CROSSES) * self.dim
