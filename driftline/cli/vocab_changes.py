"""`driftline vocab configure` and `reshard`: the commands that change a vocabulary's settings or shards."""

from typing import Annotated

import typer

from driftline.cli.common import installed_settings, print_json
from driftline.cli.options import MOST, AsJson, Count
from driftline.console_tables import number, print_table


def configure(
    apply: Annotated[bool, typer.Option("--apply", help="Write the settings into the log.")] = False,
    from_window: Annotated[
        int, typer.Option(min=0, max=MOST, help="First window with the new settings; default: the next.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Show how this process's settings differ from the vocabulary's; with `--apply`, write them into its log.

    A vocabulary uses the settings in its log, whatever settings its workers are started with. New settings take
    effect at the same window for all owners.

    Example: DRIFTLINE_VOCAB_HASHTAG_CAPACITY=32768 driftline vocab configure --apply
    """
    from driftline.operations import configure_vocab as vocab_settings

    settings = installed_settings()
    plan = vocab_settings.plan(settings)
    if apply and plan.changes:
        vocab_settings.apply(settings, from_window)
    if as_json:
        print_json(plan)
        return
    if not plan.version:
        print("the vocabulary has not begun: its first worker writes its own settings into the log")
    elif not plan.changes:
        print(f"nothing to change: the vocabulary goes by these settings since window {plan.since}")
    else:
        print_table(
            f"vocabulary {settings.vocab.name}, at window {plan.version}",
            ["setting", "now", "then"],
            [(change.setting, number(change.now, 2), number(change.then, 2)) for change in plan.changes],
        )
        print(f"rows of the table: {plan.rows:,}, and {plan.more_rows:,} more")
        soonest = f"the first window that partition 0 of tweets has not closed then, later than {plan.version}"
        begin = f"window {from_window}, or {soonest}" if from_window else soonest
        print(f"written: they hold from {begin}" if apply else f"with --apply, they hold from {begin}")


def reshard(
    shards: Annotated[
        int, typer.Option(min=1, max=256, help="Virtual shards of the new vocabulary: a power of two.")
    ],
    name: Annotated[str, typer.Option(help="The new vocabulary's name; it must be unused.")],
    yes: Annotated[bool, typer.Option("--yes", help="Make it. Without it, only show what would be made.")] = False,
    count: Count = 20,
    as_json: AsJson = False,
) -> None:
    """Make a new vocabulary with another number of virtual shards, with all keys and counts of the present one.

    Before: stop whatever writes tweets, let `driftline worker` read all of them, and stop every worker. After: set
    vocab.name and vocab.shards to the new values for all processes, and start them. The present log does not change.

    Example: driftline vocab reshard --shards 128 --name wide --yes
    """
    from driftline.operations import reshard_vocab as vocab_reshard

    settings = installed_settings()
    plan = vocab_reshard.reshard(settings, name, shards, write=yes)
    if as_json:
        print_json(plan)
        return
    print_table(
        f"vocabulary {plan.former} becomes {plan.name}, at window {plan.version}",
        ["figure", "#now", "#then"],
        [
            ("virtual shards", plan.former_shards, plan.shards),
            ("counted tokens", f"{plan.counted:,}", f"{plan.counted:,}"),
            ("tokens with a slot", f"{plan.admitted:,}", f"{plan.admitted - len(plan.lost):,}"),
            ("rows of the table", f"{plan.former_rows:,}", f"{plan.rows:,}"),
        ],
    )
    if plan.lost:
        print_table(
            f"lose their slot, for their shard has no more: {len(plan.lost):,}",
            ["namespace", "token", "#count", "key"],
            [(t.namespace, t.token, number(t.count, 2), t.key) for t in plan.lost[:count]],
        )
    settings_then = f"vocab.name = {plan.name} and vocab.shards = {plan.shards}"
    print(f"written: set {settings_then}, then start all processes" if yes else "with --yes, it is made")
