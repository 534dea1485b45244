"""Options that the command groups share."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from contracts.errors import SettingsError

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
Count = Annotated[int, typer.Option("--count", "-n", min=1, help="How many.")]


def time_ms(option: str, text: str | None) -> int | None:
    """Milliseconds since 1970 of a time as a person writes it: ISO 8601, UTC unless it says otherwise, or a number.

    Raises `SettingsError`, naming the option.
    """
    if text is None or text.isdecimal():
        return None if text is None else int(text)
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(
            f"{option} {text!r}: a time such as 2026-01-31T12:00, or milliseconds since 1970"
        ) from error
    return round((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)
