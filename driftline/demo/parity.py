"""Whether what the demo's model served comes out again, bit for bit, from its snapshot and the log of examples."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from contracts.records import ModelPublished
from contracts.settings import Settings
from driftline.inspect.backfill import backfill
from driftline.inspect.backfill_report import Parity
from driftline.inspect.scored_again import Span
from scoring.hot_swap import load_warm


def served_again(settings: Settings, models: Sequence[ModelPublished], timelines: Mapping[int, int]) -> Parity | None:
    """Parity of the version that ranked the most timelines, of those whose snapshot is still there; None without any.

    timelines: how many each version ranked. Raises `SnapshotInvalid` and `ServerUnavailable`.
    """
    kept = [model for model in models if timelines.get(model.version) and Path(model.path).is_dir()]
    if not kept:
        return None
    most = max(kept, key=lambda model: (timelines[model.version], model.version))
    return backfill(settings, load_warm(most), Span()).parity
