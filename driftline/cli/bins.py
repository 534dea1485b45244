"""`driftline bins`: the rolling discretization bins."""

import itertools
import math
from collections.abc import Sequence
from typing import Annotated

import typer

from driftline.cli.common import current_settings, print_json
from driftline.cli.options import MOST, AsJson
from driftline.console_tables import console, number, print_table

app = typer.Typer(
    name="bins",
    help="Look at the rolling bins of continuous features.\n\nExample: driftline bins show tweet.likes",
    no_args_is_help=True,
)
_WIDTH = 60
_BLOCKS = " ▁▂▃▄▅▆▇█"

Version = Annotated[int, typer.Argument(min=0, max=MOST, help="A version of the bins: a window number.")]
AtVersion = Annotated[
    int | None, typer.Option("--version", min=0, max=MOST, help="Show this version; default: the newest.")
]
Feature = Annotated[str, typer.Argument(help="A feature, as `driftline bins list` names it.")]


@app.command("list")
def list_bins(as_json: AsJson = False) -> None:
    """List the features that have bins, and how far their edges have moved since the first version.

    `moved` is a Kolmogorov-Smirnov distance: 0.05 means that the share of values below some edge changed by 5
    percentage points.

    Example: driftline bins list
    """
    from driftline.inspect import bins

    found = bins.summarize(current_settings("kafka"))
    if as_json:
        print_json(found)
        return
    print_table(
        "bins",
        ["feature", "#versions", "#first", "#newest", "#edges", "#moved"],
        [
            (b.feature, b.versions, b.first.version, b.newest.version, len(b.newest.edges), number(b.moved))
            for b in found
        ],
    )


@app.command()
def show(feature: Feature, version: AtVersion = None, as_json: AsJson = False) -> None:
    """Show a feature's edges, now or at a version, drawn along a logarithmic line.

    Every bin holds about the same share of the recent values. Where values are frequent, edges are close together and
    blocks are high.

    Example: driftline bins show author_followers
    """
    from driftline.inspect import bins

    found = bins.bins_at(current_settings("kafka"), feature, version)
    if as_json:
        print_json(found)
        return
    console.print(f"{feature}, version {found.version}: {len(found.edges) + 1} bins", markup=False)
    console.print(density(found.edges), markup=False)
    console.print(plot(found.edges), markup=False)
    console.print(" ".join(f"{edge:.6g}" for edge in found.edges), markup=False)


@app.command()
def history(feature: Feature, as_json: AsJson = False) -> None:
    """Show every version of a feature's edges, all drawn on the same scale, and how far each moved from the last.

    Example: driftline bins history tweet.age_s
    """
    from driftline.inspect import bins

    found = list(bins.read_history(current_settings("kafka"), feature))
    if as_json:
        print_json(found)
        return
    if not found:
        bins.bins_at(current_settings("kafka"), feature)  # raises, and names the features that have bins
    ends = _ends([change.edges for change in found])
    print_table(
        f"edges of {feature}",
        ["#version", "#moved", f"{min(ends):.4g} to {max(ends):.4g}" if ends else "edges"],
        [(change.version, number(change.moved), plot(change.edges, ends)) for change in found],
    )


@app.command()
def compare(before: Version, after: Version, as_json: AsJson = False) -> None:
    """Show the features whose edges differ between two versions, furthest moved first, both drawn on one scale.

    Example: driftline bins compare 28333329 28333569
    """
    from driftline.inspect import bins

    found = bins.compare(current_settings("kafka"), before, after)
    if as_json:
        print_json(found)
        return
    rows = []
    for move in found:
        ends = _ends([move.before, move.after])
        rows.append((move.feature, number(move.moved), before, len(move.before), plot(move.before, ends)))
        rows.append(("", "", after, len(move.after), plot(move.after, ends)))
    print_table(f"bins {before} and {after}", ["feature", "#moved", "#version", "#edges", "edges"], rows)


def _ends(several: Sequence[Sequence[float]]) -> list[float]:
    return [edge for edges in several if edges for edge in (edges[0], edges[-1])]


def plot(edges: Sequence[float], along: Sequence[float] | None = None) -> str:
    """The edges as marks on a line of 60 characters, which spans `along` (default: the edges themselves).

    The scale is linear near zero and logarithmic away from it: skewed counts and signed values are both readable.
    """
    if not edges:
        return "(no edges: one bin)"
    scaled = [math.asinh(edge) for edge in (edges if along is None else along)]
    low, high = min(scaled), max(scaled)
    line = ["·"] * _WIDTH
    for edge in edges:
        share = (math.asinh(edge) - low) / (high - low) if high > low else 0.5
        line[round(share * (_WIDTH - 1))] = "|"
    return "".join(line)


def density(edges: Sequence[float]) -> str:
    """The density of the values, as blocks above the line that `plot` draws; "" for fewer than two edges."""
    scaled = [math.asinh(edge) for edge in edges]
    if len(scaled) < 2:
        return ""
    column = (scaled[-1] - scaled[0]) / _WIDTH
    heights = [
        sum(
            max(0.0, min(right, scaled[0] + (i + 1) * column) - max(left, scaled[0] + i * column)) / (right - left)
            for left, right in itertools.pairwise(scaled)
            if right > left
        )
        for i in range(_WIDTH)
    ]
    highest = max(heights)
    return "".join(_BLOCKS[math.ceil(height / highest * (len(_BLOCKS) - 1))] for height in heights)
