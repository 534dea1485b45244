"""`driftline features`: which features there are, and what the feature store holds about one entity."""

from typing import TYPE_CHECKING, Annotated

import typer

from driftline.cli.common import current_settings, print_json, serve_metrics
from driftline.cli.options import MOST, AsJson, time_ms
from driftline.console_tables import console, plain, print_table, when

if TYPE_CHECKING:
    from contracts.settings import Settings
    from driftline.inspect.store import Counts

app = typer.Typer(
    name="features",
    help="List the features, and look up a tweet, an author, a viewer or a viewer-author pair in the store.\n\n"
    "Example: driftline features tweet 1700000000000000000",
    no_args_is_help=True,
)

FeatureNames = Annotated[list[str], typer.Argument(help="Names of features; `driftline features list` has them.")]
TweetIds = Annotated[list[int] | None, typer.Option(min=0, max=MOST, help="A tweet's id; repeat it for more rows.")]
AuthorIds = Annotated[
    list[int] | None, typer.Option(min=0, max=MOST, help="An author's id; repeat it for more rows.")
]
ViewerIds = Annotated[list[int] | None, typer.Option(min=0, max=MOST, help="A viewer's id; repeat it for more rows.")]
FeatureName = Annotated[str, typer.Argument(help="A feature's name, such as tweet.rate.")]
TweetId = Annotated[int, typer.Argument(help="A tweet's id.", min=0, max=MOST)]
AuthorId = Annotated[int, typer.Argument(help="An author's id.", min=0, max=MOST)]
ViewerId = Annotated[int, typer.Argument(help="A viewer's id.", min=0, max=MOST)]


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """List the dense features that the models learn from, in wire order.

    Example: driftline features list
    """
    from driftline.inspect import declared

    features = declared.described()
    if as_json:
        print_json(features)
        return
    print_table(
        f"{len(features)} dense features",
        ["feature", "#number", "bins counted from", "what it is"],
        [(f.name, f.number, f.bins_counted_from, f.meaning) for f in features],
    )


@app.command()
def describe(name: FeatureName, as_json: AsJson = False) -> None:
    """Show what one feature is, and where its value comes from.

    Example: driftline features describe tweet.rate
    """
    from driftline.inspect import declared

    found = declared.describe(name)
    if as_json:
        print_json(found)
        return
    rows = [
        ("what it is", found.meaning),
        ("entity", found.entity),
        ("source", found.source),
        ("bins counted from", found.bins_counted_from),
        ("number", found.number),
    ]
    print_table(found.name, ["", "value"], rows)


@app.command()
def get(
    names: FeatureNames,
    tweet: TweetIds = None,
    author: AuthorIds = None,
    viewer: ViewerIds = None,
    at: Annotated[
        str | None,
        typer.Option(help="Event time that ages and sliding counts are as of; default: now. ISO 8601, or ms."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read features by name, as a model is served them. A dash, or null in JSON, is a value that is not known.

    Give an id once for all rows, or as many ids of each entity as there are rows. The author is by default the
    tweet's.

    Example: driftline features get tweet.likes author.rate_recent --tweet 1700000000000000000
    """
    from driftline.feature_store import FeatureStore

    with FeatureStore.open(current_settings("redis")) as store:
        found = store.get(names, tweet=tweet, author=author, viewer=viewer, at_ms=time_ms("--at", at))
    if not found.whole:
        typer.echo("the store is being rewritten: values may be missing, and counts too low", err=True)
    rows = found.to_arrow().to_pylist()
    if as_json:
        print_json(
            [{name: str(value) if name in found.ids else value for name, value in row.items()} for row in rows]
        )
        return
    print_table(
        f"as of {when(found.at_ms)}",
        [f"#{name}" for name in (*found.ids, *found.columns)],
        [
            [
                "-" if value is None else f"{value:.6g}" if isinstance(value, float) else value
                for value in row.values()
            ]
            for row in rows
        ],
    )


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(help="The address to listen on; 0.0.0.0 for all of this machine's.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535, help="The port to listen on.")] = 8080,
) -> None:
    """Serve features over HTTP, until Ctrl-C: POST /get, GET /features, /health and /ready; /schema describes all.

    There is no authentication: it listens on this machine alone unless told otherwise.

    Example: driftline features serve --port 8080
    """
    import asyncio

    from driftline import feature_server
    from driftline.cli.signals import until_signalled

    async def serving(settings: "Settings", stop: asyncio.Event) -> None:
        await feature_server.serve(settings, stop, host, port)

    settings = current_settings("redis")
    serve_metrics(settings)
    typer.echo(f"serving features at http://{host}:{port}, described at http://{host}:{port}/schema", err=True)
    asyncio.run(until_signalled(serving, settings))


@app.command()
def tweet(tweet_id: TweetId, as_json: AsJson = False) -> None:
    """Show a stored tweet: author, text, features known at tweet time, the keys of its tokens, and its counters.

    Example: driftline features tweet 1700000000000000000
    """
    from driftline.inspect import store

    found = store.tweet(_settings(), tweet_id)
    if as_json:
        print_json(found)
        return
    stored = found.tweet
    shown = f"@{stored.author} ({stored.author_id}), {when(stored.created_ms)}, {stored.provenance}: {stored.text}"
    console.print(plain(shown), markup=False)
    known = ("author_followers", "text_length", "tag_count", "media", "reply", "quote", "retweet")
    print_table("known at tweet time", ["feature", "#value"], [(name, getattr(stored, name)) for name in known])
    print_table("tokens", ["field", "keys"], [(field, " ".join(keys)) for field, keys in stored.keys.items()])
    _print_counts(found.counts)


@app.command()
def author(author_id: AuthorId, as_json: AsJson = False) -> None:
    """Show an author's counters: tweets posted, seen and engaged with, in total and recently.

    Example: driftline features author 1001
    """
    from driftline.inspect import store

    _show_counts(store.author(_settings(), author_id), as_json)


@app.command()
def viewer(viewer_id: ViewerId, as_json: AsJson = False) -> None:
    """Show a viewer's counters and the last tweets that the viewer engaged with, newest first.

    Example: driftline features viewer 42
    """
    from driftline.inspect import store

    found = store.viewer(_settings(), viewer_id)
    if as_json:
        print_json(found)
        return
    _print_counts(found.counts)
    print_table("engaged with", ["when", "tweet"], [(when(entry.at_ms), entry.tweet_id) for entry in found.history])


@app.command()
def pair(viewer_id: ViewerId, author_id: AuthorId, as_json: AsJson = False) -> None:
    """Show what one viewer did with one author's tweets.

    Example: driftline features pair 42 1001
    """
    from driftline.inspect import store

    _show_counts(store.pair(_settings(), viewer_id, author_id), as_json)


def _settings() -> "Settings":
    from driftline.inspect.redis_values import with_partitions

    return with_partitions(current_settings("redis"))


def _show_counts(counts: "Counts", as_json: bool) -> None:
    if as_json:
        print_json(counts)
    else:
        _print_counts(counts)


def _print_counts(counts: "Counts | None") -> None:
    if counts is None:
        console.print("no counters yet: nobody saw it")
        return
    print_table(
        f"counters (recent: the pane since {when(counts.pane_began_ms)})",
        ["action", "#ever", "#recent", "#pane before"],
        [(action, counts.ever[action], counts.recent[action], counts.before[action]) for action in counts.ever],
    )
