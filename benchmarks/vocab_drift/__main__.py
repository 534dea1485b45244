"""How the vocabulary follows real drift: `python -m benchmarks.vocab_drift FILE`; docs/vocabulary_drift.md explains.

FILE is anything that `sources` can read, in order of time; tweets with the same time keep the file's order. Only
numbers are shown, no tokens. It needs one core, and memory for every distinct key of the file.
"""

import argparse
import itertools
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from benchmarks.vocab_drift.figures import StudyFigures, figures
from benchmarks.vocab_drift.plot import plot
from benchmarks.vocab_drift.report import as_markdown, print_tables
from benchmarks.vocab_drift.study import Study
from contracts.errors import BadSource
from contracts.records import Tweet
from sources import open_source

BATCH = 5_000  # fewest tweets per call
MINUTES_A_DAY = 1_440


def read(file: Path, begin: str | None, months: int | None, tweets: int | None) -> Iterator[Tweet]:
    """The file's tweets from the month `begin` (YYYY-MM) on, of at most `months` calendar months and `tweets` tweets.

    Raises `BadSource` if a tweet is older than the one before it.
    """
    first_ms = _month_begins(np.datetime64(begin, "M")) if begin else 0
    end_ms, last_ms = None, 0
    found = (row for row in open_source(file) if isinstance(row, Tweet) and row.created_ms >= first_ms)
    for tweet in itertools.islice(found, tweets):
        if tweet.created_ms < last_ms:
            raise BadSource(f"{file}: the study needs tweets in order of time; {tweet.created_ms} follows {last_ms}")
        if end_ms is None and months is not None:
            end_ms = _month_begins(np.datetime64(tweet.created_ms, "ms").astype("datetime64[M]") + months)
        if end_ms is not None and tweet.created_ms >= end_ms:
            return
        last_ms = tweet.created_ms
        yield tweet


def batches(tweets: Iterable[Tweet], window_ms: int) -> Iterator[list[Tweet]]:
    """Batches of whole windows, with at least `BATCH` tweets each except the last."""
    batch: list[Tweet] = []
    for tweet in tweets:
        if len(batch) >= BATCH and tweet.created_ms // window_ms != batch[-1].created_ms // window_ms:
            yield batch
            batch = []
        batch.append(tweet)
    if batch:
        yield batch


def run(tweets: Iterable[Tweet], study: Study) -> StudyFigures:
    """Run the whole study, with its progress on standard error."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(file=sys.stderr)) as progress:
        task = progress.add_task("reading")
        for batch in batches(tweets, study.window_ms):
            study.feed(batch)
            month = np.datetime64(batch[-1].created_ms, "ms").astype("datetime64[M]")
            progress.update(task, description=f"{study.tweets:,} tweets, {study.windows:,} windows, {month}")
        study.finish()
    return figures(study)


def main() -> None:
    """Run the study and print its results."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.vocab_drift",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--window-minutes", type=int, default=60, help="must divide a day (default: %(default)s)")
    parser.add_argument("--capacities", type=int, nargs="+", default=[1 << 17, 1 << 13], metavar="KEYS")
    parser.add_argument(
        "--build-tweets", type=int, default=1_000, help="fewest tweets of the fixed vocabulary's month"
    )
    parser.add_argument("--from", dest="begin", metavar="YYYY-MM", help="the first month to read")
    parser.add_argument("--months", type=int, help="most calendar months to read")
    parser.add_argument("--tweets", type=int, help="most tweets to read")
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg")
    parser.add_argument("--json", type=Path, metavar="FILE.json")
    options = parser.parse_args()
    if MINUTES_A_DAY % options.window_minutes:
        parser.error(f"--window-minutes {options.window_minutes} does not divide a day")
    study = Study(options.capacities, options.window_minutes * 60_000, options.build_tweets)
    found = run(read(options.file, options.begin, options.months, options.tweets), study)
    if not found.months:
        parser.error(f"no month follows a month with {options.build_tweets} tweets: there is nothing to measure")
    print(as_markdown(found)) if options.markdown else print_tables(found)
    if options.plot:
        plot(found, options.plot)
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(found)))


def _month_begins(month: np.datetime64) -> int:
    return int(month.astype("datetime64[ms]").astype(int))


if __name__ == "__main__":
    main()
