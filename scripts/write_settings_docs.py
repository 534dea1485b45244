"""Writes docs/settings.md from contracts/settings.py: names, defaults and ranges, and the comments beside them.

tests/contracts/test_settings_docs.py checks that the page is current.
"""

import ast
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

import msgspec

from contracts import settings as declared
from contracts.settings import KINDS, Section, Settings
from contracts.settings_sources import names, value_of, variable_of

PATH = Path(__file__).parents[1] / "docs" / "settings.md"
HEAD = """\
# Settings

`scripts/write_settings_docs.py` makes this page of `contracts/settings.py`.

A setting comes from its environment variable, or else from `driftline.toml` in the working folder
(`DRIFTLINE_CONFIG` names another file), or else it is the default. `window_ms` of the table `[time]` is
`DRIFTLINE_TIME_WINDOW_MS`. A name that no setting has is refused, in the file and in the environment, and so is a
value outside its range. `driftline config show` prints every value and where it comes from, `driftline config check`
whether they are valid.

```toml
kafka = "broker-1:9092,broker-2:9092"
redis = "redis://:secret@redis:6379/0"

[time]
window_ms = 30_000

[vocab.hashtag]
capacity = 32_768
```
"""


def text() -> str:
    """The whole page."""
    return HEAD + "".join(_section(title, of) for title, of in _sections())


def _sections() -> Iterator[tuple[str, Section]]:
    settings = Settings()
    yield "Top of the file", settings
    for field in Settings.__struct_fields__:
        if isinstance(section := getattr(settings, field), Section):
            yield f"`[{field}]`", section
    yield "`[vocab.word]`, and the same for the other kinds of tokens", settings.vocab.word


def _section(title: str, section: Section) -> str:
    kind = type(section)
    table = title.partition("]")[0].strip("`[") if "[" in title else ""
    comments = _comments(kind)
    rows = [
        _row(f"{table}.{field}" if table else field, kind, field, comments.get(field, ""))
        for field in kind.__struct_fields__
        if not isinstance(getattr(section, field), Section)
    ]
    words = (kind.__doc__ or "").split("\n\n")[0].replace("\n", " ")
    lines = [
        f"\n## {title}\n",
        " ".join(words.split()),
        "",
        "| name | default | range | meaning |",
        "|---|---|---|---|",
    ]
    return "\n".join([*lines, *rows, *(_kinds() if table == "vocab.word" else [])]) + "\n"


def _kinds() -> Iterator[str]:
    """The defaults of the other kinds, where they are not those of words."""
    yield "\nThe kinds and their defaults of `capacity` and `rare_slots`:\n"
    yield "| kind | capacity | rare_slots |"
    yield "|---|---|---|"
    for kind in KINDS:
        of = getattr(Settings().vocab, kind)
        yield f"| `{kind}` | {of.capacity} | {of.rare_slots} |"


def _row(name: str, kind: type[Section], field: str, comment: str) -> str:
    assert name in names(), name
    default = value_of(Settings(), name)
    shown = f"`{default}`" if default != "" else ""
    return f"| `{field}` (`{variable_of(name)}`) | {shown} | {_range(kind, field)} | {comment} |"


def _range(kind: type[Section], field: str) -> str:
    """The declared bounds of a field, in words."""
    info = {of.name: of.type for of in msgspec.inspect.type_info(kind).fields}[field]  # type: ignore[attr-defined]
    low = getattr(info, "ge", None)
    above, high = getattr(info, "gt", None), getattr(info, "le", None)
    if pattern := getattr(info, "pattern", None):
        return f"`{pattern.replace('|', chr(92) + '|')}`"
    least = f"{low}" if low is not None else f"above {above}" if above is not None else ""
    return f"{least} to {high}" if least and high is not None else f"{least} or more" if least else ""


def _comments(kind: type[Section]) -> dict[str, str]:
    """Field -> the comment beside or above it in the source."""
    source = Path(declared.__file__).read_text()
    comments = {
        token.start[0]: (token.string.lstrip("# "), token.line.lstrip().startswith("#"))
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    (body,) = [node.body for node in ast.parse(source).body if getattr(node, "name", "") == kind.__name__]
    found = {}
    for node in body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            words = [comments[line][0] for line in (node.lineno, node.end_lineno) if line in comments][:1]
            line = node.lineno - 1
            while line in comments and comments[line][1]:
                words.insert(0, comments[line][0])
                line -= 1
            sentence = " ".join(words).replace("|", "\\|").rstrip(".")
            found[node.target.id] = sentence[:1].upper() + sentence[1:]
    return found


if __name__ == "__main__":
    PATH.write_text(text())
