"""The log of labelled examples: the newest ones, and figures over the whole log."""

import math
from collections import Counter
from collections.abc import Iterator

import msgspec
import numpy as np

from contracts.examples import PROVENANCES, Examples, deserialize_examples, engaged
from contracts.records import ACTIONS, IdText, Provenance
from contracts.settings import Settings
from contracts.topics import EXAMPLES
from driftline.inspect.logs import newest_records, read_log
from transport.ports.kafka_records import LogRecord


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """One labelled impression; `probability` and `model_version` are None under a fallback order."""

    partition: int
    offset: int
    request_id: str
    viewer_id: IdText
    tweet_id: IdText
    at_ms: int
    position: int
    actions: list[str]
    weight: float
    probability: float | None
    model_version: int | None
    vocab_version: int
    bins_version: int
    provenance: Provenance


class ExampleStats(msgspec.Struct, frozen=True, kw_only=True):
    """Figures over the whole log. weighted: the sum of the weights, that is the impressions before sampling."""

    batches: int
    examples: int
    weighted: float
    engaged: int
    base_rate: float | None
    actions: dict[str, int]
    fallback: int
    model_versions: int
    first_ms: int | None
    last_ms: int | None
    bytes: int
    provenance: dict[Provenance, int]


def read_examples(settings: Settings) -> Iterator[tuple[LogRecord, Examples]]:
    """Every batch in the log, decoded. Raises `BadRecord` for a malformed one."""
    for record in read_log(settings, EXAMPLES):
        yield record, deserialize_examples(record.value or b"")


def newest_examples(settings: Settings, count: int) -> list[Example]:
    """The newest `count` examples, the newest last."""
    rows = [
        row
        for record in newest_records(settings, EXAMPLES, count)  # each holds at least one example
        for row in _rows(record, deserialize_examples(record.value or b""))
    ]
    return rows[-count:]


def stats(settings: Settings) -> ExampleStats:
    """Compute the figures in one pass over the log."""
    batches = rows = positives = fallback = size = 0
    weighted = engaged_weight = 0.0
    first_ms, last_ms = math.inf, -math.inf
    actions: Counter[str] = Counter()
    versions: set[int] = set()
    provenances = np.zeros(len(PROVENANCES), np.int64)
    for record, examples in read_examples(settings):
        batches += 1
        rows += len(examples)
        size += len(record.value or b"")
        positive = engaged(examples.labels)
        positives += int(positive.sum())
        weighted += float(examples.weights.sum())
        engaged_weight += float(examples.weights[positive].sum())
        fallback += int((examples.model_versions == 0).sum())
        versions.update(np.unique(examples.model_versions).tolist())
        provenances += np.bincount(examples.provenances, minlength=len(PROVENANCES))
        for bit, action in enumerate(ACTIONS):
            actions[action] += int((examples.labels >> bit & 1).sum())
        if len(examples):
            first_ms = min(first_ms, int(examples.at_ms.min()))
            last_ms = max(last_ms, int(examples.at_ms.max()))
    return ExampleStats(
        batches=batches,
        examples=rows,
        weighted=weighted,
        engaged=positives,
        base_rate=engaged_weight / weighted if weighted else None,
        actions={action: count for action, count in actions.items() if count},
        fallback=fallback,
        model_versions=len(versions - {0}),
        first_ms=int(first_ms) if rows else None,
        last_ms=int(last_ms) if rows else None,
        bytes=size,
        provenance={name: count for name, count in zip(PROVENANCES, provenances.tolist(), strict=True) if count},
    )


def _rows(record: LogRecord, examples: Examples) -> Iterator[Example]:
    for i in range(len(examples)):
        probability = float(examples.probabilities[i])
        labels = int(examples.labels[i])
        yield Example(
            partition=record.partition,
            offset=record.offset,
            request_id=examples.request_ids[i],
            viewer_id=str(examples.viewer_ids[i]),
            tweet_id=str(examples.tweet_ids[i]),
            at_ms=int(examples.at_ms[i]),
            position=int(examples.positions[i]),
            actions=[action.value for bit, action in enumerate(ACTIONS) if labels >> bit & 1],
            weight=float(examples.weights[i]),
            probability=None if math.isnan(probability) else probability,
            model_version=int(examples.model_versions[i]) or None,
            vocab_version=int(examples.vocab_versions[i]),
            bins_version=int(examples.bins_versions[i]),
            provenance=PROVENANCES[examples.provenances[i]],
        )
