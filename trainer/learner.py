"""Learning: examples in, better weights out. The weights are a function of the examples and their order.

For each batch: pool the bags (numba), predict (torch), keep the predictions for progressive validation, then learn.
Gradients come from autograd down to the pooled bags; from there the tables update their touched rows themselves.
Deterministic for one number of threads, build and instruction set, which a checkpoint records.

Examples are bounded where they are read (`contracts/examples.py`), so while weights are sound no example can make a
gradient that is not finite. If there is one, the model has diverged. The learner stops before it takes that step.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from contracts.arrays import F32, I64, U8, U16
from contracts.bags import Bags, Rows
from contracts.columns import FeatureColumns
from contracts.declared_arrays import Declared, checked
from contracts.errors import ChainBroken, DriftlineError
from contracts.examples import Examples, engaged
from contracts.records import BinsVersion
from contracts.settings import Settings
from featurestore.bins.replica import FrozenBins
from featurestore.encoding.encode import BIN_ROWS, ModelInputs, encode
from featurestore.features import NUMBER
from model.config import CANDIDATE_PARTS, VIEWER_PARTS, ModelConfig
from model.folder import Arrays
from model.fresh import BIN_DOMAIN, RARE_DOMAIN, fresh_region, fresh_rows
from model.network import RankingModel
from trainer.adam import Adam
from trainer.bin_rows import row_mixtures, same_edges
from trainer.embedding_table import BagGradient, Table
from trainer.progressive_validation import Progress
from vocab.replica.vocabulary import FrozenVocabulary, changed_slots
from vocab.slot_layout import SlotLayout
from vocab.sorted_keys import NO_ROW

# Largest magnitude of a logit, and of a gradient at a pooled bag. The squares of sums of a batch's gradients stay
# within float32, as Adagrad's moments must.
MOST_GRADIENT = 1e12
DENSE_RATE = 0.04  # Adam's rate on the dense part, as a share of the tables' Adagrad rate


class Diverged(DriftlineError):
    """The weights grew until a prediction was no longer a number. Learning on would make all of them NaN."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What n candidates are learned from, besides their inputs.

    labels: float32[n], 0 or 1. weights: float32[n]. positions: uint16[n]. provenances: uint8[n], index into
    `PROVENANCES`.
    """

    labels: F32
    weights: F32
    positions: U16
    provenances: U8

    @staticmethod
    def of(parts: Sequence[Examples]) -> "Targets":
        """The label is 1 for an engagement: like, retweet, reply or quote."""
        labels = np.concatenate([part.labels for part in parts])
        return Targets(
            labels=engaged(labels).astype(np.float32),
            weights=np.concatenate([part.weights for part in parts]),
            positions=np.concatenate([part.positions for part in parts]),
            provenances=np.concatenate([part.provenances for part in parts]),
        )

    def slice(self, begin: int, end: int) -> "Targets":
        """The candidates begin to end; views."""
        return Targets(*(getattr(self, field.name)[begin:end] for field in fields(self)))


class Learner:
    """The tables and the dense part of the model, at one version of vocabulary and bins."""

    def __init__(self, settings: Settings) -> None:
        self.vocabulary = FrozenVocabulary.empty(settings.vocab)
        self.bins = FrozenBins.empty()
        self.progress = Progress()
        self.examples_seen = 0
        self.config = ModelConfig(
            num_slots=self.vocabulary.num_slots, bin_rows=BIN_ROWS, dim=settings.trainer.embedding_dim
        )
        self._batch_size = settings.trainer.batch_size
        self._rate = settings.trainer.learning_rate
        self._table = self._begin_table(self.vocabulary.layout)
        self._bin_table = Table.fresh(
            fresh_region(self.config.bin_rows, BIN_DOMAIN, self.config.bin_dim, self.config.init_scale)
        )
        self._network = RankingModel(self.config, settings.trainer.seed)
        self._adam = Adam(self._network, self._rate * DENSE_RATE)

    def move_to(self, vocabulary: FrozenVocabulary, bins: FrozenBins, edge_changes: Sequence[BinsVersion]) -> None:
        """Learn with these versions from now on: slots of new keys start fresh, rows of bins follow their edges.

        If the vocabulary's table has grown, so does the learner's, and every row keeps its bits. edge_changes: the
        records that lead to `bins`, ascending; the learner skips those that it has followed already. Raises
        `ChainBroken` for a vocabulary with other rows than those learned so far, and where the changes do not lead to
        `bins`.
        """
        if (vocabulary.version, bins.version) == (self.vocabulary.version, self.bins.version):
            return
        self._lay_out(vocabulary.layout)
        slots, keys, generations = changed_slots(self.vocabulary, vocabulary)
        self._table.reset(slots, fresh_rows(keys, generations, self.config.dim, self.config.init_scale))
        edges = dict(self.bins.edges)
        for change in edge_changes:
            if self.bins.version < change.version <= bins.version:
                for rows, shares in row_mixtures(edges, change):
                    self._bin_table.mix(rows, shares)
                edges |= {NUMBER[name]: np.array(of, np.float32) for name, of in change.edges.items()}
        if not same_edges(edges, bins.edges):
            raise ChainBroken(f"the edge changes after version {self.bins.version} do not lead to {bins.version}")
        self.vocabulary, self.bins = vocabulary, bins

    def follow_keys(self, vocabulary: FrozenVocabulary) -> None:
        """Change to a vocabulary with other slots: what a key's row has learned moves to its new row.

        Keys that had no row get a fresh one; rows of keys that have none now are dropped. Rare keys keep their shared
        rows if these are laid out as before, else they get fresh ones.
        """
        former, table = self.vocabulary, self._table
        self._table = self._begin_table(vocabulary.layout)
        if all(map(np.array_equal, former.layout.levels, vocabulary.layout.levels)):
            self._table.take(vocabulary.layout.rare_rows, table, vocabulary.layout.rare_rows)
        rows = former.index.rows(vocabulary.keys)
        held = rows != NO_ROW
        self._table.take(vocabulary.slots[held], table, former.slots[rows[held]])
        keys, generations = vocabulary.keys[~held], vocabulary.generations[~held]
        fresh = fresh_rows(keys, generations, self.config.dim, self.config.init_scale)
        self._table.reset(vocabulary.slots[~held], fresh)
        self.vocabulary = vocabulary

    def learn(self, parts: Sequence[Examples]) -> None:
        """Predict, then learn, these examples in order, in even batches of at most the batch size.

        Raises `Diverged` where a logit or a gradient is not finite; the weights still are.
        """
        features = FeatureColumns.concatenate([part.features for part in parts])
        inputs, targets = encode(features, self.vocabulary, self.bins), Targets.of(parts)
        for begin, end in _even_slices(len(inputs), self._batch_size):
            self._step(inputs.slice(begin, end), targets.slice(begin, end))

    def predict(self, inputs: ModelInputs) -> F32:
        """float32[n]: the logits that a scorer with these weights would compute, within rounding."""
        with torch.no_grad():
            logits: F32 = self._logits(inputs, self._pool(inputs)).numpy()
        return logits

    def weights(self) -> Arrays:
        """Views of the arrays that a snapshot holds."""
        return {**self._table.to_arrays(""), **self._bin_table.to_arrays("bin_"), **self._network.arrays()}

    def optimizer(self) -> Arrays:
        """Views of the arrays that a checkpoint holds besides, to resume."""
        return {**self._table.moments(""), **self._bin_table.moments("bin_"), **self._adam.to_arrays()}

    def restore(self, weights: Arrays, optimizer: Arrays, vocabulary: FrozenVocabulary, bins: FrozenBins) -> None:
        """The inverse of `weights` and `optimizer`; the versions are those that they were taken at.

        Raises `SnapshotInvalid` for arrays of other shapes or dtypes than these settings and versions make.
        """
        self._table = self._begin_table(vocabulary.layout)
        checked("weights", weights, _declared(self.weights()))
        checked("optimizer", optimizer, _declared(self.optimizer()))
        arrays = {**weights, **optimizer}
        self._table.restore(arrays, "")
        self._bin_table.restore(arrays, "bin_")
        for name, parameter in self._network.arrays().items():
            parameter[:] = weights[name]
        self._adam.restore(optimizer)
        self.vocabulary, self.bins = vocabulary, bins

    def _begin_table(self, layout: SlotLayout) -> Table:
        """A table that has learned nothing. Rare rows are there from the start; a row of an admitted key is made when
        the key is admitted."""
        self.config = msgspec.structs.replace(self.config, num_slots=layout.num_slots)
        rows = np.zeros((layout.num_slots, self.config.dim), np.float32)
        rows[layout.rare_rows] = self._fresh_rare(layout.rare_rows)
        return Table.fresh(rows)

    def _lay_out(self, layout: SlotLayout) -> None:
        """Rows for a layout that goes on from the present one."""
        former = self.vocabulary.layout
        if layout.extents == former.extents:
            return
        # At version 0 no key had a slot, so nothing was learned: any layout will do.
        if not self.vocabulary.version:
            self._table = self._begin_table(layout)
            return
        if not layout.extends(former):
            raise ChainBroken("the vocabulary's rows are not those that this model has learned; train anew")
        self._table.grow(layout.num_slots)
        new_rare = layout.rare_rows[layout.rare_rows >= former.num_slots]
        self._table.reset(new_rare, self._fresh_rare(new_rare))
        self.config = msgspec.structs.replace(self.config, num_slots=layout.num_slots)

    def _fresh_rare(self, rows: I64) -> F32:
        domain = np.full(len(rows), RARE_DOMAIN, np.uint64)
        return fresh_rows(rows.astype(np.uint64), domain, self.config.dim, self.config.init_scale)

    def _step(self, inputs: ModelInputs, targets: Targets) -> None:
        leaves = self._pool(inputs)
        served = self._logits(inputs, leaves)
        predicted = served.detach().numpy().copy()
        self._check(predicted)
        self.progress.observe(predicted, targets.labels, targets.weights, targets.provenances)
        shown = served + self._network.position_offset(targets.positions)
        loss = binary_cross_entropy_with_logits(
            shown, _tensor(targets.labels), weight=_tensor(targets.weights), reduction="sum"
        )
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = {name: _gradient(leaf) for name, leaf in leaves.items()}
        for gradient in gradients.values():
            self._check(gradient.pooled)
        self._adam.step()
        for table in (self._table, self._bin_table):
            table.learn([gradients[name] for name, leaf in leaves.items() if leaf.table is table], self._rate)
        self.examples_seen += len(targets.labels)

    def _check(self, values: F32) -> None:
        if not (np.abs(values) <= MOST_GRADIENT).all():
            raise Diverged(
                f"the model diverged after {self.examples_seen} examples: a logit or a gradient is not finite or is "
                f"past +-{MOST_GRADIENT:g}; lower DRIFTLINE_TRAINER_LEARNING_RATE (it is {self._rate}), and set "
                "DRIFTLINE_TRAINER_NAME to begin another model"
            )

    def _pool(self, inputs: ModelInputs) -> dict[str, "_Leaf"]:
        """The pooled fields and bins by name, in the order in which the gradients of a row are added up."""
        slots = {**inputs.viewer_slots, **inputs.candidate_slots}
        bins = {"viewer_bins": inputs.viewer_bins, "candidate_bins": inputs.candidate_bins}
        leaves = {field: _Leaf.pool(self._table, bags) for field, bags in slots.items()}
        return leaves | {name: _Leaf.pool(self._bin_table, Bags.of_matrix(rows)) for name, rows in bins.items()}

    def _logits(self, inputs: ModelInputs, leaves: Mapping[str, "_Leaf"]) -> Tensor:
        """float32[n]: as `RankingModel.forward` gives them."""
        viewer_vectors, candidate_vectors = map(_tensor, inputs.vector_matrices())
        pooled = {name: leaf.pooled for name, leaf in leaves.items()}
        logits: Tensor = self._network(
            _tensor(inputs.viewer_row),
            {**pooled, "viewer_vectors": viewer_vectors, "candidate_vectors": candidate_vectors},
            viewer_first_order=_sum(leaf.first_order for name, leaf in leaves.items() if name in VIEWER_PARTS),
            candidate_first_order=_sum(leaf.first_order for name, leaf in leaves.items() if name in CANDIDATE_PARTS),
        )
        return logits


def _declared(arrays: Arrays) -> Declared:
    return {name: (array.dtype.type, array.shape) for name, array in arrays.items()}


def _even_slices(n: int, most: int) -> Iterator[tuple[int, int]]:
    """(begin, end) of slices of n candidates, even and of at most `most` each."""
    count = -(-n // most)
    for i in range(count):
        yield n * i // count, n * (i + 1) // count


@dataclass(frozen=True, slots=True)
class _Leaf:
    """The pooled bags of one field: leaves of autograd, whose gradients the table then scatters."""

    table: Table
    bags: Rows
    pooled: Tensor
    first_order: Tensor

    @staticmethod
    def pool(table: Table, bags: Rows) -> "_Leaf":
        pooled, first_order = table.pool(bags)
        return _Leaf(table, bags, _tensor(pooled).requires_grad_(), _tensor(first_order).requires_grad_())


def _gradient(leaf: _Leaf) -> BagGradient:
    if leaf.pooled.grad is None or leaf.first_order.grad is None:
        raise ValueError("the loss does not reach every field")
    return BagGradient(leaf.bags, leaf.pooled.grad.contiguous().numpy(), leaf.first_order.grad.contiguous().numpy())


def _sum(tensors: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(tensors)).sum(dim=0)


def _tensor(array: NDArray[Any]) -> Tensor:
    if array.dtype == np.int32:
        array = array.astype(np.int64)
    return torch.from_numpy(array)
