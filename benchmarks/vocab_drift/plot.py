"""Plots the study by month, as an SVG file: the same bytes for the same figures."""

from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from benchmarks.vocab_drift.figures import MethodFigures, StudyFigures

_COLORS = {"Driftline": "C0", "exact": "black", "first month": "C2", "hash": "C3", "two hashes": "C4"}
_STYLES = ("-", "--", ":", "-.")  # by capacity, in the order given


def plot(found: StudyFigures, file: Path) -> None:
    """Write three panels: recall of new hashtags, occurrences with their own row, occurrences with a clean row."""
    matplotlib.use("svg")
    with plt.rc_context({"svg.hashsalt": "drift", "svg.fonttype": "none", "font.size": 9}):
        figure, panels = plt.subplots(3, 1, figsize=(9, 10), sharex=True, layout="constrained")
        recall, own, clean = panels
        for method in found.methods:
            if method.recall:
                _line(recall, found, method, method.recall.by_month)
            if method.own:
                _line(own, found, method, method.own_by_month)
            if method.capacity:
                _line(clean, found, method, method.clean_by_month)
        length = f"{found.window_minutes:g} min"
        recall.set_title(
            f"top new hashtags admitted at most {length} after they crossed the threshold, %", loc="left"
        )
        own.set_title("token occurrences whose key has a row of its own, %", loc="left")
        clean.set_title("token occurrences with a row that no other key, live or dead, ever used, %", loc="left")
        for panel in panels:
            panel.set_ylim(0, 103)
            panel.grid(alpha=0.3)
            panel.legend(fontsize=7, ncols=2, loc="lower left")
        step = 1 + len(found.months) // 12
        clean.set_xticks(range(0, len(found.months), step), found.months[::step], rotation=30)
        figure.savefig(file, format="svg", metadata={"Date": None})
        plt.close(figure)


def _line(panel: Axes, found: StudyFigures, method: MethodFigures, shares: list[float | None] | list[float]) -> None:
    capacities = list(dict.fromkeys(each.capacity for each in found.methods if each.capacity))
    style = _STYLES[capacities.index(method.capacity) % len(_STYLES)] if method.capacity else "-"
    label = f"{method.method}, {method.capacity:,}" if method.capacity else method.method
    percent = [float("nan") if share is None else 100 * share for share in shares]
    panel.plot(range(len(percent)), percent, style, color=_COLORS[method.method], label=label, linewidth=1.2)
