"""`driftline dead-letters`: list what could not be processed, and send it again."""

from typing import Annotated

import typer

from driftline.cli.common import current_settings, installed_settings, print_json
from driftline.cli.options import MOST, AsJson
from driftline.console_tables import console, plain, print_table, when

app = typer.Typer(
    name="dead-letters",
    help="Look at what could not be processed, and send it again.\n\nExample: driftline dead-letters list",
    no_args_is_help=True,
)

Reason = Annotated[str | None, typer.Option(help="Only dead letters with this reason, such as `malformed`.")]
SourceTopic = Annotated[str | None, typer.Option(help="Only dead letters of this source topic, such as `tweets`.")]


@app.command("list")
def list_letters(
    reason: Reason = None,
    topic: SourceTopic = None,
    count: Annotated[
        int, typer.Option("--count", "-n", min=0, max=1_000_000, help="How many of the newest to list.")
    ] = 20,
    as_json: AsJson = False,
) -> None:
    """Count dead letters by topic and reason, and list the newest.

    Example: driftline dead-letters list --reason time_ahead
    """
    from collections import Counter, deque

    from driftline.inspect import dead_letter_log as dead_letters

    counts: Counter[tuple[str, str]] = Counter()
    newest: deque[dead_letters.Letter] = deque(maxlen=count)
    for found in dead_letters.read_letters(current_settings("kafka"), reason=reason, topic=topic):
        counts[found.letters, found.letter.reason] += 1
        newest.append(found)
    totals = [{"topic": name, "reason": why, "letters": n} for (name, why), n in sorted(counts.items())]
    if as_json:
        print_json({"counts": totals, "newest": list(newest)})
        return
    print_table("dead letters", ["topic", "reason", "#letters"], [tuple(total.values()) for total in totals])
    print_table(
        "newest of each topic",
        ["topic", "#partition", "#offset", "when", "reason", "detail"],
        [(f.letters, f.partition, f.offset, when(f.at_ms), f.letter.reason, f.letter.detail) for f in newest],
    )


@app.command()
def show(
    topic: Annotated[str, typer.Argument(help="The source topic or its dead-letter topic.")],
    partition: Annotated[int, typer.Argument(min=0, max=255, help="Its partition in the dead-letter topic.")],
    offset: Annotated[int, typer.Argument(min=0, max=MOST, help="Its offset in the dead-letter topic.")],
    as_json: AsJson = False,
) -> None:
    """Show one dead letter in full: the reason, where it came from, and its original bytes.

    Example: driftline dead-letters show tweets 2 17
    """
    from driftline.inspect import dead_letter_log as dead_letters

    found = dead_letters.find_letter(current_settings("kafka"), topic, partition, offset)
    if as_json:
        print_json(found)
        return
    letter = found.letter
    print_table(
        "dead letter",
        ["", "value"],
        [
            ("reason", letter.reason),
            ("detail", letter.detail),
            ("from", f"{letter.topic} partition {letter.partition} offset {letter.offset}"),
            ("written", when(found.at_ms)),
            ("key", repr(letter.key)),
        ],
    )
    console.print("value:")
    console.print(plain((letter.value or b"").decode(errors="backslashreplace")), markup=False)


@app.command()
def replay(
    reason: Reason = None,
    topic: SourceTopic = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be sent.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send dead letters to their source topic again, with their original key and value.

    Fix the cause first: what still cannot be processed becomes a new dead letter. Dead letters stay where they are,
    so a second replay sends them again. Rows of a file that never became a record cannot be sent; they are only
    counted.

    Example: driftline dead-letters replay --topic tweets --reason unknown_version
    """
    from driftline.inspect import dead_letter_log as dead_letters

    done = dead_letters.replay(installed_settings(), reason=reason, topic=topic, dry_run=dry_run)
    if as_json:
        print_json(done)
        return
    title = "would send" if dry_run else "sent"
    print_table(title, ["topic: reason", "#letters"], sorted(done.sent.items()))
    if done.not_replayable:
        console.print(
            f"{done.not_replayable} letters cannot be sent: rows of a file (mend the file instead) and cut values"
        )
    if done.counted:
        console.print(
            f"{done.counted} late or orphan engagements are not sent: they were counted when they were read, and the "
            "requests that they are for have closed"
        )
