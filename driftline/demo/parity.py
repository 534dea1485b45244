"""Parity: whether a snapshot and the log of examples reproduce the demo's served scores bit for bit."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from contracts.records import ModelPublished
from contracts.settings import Settings
from driftline.inspect.backfill import backfill
from driftline.inspect.backfill_report import Parity
from driftline.inspect.rescoring import Span
from scoring.hot_swap import load_warm


def check_parity(settings: Settings, models: Sequence[ModelPublished], timelines: Mapping[int, int]) -> Parity | None:
    """Check the version that ranked the most timelines, among those whose snapshot still exists; None without any.

    timelines: version -> how many it ranked. Raises `SnapshotInvalid` and `ServerUnavailable`.
    """
    kept = [model for model in models if timelines.get(model.version) and Path(model.path).is_dir()]
    if not kept:
        return None
    most = max(kept, key=lambda model: (timelines[model.version], model.version))
    return backfill(settings, load_warm(most), Span()).parity
