"""Options that the command groups share."""

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
Count = Annotated[int, typer.Option("--count", "-n", min=1, help="How many.")]
