"""Options that several commands share."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from contracts.errors import SettingsError

MOST = 2**63 - 1  # of ids, versions and offsets

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Count = Annotated[int, typer.Option("--count", "-n", min=1, max=1_000_000, help="How many to show.")]


def time_ms(option: str, text: str | None) -> int | None:
    """Milliseconds since 1970, from ISO 8601 (UTC unless it has an offset) or from milliseconds; None for None.

    Raises `SettingsError`, which names the option.
    """
    if text is None or text.isdecimal():
        return None if text is None else int(text)
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(
            f"{option} {text!r}: expected a time such as 2026-01-31T12:00, or milliseconds since 1970"
        ) from error
    return round((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)
