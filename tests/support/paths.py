"""Paths in the checkout."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
GOLDEN = ROOT / "tests" / "golden"


def python_blocks(page: str) -> list[str]:
    """The blocks of Python that a page shows; page: its path from the root."""
    return re.findall(r"^```python\n(.*?)^```$", (ROOT / page).read_text(), flags=re.M | re.S)
