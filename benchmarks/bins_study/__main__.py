"""What rolling bins gain when counts drift: `python -m benchmarks.bins_study FOLDER`; docs/bins_study.md explains.

FOLDER has the files of public tweets that the page names. Only numbers are shown, no text. `--streams`, `--tweets`
and `--world-days` make shorter runs. It takes some minutes on one core.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from benchmarks.bins_study.edges import BINS
from benchmarks.bins_study.plot import plot
from benchmarks.bins_study.report import as_markdown, print_tables
from benchmarks.bins_study.run import StreamFigures, study
from benchmarks.bins_study.stream import Stream
from benchmarks.bins_study.tweets import Table, followers_stream, read, retweets_stream
from benchmarks.bins_study.world import world_stream

RETWEETS, TWO, FOLLOWERS, WORLD = STREAMS = ("retweets", "two-accounts", "followers", "world")
# Stream -> (file, title, function that makes the stream).
_SOURCES: dict[str, tuple[str, str, Callable[[str, Table], Stream]]] = {
    RETWEETS: ("trump_v1_raw_public.jsonl.zst", "retweets, one account", retweets_stream),
    TWO: ("tweets_public.csv.gz", "retweets, two accounts", retweets_stream),
    FOLLOWERS: ("ira_en_public.csv.zst", "followers, many accounts", followers_stream),
}
_MONTHS = {FOLLOWERS: ("2015-01", "2016-07")}  # [from, to); the other streams use all tweets
_SHOWN = {
    RETWEETS: "tweet.retweets",
    TWO: "tweet.likes",
    FOLLOWERS: "tweet.author_followers",
    WORLD: "viewer_author.seen",
}


def make_stream(name: str, options: argparse.Namespace, progress: Callable[[], None]) -> Stream:
    """Read or simulate one stream."""
    if name == WORLD:
        return world_stream(options.world_days, options.seed, progress)
    file, title, make = _SOURCES[name]
    begin, end = (_ms(month) for month in _MONTHS.get(name, ("1970-01", "2100-01")))
    return make(title, read(options.folder / file, begin, end, options.tweets))


def run(options: argparse.Namespace) -> list[StreamFigures]:
    """Run the whole study, with its progress on standard error."""
    found = []
    columns = (SpinnerColumn(), TextColumn("{task.description}: {task.completed} days"), TimeElapsedColumn())
    with Progress(*columns, console=Console(file=sys.stderr)) as progress:
        for name in options.streams:
            making = progress.add_task(f"{name}, made")
            stream = make_stream(name, options, lambda task=making: progress.advance(task))
            studied = progress.add_task(f"{name}, studied")
            found.append(study(stream, lambda task=studied: progress.advance(task), options.bins))
    return found


def main() -> None:
    """Run the study and print its results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--streams", nargs="+", choices=STREAMS, default=list(STREAMS))
    parser.add_argument("--tweets", type=int, help="most tweets per file")
    parser.add_argument("--world-days", type=int, default=75, help="days to simulate (default: %(default)s)")
    parser.add_argument("--bins", type=int, default=BINS, help="bins per feature (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the simulated world (default: %(default)s)")
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg")
    parser.add_argument("--json", type=Path, metavar="FILE.json")
    options = parser.parse_args()
    found = run(options)
    print(as_markdown(found)) if options.markdown else print_tables(found)
    if options.plot:
        plot(found, [_SHOWN[name] for name in options.streams], options.plot)
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(found)))


def _ms(month: str) -> int:
    return int(np.datetime64(month, "ms").astype(int))


if __name__ == "__main__":
    main()
