"""Writes vocab/tokens/unicode_tables.npz and vocab/tokens/tlds.txt, the data that defines what a token is.

    .venv/bin/python scripts/write_unicode_tables.py path/to/twitter-text

The tokenizer takes its Unicode data only from these files, so that neither a newer Python nor a newer package changes
a token. The data comes from two packages of requirements-dev.lock, which must have the same Unicode version: `regex`
(properties, full case folding) and `unicodedata2` (categories, combining classes, decompositions). The argument is
the folder of twitter-text's conformance suite, whose tlds.yml lists the top-level domains.

A table is stored as runs: `NAME_starts`, the first code point of each run, and `NAME_values`.
"""

import sys
from itertools import groupby
from pathlib import Path

import numpy as np
import regex
import unicodedata2
import yaml
from regex import _regex, _regex_core

TOKENS = Path(__file__).parents[1] / "vocab" / "tokens"
CODE_POINTS = 0x110000
GROUPS = ("other", "letter", "mark", "digit", "dash")  # groups of general categories
WORD_BREAK = (
    "Other",
    "CR",
    "LF",
    "Newline",
    "Extend",
    "ZWJ",
    "Format",
    "WSegSpace",
    "Regional_Indicator",
    "Katakana",
    "Hebrew_Letter",
    "ALetter",
    "Single_Quote",
    "Double_Quote",
    "MidNumLet",
    "MidLetter",
    "MidNum",
    "Numeric",
    "ExtendNumLet",
)
EVERY = [chr(c) for c in range(CODE_POINTS)]
HANGUL = range(0xAC00, 0xD7A4)  # composed and decomposed by arithmetic, without a table


def main() -> None:
    """Write both files, and print what is in them."""
    version = unicodedata2.unidata_version
    unassigned = members("Cn")
    if any((unicodedata2.category(c) == "Cn") != (c in unassigned) for c in EVERY):
        sys.exit(f"unicodedata2 has Unicode {version}, regex {regex.__version__} another version: pin two that agree")
    tables = runs("group", [GROUPS.index(group_of(c)) for c in EVERY])
    tables |= runs("word_break", word_break())
    tables |= runs("pictographic", flags("Extended_Pictographic"))
    tables |= runs("cyrillic", flags("Script=Cyrillic"))
    tables |= runs("combining", [unicodedata2.combining(c) for c in EVERY])
    tables |= runs("recomposes", [recomposes(c) for c in EVERY])
    tables |= mapping("fold", {c: folded for c in EVERY if (folded := fold_of(c)) != c})
    decomposed = {c: "".join(chr(int(part, 16)) for part in parts) for c in EVERY if (parts := canonical(c))}
    tables |= mapping("decompose", decomposed)
    composed = {c: to for c, to in decomposed.items() if len(to) == 2 and unicodedata2.normalize("NFC", to) == c}
    tables |= {"composed": np.array([ord(c) for c in composed], np.uint32)}
    np.savez_compressed(TOKENS / "unicode_tables.npz", version=np.array(version), **tables)

    suite = yaml.safe_load((Path(sys.argv[1]) / "tlds.yml").read_text())["tests"]
    names = sorted({case["text"].rpartition(".")[2] for kind in suite.values() for case in kind})
    (TOKENS / "tlds.txt").write_text("".join(f"{name}\n" for name in names))
    print(f"Unicode {version}, {len(names)} top-level domains")


def group_of(c: str) -> str:
    category = unicodedata2.category(c)
    return {"Nd": "digit", "Pd": "dash"}.get(category, {"L": "letter", "M": "mark"}.get(category[0], "other"))


def members(prop: str) -> set[str]:
    return set(regex.findall(rf"\p{{{prop}}}", "".join(EVERY)))


def flags(prop: str) -> list[bool]:
    found = members(prop)
    return [c in found for c in EVERY]


def word_break() -> list[int]:
    values = dict.fromkeys(EVERY, 0)
    for number, name in enumerate(WORD_BREAK):
        values |= dict.fromkeys(members(f"Word_Break={name}"), number)
    return list(values.values())


def recomposes(c: str) -> bool:
    """Whether NFC may change a text that contains `c` (NFC_Quick_Check is not Yes)."""
    return c in _MAYBE or unicodedata2.normalize("NFC", c) != c


def canonical(c: str) -> list[str]:
    parts = unicodedata2.decomposition(c).split()
    return [] if not parts or parts[0][0] == "<" or ord(c) in HANGUL else parts


def fold_of(c: str) -> str:
    """NFKC_Casefold of one character: case folding, NFKC, and no default ignorables, until nothing changes."""
    now, former = c, ""
    while now != former:
        former = now
        now = "".join(case_fold(part) for part in unicodedata2.normalize("NFKC", now) if part not in _IGNORABLE)
        now = unicodedata2.normalize("NFKC", now)
    return now


def case_fold(c: str) -> str:
    return _DOTTED.get(c) or str(_regex.fold_case(_regex_core.FULL_CASE_FOLDING, c))


def runs(name: str, values: list[int] | list[bool]) -> dict[str, np.ndarray]:
    starts, kept, at = [], [], 0
    for value, run in groupby(values):
        starts.append(at)
        kept.append(value)
        at += len(list(run))
    return {f"{name}_starts": np.array(starts, np.uint32), f"{name}_values": np.array(kept, np.uint8)}


def mapping(name: str, to: dict[str, str]) -> dict[str, np.ndarray]:
    """A mapping as three arrays.

    NAME_from: the code points. NAME_lengths: the length of each replacement. NAME_to: the replacements, concatenated.
    """
    return {
        f"{name}_from": np.array([ord(c) for c in to], np.uint32),
        f"{name}_lengths": np.array([len(s) for s in to.values()], np.uint8),
        f"{name}_to": np.array([ord(c) for s in to.values() for c in s], np.uint32),
    }


# `regex` does not fold these two: Turkish folds them differently.
_DOTTED = {"I": "i", "\u0130": "i\u0307"}
_IGNORABLE = members("Default_Ignorable_Code_Point")
_MAYBE = members("NFC_Quick_Check=Maybe")

if __name__ == "__main__":
    main()
