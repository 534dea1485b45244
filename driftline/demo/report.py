"""Prints a demo's report for people."""

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from contracts.records import Provenance
from driftline.console_tables import number, plain, print_part, table, when
from driftline.demo.quality import Quality
from driftline.demo.report_data import Report
from driftline.inspect.bins import BinsSummary
from driftline.inspect.timelines import ShownTimeline
from driftline.inspect.vocab import Token

PROVENANCE = {
    Provenance.REAL: "real tweets",
    Provenance.SIMULATED_VIEWERS: "real tweets, simulated viewers: who asked and what they did is made up",
    Provenance.SIMULATED_WORLD: "a simulated world: tweets, viewers and what they did are made up",
}
_EDGES_SHOWN = 8


def show(report: Report) -> None:
    """Print the report on standard output."""
    for part in _parts(report):
        print_part(Group("", part))


def _parts(report: Report) -> Iterable[RenderableType]:
    yield _heading(report)
    yield _flows(report)
    yield table("consumer lag at the end", ["consumer", "#records behind"], sorted(report.lags.items()))
    yield _vocabulary(report)
    for summary in report.bins:
        yield _bins(summary)
    yield _quality(report)
    yield _models(report)
    for timeline in report.timelines:
        yield _timeline(timeline, texts_shown=report.texts_shown)


def _heading(report: Report) -> RenderableType:
    spent = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in report.wall_s.items())
    return Group(
        Text("Driftline demo", style="bold"),
        Text(plain(report.description)),
        Text(f"provenance: {PROVENANCE[report.provenance]}"),
        Text(f"event time {when(report.began_ms)} to {when(report.ended_ms)}; wall clock: {spent}"),
    )


def _flows(report: Report) -> RenderableType:
    return table(
        "events in and out per topic (offsets count ticks and transaction markers too)",
        ["topic", "#events", "of", "#offsets"],
        [
            (flow.topic, "-" if flow.events is None else f"{flow.events:,}", flow.of, f"{flow.offsets:,}")
            for flow in report.flows
        ],
    )


def _vocabulary(report: Report) -> RenderableType:
    growth = report.vocabulary
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in growth.namespaces.items())
    size = (
        f"vocabulary: {growth.admitted:,} tokens of {growth.capacity:,} slots at window {growth.version} ({kinds}); "
        f"{growth.admissions:,} admitted and {growth.evictions:,} evicted in all"
    )
    return Group(
        Text(size, style="bold"),
        *_movers(report),
    )


def _movers(report: Report) -> Iterable[RenderableType]:
    if report.movers is None or report.movers_ms is None:
        yield Text("no window was decided while events came")
        return
    kind = report.movers.namespace
    if kind != "hashtag":
        yield Text(f"hardly any hashtag was frequent enough for a slot, so these are {kind}s:")
    for title, tokens in (("rising", report.movers.rising), ("falling", report.movers.falling)):
        if not tokens:
            yield Text(f"no {kind} is {title}: none with a slot is used more or less often than an hour before")
            continue
        yield table(
            f"fastest {title} {kind}s at {when(report.movers_ms)} (tweets in an hour, and how many an hour more)",
            [kind, "#tweets", "#an hour", "#score"],
            [(_spelled(t), number(t.count, 1), f"{t.velocity:+.1f}", f"{t.score:+.1f}") for t in tokens],
        )


def _spelled(token: Token) -> str:
    if not token.token:
        return token.key
    return {"hashtag": "#", "mention": "@"}.get(token.namespace, "") + token.token


def _bins(summary: BinsSummary) -> RenderableType:
    moved = (
        f"bins of {summary.feature}: {len(summary.newest.edges) + 1} at window {summary.newest.version}, "
        f"version {summary.versions} of them; moved {summary.moved:.3f} (Kolmogorov-Smirnov) since the first"
    )
    return Group(
        Text(moved, style="bold"),
        Text(f"  first:  {_edges(summary.first.edges)}"),
        Text(f"  newest: {_edges(summary.newest.edges)}"),
    )


def _edges(edges: Sequence[float]) -> str:
    """Up to `_EDGES_SHOWN` of the edges, evenly spaced by rank, the first and the last included."""
    count = min(len(edges), _EDGES_SHOWN)
    chosen = [edges[round(i * (len(edges) - 1) / max(1, count - 1))] for i in range(count)]
    return " < ".join(f"{edge:,.4g}" for edge in chosen) or "none"


def _quality(report: Report) -> RenderableType:
    early, late, best = report.early, report.late, report.best_possible
    rows = [
        _figure("log-loss (nats)", "log_loss", early, late),
        ("best possible log-loss", number(best.early), number(best.late), number(best.all)),
        _figure("PR-AUC", "pr_auc", early, late),
        _figure("RCE (%)", "rce", early, late, digits=2),
        _figure("calibration error", "calibration_error", early, late),
        _figure("base rate", "base_rate", early, late),
        ("examples", *("-" if q is None else f"{q.examples:,}" for q in (early, late)), ""),
    ]
    return table(
        "the model, predicting before it learns: first and last third of its evaluations",
        ["figure", "#early", "#late", "#whole run"],
        rows,
    )


def _figure(
    title: str, field: str, early: Quality | None, late: Quality | None, digits: int = 4
) -> tuple[str, str, str, str]:
    values = [None if quality is None else getattr(quality, field) for quality in (early, late)]
    return (title, number(values[0], digits), number(values[1], digits), "")


def _models(report: Report) -> RenderableType:
    served, fresh = report.served, report.freshness
    by = ", ".join(f"{count:,} by {ranker}" for ranker, count in sorted(served.rankers.items()))
    if fresh.median_ms is None or fresh.p90_ms is None:
        freshness = "no engagement came full circle"
    else:
        freshness = (
            f"{fresh.median_ms / 1000:.1f} s in the median, {fresh.p90_ms / 1000:.1f} s for 90% "
            f"({fresh.completed:,} engagements came full circle, {fresh.waiting:,} had not by the end)"
        )
    return Group(
        Text(
            f"models: {report.published} versions published, {len(served.versions)} swapped in and ranked with; "
            f"{served.timelines:,} timelines ({by})"
        ),
        Text(f"examples: {report.examples:,}, {report.engaged:,} of them engaged with"),
        Text(f"from an engagement to the first served score that learned from it: {freshness}"),
        Text(report.parity.sentence() if report.parity else "parity: no snapshot that ranked is left to score with"),
    )


def _timeline(shown: ShownTimeline, *, texts_shown: bool) -> RenderableType:
    answer = shown.answer
    ranker = f"{answer.model} {answer.model_version}" if answer.model_version else f"fallback order {answer.ranker}"
    title = (
        f"timeline of viewer {answer.viewer_id} at {when(answer.at_ms)}, ranked by {ranker} "
        f"({PROVENANCE[answer.provenance]})"
    )
    rows = [
        (
            place,
            number(tweet.probability, 3),
            f"@{tweet.author}" if tweet.author else "-",
            tweet.text if texts_shown and tweet.text is not None else tweet.tweet_id,
            ", ".join(f"{reason.feature} {reason.log_odds:+.2f}" for reason in tweet.reasons[:3]) or "-",
        )
        for place, tweet in enumerate(shown.places, 1)
    ]
    return table(title, ["##", "#probability", "author", "tweet", "driven by (log-odds)"], rows)
