"""`driftline bins`: the rolling discretization bins."""

import math
from collections.abc import Sequence
from typing import Annotated

import typer

from driftline.cli.common import current_settings, print_json
from driftline.cli.options import AsJson
from driftline.cli.show import console, number, print_table

app = typer.Typer(
    name="bins",
    help="Look at the rolling bins of continuous features.\n\nExample: driftline bins show tweet_likes",
    no_args_is_help=True,
)
_WIDTH = 60

Feature = Annotated[str, typer.Argument(help="A feature, as `driftline bins list` names it.")]


@app.command("list")
def list_bins(as_json: AsJson = False) -> None:
    """List the features that have bins, and how far their edges moved since the first version.

    `moved` is a Kolmogorov-Smirnov distance: 0.05 says that the share of values below some edge changed by 5 points.

    Example: driftline bins list
    """
    from driftline.inspect import bins

    found = bins.summarize(current_settings())
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
def show(feature: Feature, as_json: AsJson = False) -> None:
    """Show a feature's edges as they are now, drawn along a logarithmic line.

    Every bin holds about the same share of the recent values, so edges stand close where values are.

    Example: driftline bins show author_followers
    """
    from driftline.inspect import bins

    newest = bins.newest_bins(current_settings(), feature)
    if as_json:
        print_json(newest)
        return
    console.print(f"{feature}, version {newest.version}: {len(newest.edges) + 1} bins", markup=False)
    console.print(plot(newest.edges), markup=False)
    console.print(" ".join(f"{edge:.6g}" for edge in newest.edges), markup=False)


@app.command()
def history(feature: Feature, as_json: AsJson = False) -> None:
    """Show every version of a feature's edges, each drawn on the same line, and how far it moved from the last.

    Example: driftline bins history age_s
    """
    from driftline.inspect import bins

    found = list(bins.read_history(current_settings(), feature))
    if as_json:
        print_json(found)
        return
    if not found:
        bins.newest_bins(current_settings(), feature)  # raises, naming the features that there are
    ends = [edge for change in found for edge in (change.edges[0], change.edges[-1]) if change.edges]
    print_table(
        f"edges of {feature}",
        ["#version", "#moved", f"{min(ends):.4g} to {max(ends):.4g}" if ends else "edges"],
        [(change.version, number(change.moved), plot(change.edges, ends)) for change in found],
    )


def plot(edges: Sequence[float], along: Sequence[float] | None = None) -> str:
    """Edges as marks on a line of 60 characters from the least to the greatest of `along` (default: of themselves).

    The scale is linear near zero and logarithmic away from it, so that skewed counts and signed values both show.
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
