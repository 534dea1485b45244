"""`driftline vocab`: the drifting vocabulary."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from driftline.cli import vocab_changes
from driftline.cli.common import current_settings, print_json
from driftline.cli.options import MOST, AsJson, Count
from driftline.console_tables import number, print_table, when

if TYPE_CHECKING:
    from vocab.view.lists import Kind

app = typer.Typer(
    name="vocab",
    help="Look at the vocabulary: which tokens are frequent, rising, admitted and evicted.\n\n"
    "Example: driftline vocab rising -n 20",
    no_args_is_help=True,
)

NamespaceName = Annotated[
    str,
    typer.Option(help="word, hashtag, mention, cashtag, domain, emoji, author, lang, or all."),
]
Language = Annotated[
    str, typer.Option(help="all, or the code of a common language, such as en; the region is ignored.")
]
Over = Annotated[Literal["5m", "1h", "24h", "7d"], typer.Option(help="The horizon, in event time.")]
TokenText = Annotated[
    str, typer.Argument(help="A token as people write it: '#tag', @name, '$CASH', word, 'two words'.")
]
TokenNamespace = Annotated[
    str | None, typer.Option("--namespace", help="The token's namespace, such as author or domain.")
]


def _add_list(kind: "Kind", text: str) -> None:
    """Register the command that shows the list `kind`; `text` is its help."""

    @app.command(kind, help=text)
    def listed(
        namespace: NamespaceName = "hashtag",
        language: Language = "all",
        over: Over = "1h",
        count: Count = 20,
        as_json: AsJson = False,
    ) -> None:
        from driftline.inspect import vocab

        tokens = vocab.ranked(current_settings("redis"), kind, namespace, count, language=language, over=over)
        if as_json:
            print_json(tokens)
            return
        print_table(
            f"{kind}: {namespace}, language {language}, over {over}",
            ["namespace", "token", "#count", "#an hour", "#score", "key"],
            [
                (t.namespace, t.token, number(t.count, 1), f"{t.velocity:+.2f}", f"{t.score:+.2f}", t.key)
                for t in tokens
            ],
        )


_add_list(
    "top",
    """List the most frequent tokens: `count` is the occurrences over the horizon, older ones weighted less.

    Example: driftline vocab top --namespace word --language en --over 24h -n 50
    """,
)
_add_list(
    "rising",
    """List the tokens that rise fastest: more frequent over the horizon than over the next longer one.

    `an hour` (`velocity` in JSON) is the difference, in occurrences per hour. `score` relates it to what is usual for
    the token; the list is sorted by it.

    Example: driftline vocab rising --namespace mention --over 5m
    """,
)
_add_list(
    "falling",
    """List the tokens that fall fastest: less frequent over the horizon than over the next longer one.

    Example: driftline vocab falling --over 24h --json
    """,
)


@app.command()
def show(token: TokenText, namespace: TokenNamespace = None, as_json: AsJson = False) -> None:
    """Show an admitted token: its key, its slot and generation, its counts, and when it was seen.

    Example: driftline vocab show '#kafka'
    """
    from driftline.inspect import named_tokens, vocab

    found = vocab.find(current_settings("redis"), *named_tokens.parse_token(token, namespace))
    if as_json:
        print_json(found)
        return
    print_table(
        f"{found.namespace} {found.token}",
        ["", "value"],
        [
            ("key", found.key),
            ("slot", found.slot),
            ("generation", found.generation),
            ("decayed count", number(found.count, 2)),
            *(
                (f"over {over}", f"{count:,.2f} occurrences, {found.velocities[over]:+.2f} an hour")
                for over, count in found.counts.items()
            ),
            ("first seen", f"window {found.first_seen}, {when(found.first_seen_ms)}"),
            ("last seen", f"window {found.last_seen}, {when(found.last_seen_ms)}"),
            ("as of", f"window {found.version}"),
        ],
    )


app.command()(vocab_changes.configure)
app.command()(vocab_changes.reshard)


@app.command()
def history(token: TokenText, namespace: TokenNamespace = None, as_json: AsJson = False) -> None:
    """Show when a token was admitted to the vocabulary and when it was evicted, from the log of deltas.

    Example: driftline vocab history '#worldcup'
    """
    from driftline.inspect import named_tokens, vocab_log

    kind, spelled = named_tokens.parse_token(token, namespace)
    found = vocab_log.history(current_settings("kafka"), kind, spelled)
    if as_json:
        print_json(found)
        return
    print_table(
        f"{kind.name.lower()} {spelled}: {len(found)} changes",
        ["#window", "closed at", "what", "#slot", "#generation"],
        [
            (c.version, when(c.at_ms), "admitted" if c.admitted else "evicted", c.slot, c.generation or "-")
            for c in found
        ],
    )


@app.command()
def diff(
    base_version: Annotated[int, typer.Argument(min=0, max=MOST, help="The older window.")],
    version: Annotated[int, typer.Argument(min=0, max=MOST, help="The newer window.")],
    count: Count = 20,
    as_json: AsJson = False,
) -> None:
    """Show the tokens admitted, evicted or moved to another slot between two versions, however old, from the log.

    `--count` limits the tables; JSON has everything.

    Example: driftline vocab diff 29454006 29454066
    """
    from driftline.inspect import vocab_log

    found = vocab_log.difference(current_settings("kafka"), base_version, version)
    if as_json:
        print_json(found)
        return
    for what, tokens in (("admitted", found.admitted), ("evicted", found.evicted), ("moved", found.moved)):
        print_table(
            f"{what} from {base_version} to {version}: {len(tokens):,}",
            ["namespace", "token", "slot, generation before", "after", "key"],
            [(t.namespace, t.token, _place(t.before), _place(t.after), t.key) for t in tokens[:count]],
        )


@app.command()
def stats(as_json: AsJson = False) -> None:
    """Show the vocabulary's size by namespace, its admissions and evictions so far, and how fast it drifts.

    Drift is measured at the newest window in Redis. Turnover: admissions and evictions per hour and token with a
    slot. Outside: the share of occurrences whose token had no slot. Distance: how far the distribution of tokens
    moved (Jensen-Shannon distance, 0 to 1).

    Example: driftline vocab stats
    """
    from msgspec.structs import asdict

    from driftline.inspect import vocab, vocab_log

    settings = current_settings()
    found, drift = vocab_log.growth(settings), vocab.drift(settings)
    if as_json:
        print_json({**asdict(found), "drift": drift})
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
            *((f"namespace: {name}", f"{count:,}") for name, count in found.namespaces.items()),
        ],
    )
    if drift is not None:
        print_table(
            f"drift at window {drift.version}",
            ["figure", "#value"],
            [
                ("turnover an hour", number(drift.turnover)),
                ("distance between the two newest windows", number(drift.window_distance)),
                ("distance between the two newest hours", number(drift.hour_distance)),
                *((f"outside: {name}", number(share)) for name, share in drift.outside.items()),
            ],
        )


@app.command()
def rebuild(
    version: Annotated[int, typer.Argument(min=0, max=MOST, help="The version of the vocabulary: a window number.")],
    out: Annotated[
        Path | None,
        typer.Option(help="The safetensors file to write; default: vocabulary-VERSION.safetensors."),
    ] = None,
) -> None:
    """Rebuild any past version from the log of deltas, and write its keys and slots to a file.

    Example: driftline vocab rebuild 29454006 --out vocabulary.safetensors
    """
    from safetensors.numpy import save_file

    from driftline.inspect import vocab_log

    view = vocab_log.rebuild(current_settings("kafka"), version)
    path = out or Path(f"vocabulary-{version}.safetensors")
    save_file(view.to_arrays(), path)
    typer.echo(f"{len(view.keys):,} admitted keys at version {view.version}, in {path}")


def _place(slot: tuple[int, int] | None) -> str:
    return "-" if slot is None else f"{slot[0]}, {slot[1]}"
