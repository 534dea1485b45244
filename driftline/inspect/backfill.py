"""A backfill: scores the whole log of `examples` again, with one published snapshot.

It stops where the log ended when the backfill began. It scores with `model.serving.Predictor`, as a scorer does, and
does not import torch.
"""

import contextlib
from collections.abc import Callable, Generator
from pathlib import Path

from contracts.errors import BadRecord, DriftlineError
from contracts.settings import Settings
from contracts.topics import EXAMPLES
from driftline.inspect.backfill_report import Report
from driftline.inspect.logs import read_log
from driftline.inspect.models import find_model, read_models
from driftline.inspect.rescoring import Rescorer, Span
from driftline.inspect.score_file import ScoreFile
from model.serving import Predictor
from scoring.hot_swap import load_warm
from trainer.check_examples import read_examples
from transport.kafka.admin import topic_offsets
from transport.ports.kafka_records import LogRecord

OnProgress = Callable[[int, int], None]  # (offsets read, offsets in all)


class SnapshotGone(DriftlineError):
    """The snapshot of a published version is not where it was written."""


def load_predictor(settings: Settings, name: str, version: int | None = None) -> Predictor:
    """Load the snapshot of one published version; None is the newest.

    Raises `NoSuchModel`, `SnapshotGone`, and `SnapshotInvalid` if it is damaged or of another feature set.
    """
    published = find_model(settings, name, version)
    if not Path(published.path).is_dir():
        there = sorted({model.version for model in read_models(settings, name) if Path(model.path).is_dir()})
        raise SnapshotGone(
            f"the snapshot of {name} version {published.version} is not in {published.path}: a trainer keeps "
            "its newest (setting DRIFTLINE_TRAINER_KEEP_SNAPSHOTS) on the machine that it runs on; "
            + (f"still there: version {', '.join(map(str, there))}" if there else "no version of it is there")
        )
    return load_warm(published)


def backfill(
    settings: Settings,
    predictor: Predictor,
    span: Span,
    out: Path | None = None,
    on_progress: OnProgress = lambda passed, total: None,
) -> Report:
    """Score every example of `span` with `predictor`, and write the scores to `out`, if given.

    Raises `ServerUnavailable` and `NotWritable`.
    """
    rescorer = Rescorer(predictor, span)
    with (
        ScoreFile(out, predictor.manifest) if out else contextlib.nullcontext() as file,
        contextlib.closing(_watched(settings, on_progress)) as log,
    ):
        for record in log:
            try:
                examples = read_examples(record.value)
            except BadRecord as error:
                rescorer.refuse(record.partition, record.offset, error)
                continue
            scored = rescorer.observe(record.partition, record.offset, examples)
            if file:
                file.write(scored)
    return rescorer.report()


def _watched(settings: Settings, on_progress: OnProgress) -> Generator[LogRecord, None, None]:
    """The log's records; calls `on_progress` after each."""
    held = topic_offsets(settings, [EXAMPLES]).get(EXAMPLES.name, {})
    total = sum(offsets.count for offsets in held.values())
    passed = dict.fromkeys(held, 0)
    with contextlib.closing(read_log(settings, EXAMPLES)) as log:
        for record in log:
            yield record
            passed[record.partition] = record.offset + 1 - held[record.partition].begin
            on_progress(min(sum(passed.values()), total), total)
    on_progress(total, total)
