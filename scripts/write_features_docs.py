"""Writes the tables of dense features in docs/features.md from their declarations.

tests/featurestore/test_redis_layout.py checks that they are current.
"""

from collections.abc import Sequence
from pathlib import Path

from featurestore.declarations import Feature
from featurestore.features import CANDIDATE_DENSE, VIEWER_DENSE

PATH = Path(__file__).parents[1] / "docs" / "features.md"
BEGIN = "<!-- scripts/write_features_docs.py writes what follows -->\n"
END = "<!-- up to here -->\n"


def written(page: str) -> str:
    """The page with the tables as the declarations are now."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + _tables() + END + rest.partition(END)[2]


def _tables() -> str:
    return (
        f"\nOf the viewer, once per request:\n\n{_table(VIEWER_DENSE)}\n"
        f"Of the candidate:\n\n{_table(CANDIDATE_DENSE)}\n"
    )


def _table(features: Sequence[Feature]) -> str:
    rows = [f"| `{feature.name}` | {feature.counted_from} | {feature.meaning} |\n" for feature in features]
    return "| feature | bins counted from | what it is |\n|---|---|---|\n" + "".join(rows)


if __name__ == "__main__":
    PATH.write_text(written(PATH.read_text()))
