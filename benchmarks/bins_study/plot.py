"""Plots how edges moved and what rolling bins saved by month, as an SVG file: the same bytes for the same figures."""

from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from benchmarks.bins_study.run import StreamFigures

_EDGES = 15  # most lines, from dark to light
_COMPARED = {
    "bins of the first month": "C0",
    "z-scores of the first month": "C4",
    "rolling z-scores": "C2",
    "rolling z-scores of logarithms": "C1",
    "max normalization": "C3",
}


def plot(streams: list[StreamFigures], features: list[str], file: Path) -> None:
    """Write two panels per stream: the edges of its feature in `features`, and what rolling bins saved."""
    matplotlib.use("svg")
    with plt.rc_context({"svg.hashsalt": "bins", "svg.fonttype": "none", "font.size": 9}):
        size = (14, 3.3 * len(streams))
        figure, panels = plt.subplots(len(streams), 2, figsize=size, layout="constrained", squeeze=False)
        for (left, right), found, feature in zip(panels, streams, features, strict=True):
            _edges(left, found, feature)
            _gains(right, found)
        figure.savefig(file, format="svg", metadata={"Date": None})
        plt.close(figure)


def _edges(panel: Axes, found: StreamFigures, feature: str) -> None:
    """Draw edges as step lines. Edges below 1 are not shown, because the scale is logarithmic."""
    edge_changes = [(day, edges) for day, name, edges in found.edge_changes if name == feature]
    days = np.array([day for day, _ in edge_changes], "datetime64[D]")
    most = max((len(edges) for _, edges in edge_changes), default=0)
    lines = np.full((len(edge_changes), most), np.nan)
    for row, (_, edges) in zip(lines, edge_changes, strict=True):
        row[: len(edges)] = [edge if edge >= 1 else np.nan for edge in edges]
    colors = plt.get_cmap("viridis")(np.linspace(0, 0.9, max(most, _EDGES)))
    for line, color in zip(lines.T, colors, strict=False):
        panel.step(days, line, where="post", color=color, linewidth=0.9)
    for edge in found.frozen.get(feature, []):
        if edge >= 1:
            panel.axhline(edge, color="grey", linewidth=0.6, linestyle=":")
    panel.set_yscale("log")
    panel.set_title(f"{found.name}: edges of {feature}; dotted, of the first month", loc="left")
    panel.grid(alpha=0.2)


def _gains(panel: Axes, found: StreamFigures) -> None:
    base = np.array(found.encodings[0].by_month)
    places = np.arange(len(found.months))
    for each in found.encodings:
        if each.name in _COMPARED:
            gain = 1_000 * (np.array(each.by_month) - base)
            panel.plot(places, gain, color=_COMPARED[each.name], label=each.name, linewidth=1.2)
    panel.axhline(0, color="black", linewidth=0.8)
    step = 1 + len(found.months) // 12
    panel.set_xticks(places[::step], found.months[::step], rotation=30)
    panel.set_title(f"{found.name}: saved by rolling bins, by month, 1/1000 nats", loc="left")
    panel.grid(alpha=0.3)
    panel.legend(fontsize=7, ncols=3)
