"""`driftline timelines`: the ranked timelines that were served."""

from typing import TYPE_CHECKING, Annotated

import typer

from driftline.cli.common import current_settings, print_json
from driftline.cli.options import AsJson, Count
from driftline.console_tables import console, number, print_table, when

if TYPE_CHECKING:
    from contracts.answers import Answer
    from contracts.records import RankedTimeline

app = typer.Typer(
    name="timelines",
    help="Look at the ranked timelines that were served.\n\nExample: driftline timelines tail -n 3",
    no_args_is_help=True,
)


@app.command()
def tail(count: Count = 10, as_json: AsJson = False) -> None:
    """List the newest timelines; `driftline timelines show REQUEST` shows one in full.

    Example: driftline timelines tail -n 3
    """
    from driftline.inspect import timelines

    found = timelines.newest_answers(current_settings("kafka"), count)
    if as_json:
        print_json(found)
        return
    print_table(
        "newest timelines",
        ["request", "asked at", "#viewer", "ranked by", "#tweets", "#missing", "#best", "provenance"],
        [_row(answer) for answer in found],
    )


@app.command()
def show(
    request_id: Annotated[str, typer.Argument(help="A request's id, as `driftline timelines tail` lists it.")],
    no_text: Annotated[bool, typer.Option("--no-text", help="Show ids in place of texts.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show one timeline: author, text and probability of each tweet, and the reasons for its rank, if requested.

    Example: driftline timelines show r-17 --no-text
    """
    from driftline.inspect import timelines

    settings = current_settings()
    found = timelines.with_texts(settings, [timelines.find_timeline(settings, request_id)])[0]
    if as_json:
        print_json(found.answer if no_text else found)
        return
    answer = found.answer
    console.print(
        f"viewer {answer.viewer_id} at {when(answer.at_ms)}, by {ranked_by(answer)}, {answer.provenance}",
        markup=False,
    )
    print_table(
        f"timeline {request_id}",
        ["#", "#probability", "author", "tweet", "driven by (log-odds)"],
        [
            (
                i,
                number(place.probability),
                "-" if place.author is None else f"@{place.author}",
                place.tweet_id if no_text or place.text is None else place.text,
                ", ".join(f"{reason.feature} {reason.log_odds:+.2f}" for reason in place.reasons),
            )
            for i, place in enumerate(found.places, 1)
        ],
    )


def _row(answer: "Answer") -> tuple[object, ...]:
    from contracts.records import RequestRefused

    if isinstance(answer, RequestRefused):
        return answer.request_id, "-", "-", f"refused: {answer.error}", "-", "-", "-", "-"
    return (
        answer.request_id,
        when(answer.at_ms),
        answer.viewer_id,
        ranked_by(answer),
        len(answer.tweets),
        len(answer.missing),
        number(answer.tweets[0].probability if answer.tweets else None),
        answer.provenance,
    )


def ranked_by(timeline: "RankedTimeline") -> str:
    """What ranked it: a model and its version, or a fallback order."""
    if timeline.model_version is None:
        return f"fallback order {timeline.ranker}"
    return f"{timeline.model} {timeline.model_version}"
