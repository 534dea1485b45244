"""Plots how the edges of one count moved over years, as an SVG file: the same bytes for the same values."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np


def plot(edge_changes: Sequence[tuple[int, Sequence[float]]], days: Sequence[int], title: str, file: Path) -> None:
    """Write the plot. Edges of one rank make a line; where ties leave fewer edges, lines end.

    edge_changes: (day since 1970, edges), ascending. days: the first and the last day shown.
    """
    matplotlib.use("svg")
    with plt.rc_context({"svg.hashsalt": "bins", "svg.fonttype": "none", "font.size": 9}):
        figure, axes = plt.subplots(figsize=(9, 4.5), layout="constrained")
        most = max(len(edges) for _, edges in edge_changes)
        when = [_date(day) for day, _ in edge_changes] + [_date(days[-1])]
        colors = plt.get_cmap("viridis")(np.linspace(0, 0.9, most))
        for rank in range(most):
            heights = [edges[rank] if rank < len(edges) else float("nan") for _, edges in edge_changes]
            axes.step(when, [*heights, heights[-1]], where="post", color=colors[rank], linewidth=0.8)  # type: ignore[arg-type]
        axes.set_yscale("log")
        axes.set_title(title, loc="left")
        axes.grid(alpha=0.3)
        figure.savefig(file, format="svg", metadata={"Date": None})
        plt.close(figure)


def _date(day: int) -> datetime:
    return datetime.fromtimestamp(day * 86_400, UTC)
