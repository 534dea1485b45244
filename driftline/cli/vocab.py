"""`driftline vocab`: the drifting vocabulary."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from driftline.cli.common import current_settings, print_json
from driftline.cli.options import AsJson, Count
from driftline.cli.show import number, print_table, when

if TYPE_CHECKING:
    from driftline.inspect.vocab import Token

app = typer.Typer(
    name="vocab",
    help="Look at the vocabulary: what is frequent, what comes and goes.\n\nExample: driftline vocab rising -n 20",
    no_args_is_help=True,
)

Kind = Annotated[
    str,
    typer.Option(help="word, hashtag, mention, cashtag, domain, emoji, author, lang, or all."),
]
TokenText = Annotated[
    str, typer.Argument(help="A token as it is written: '#tag', @name, '$CASH', word, 'two words'.")
]
TokenKind = Annotated[
    str | None, typer.Option("--kind", help="Take the token as one of this kind, such as author or domain.")
]


@app.command()
def top(kind: Kind = "hashtag", count: Count = 20, as_json: AsJson = False) -> None:
    """List the most frequent tokens: `count` is in occurrences that fade with event time.

    Example: driftline vocab top --kind word -n 50
    """
    from driftline.inspect import vocab

    _show(f"most frequent: {kind}", vocab.top(current_settings(), kind, count), as_json)


@app.command()
def rising(kind: Kind = "hashtag", count: Count = 20, as_json: AsJson = False) -> None:
    """List the tokens whose frequency rises fastest: `velocity` is in occurrences a window.

    Example: driftline vocab rising --kind mention
    """
    from driftline.inspect import vocab

    _show(f"rising: {kind}", vocab.rising(current_settings(), kind, count), as_json)


@app.command()
def falling(kind: Kind = "hashtag", count: Count = 20, as_json: AsJson = False) -> None:
    """List the tokens whose frequency falls fastest.

    Example: driftline vocab falling --json
    """
    from driftline.inspect import vocab

    _show(f"falling: {kind}", vocab.falling(current_settings(), kind, count), as_json)


@app.command()
def show(token: TokenText, kind: TokenKind = None, as_json: AsJson = False) -> None:
    """Show an admitted token: its key, its slot and the slot's generation, its count and when it was seen.

    Example: driftline vocab show '#kafka'
    """
    from driftline.inspect import vocab, vocab_log

    found = vocab.find(current_settings(), *vocab_log.parse_token(token, kind))
    if as_json:
        print_json(found)
        return
    print_table(
        f"{found.kind} {found.token}",
        ["", "value"],
        [
            ("key", found.key),
            ("slot", found.slot),
            ("generation", found.generation),
            ("decayed count", number(found.count, 2)),
            ("velocity, occurrences a window", f"{found.velocity:+.3f}"),
            ("first seen", f"window {found.first_seen}, {when(found.first_seen_ms)}"),
            ("last seen", f"window {found.last_seen}, {when(found.last_seen_ms)}"),
            ("as of", f"window {found.version}"),
        ],
    )


@app.command()
def history(token: TokenText, kind: TokenKind = None, as_json: AsJson = False) -> None:
    """Show when a token was admitted to the vocabulary and when it was evicted, out of the log of deltas.

    Example: driftline vocab history '#worldcup'
    """
    from driftline.inspect import vocab_log

    namespace, spelled = vocab_log.parse_token(token, kind)
    found = vocab_log.history(current_settings(), namespace, spelled)
    if as_json:
        print_json(found)
        return
    print_table(
        f"{namespace.name.lower()} {spelled}: {len(found)} changes",
        ["#window", "closed at", "what", "#slot", "#generation"],
        [
            (c.version, when(c.at_ms), "admitted" if c.admitted else "evicted", c.slot, c.generation or "-")
            for c in found
        ],
    )


@app.command()
def stats(as_json: AsJson = False) -> None:
    """Show the vocabulary's size by kind of token, and how many came and went since its log began.

    Example: driftline vocab stats
    """
    from driftline.inspect import vocab_log

    found = vocab_log.growth(current_settings())
    if as_json:
        print_json(found)
        return
    print_table(
        "vocabulary",
        ["figure", "#value"],
        [
            ("newest window", found.version),
            ("tokens with a slot", f"{found.admitted:,}"),
            ("slots", f"{found.capacity:,}"),
            ("admissions ever", f"{found.admissions:,}"),
            ("evictions ever", f"{found.evictions:,}"),
            ("deltas", f"{found.deltas:,}"),
            *((f"kind: {kind}", f"{count:,}") for kind, count in found.namespaces.items()),
        ],
    )


@app.command()
def rebuild(
    version: Annotated[int, typer.Argument(help="The window: a version of the vocabulary.")],
    out: Annotated[Path, typer.Option(help="Where to write it, as safetensors.")],
) -> None:
    """Make a version that is no longer kept again out of the log of deltas, and write its keys and slots to a file.

    Example: driftline vocab rebuild 29454006 --out vocabulary.safetensors
    """
    from safetensors.numpy import save_file

    from driftline.inspect import vocab_log

    view = vocab_log.rebuild(current_settings(), version)
    save_file(view.to_arrays(), out)
    typer.echo(f"{len(view.keys):,} admitted keys at version {view.version}, in {out}")


def _show(title: str, tokens: list["Token"], as_json: bool) -> None:
    if as_json:
        print_json(tokens)
        return
    print_table(
        title,
        ["kind", "token", "#count", "#velocity", "key"],
        [(t.kind, t.token, number(t.count, 1), f"{t.velocity:+.2f}", t.key) for t in tokens],
    )
