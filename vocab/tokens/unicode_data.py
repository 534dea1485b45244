"""What the tokenizer knows of Unicode: the pinned `unicode_tables.npz`, never the tables of the running Python.

`FLAGS[c]` says everything about code point c that finding tokens needs: its Word_Break class in the low 5 bits, and
a bit for each class of characters that twitter-text names. `FOLD` and `DECOMPOSE` say what c becomes under
NFKC_Casefold and canonical decomposition. `scripts/write_unicode_tables.py` made the file.
"""

from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from contracts.arrays import I32, U8, U32, Bools

ScalarT = TypeVar("ScalarT", bound=np.generic)

CODE_POINTS = 0x110000

# Word_Break classes, the low 5 bits of a flag. Their order is that of scripts/write_unicode_tables.py.
WB_MASK = 31
(
    OTHER, CR, LF, NEWLINE, EXTEND, ZWJ, FORMAT, WSEG_SPACE, REGIONAL, KATAKANA, HEBREW, ALETTER,
    SINGLE_QUOTE, DOUBLE_QUOTE, MID_NUM_LET, MID_LETTER, MID_NUM, NUMERIC, EXTEND_NUM_LET,
) = range(19)  # fmt: skip

TAG_LETTER = 1 << 5  # a hashtag has one: \p{L}\p{M}
TAG = 1 << 6  # a hashtag is made of these
WORDLIKE = 1 << 7  # a word has one: a letter, a digit, or what Unicode's word boundaries call so
LETTER = 1 << 8  # is squeezed where it is repeated
PICTOGRAPH = 1 << 9
NAME = 1 << 10  # [a-zA-Z0-9_]: of a user's name
ALNUM = 1 << 11  # [a-zA-Z0-9]
SPACE = 1 << 12
DIRECTIONAL = 1 << 13
PUNCTUATION = 1 << 14  # of ASCII
HOST = 1 << 15  # a label of a host begins and ends with one
PLAIN_HOST = 1 << 16  # of a host written without a scheme
PATH = 1 << 17
PATH_END = 1 << 18
QUERY = 1 << 19
QUERY_END = 1 << 20
LATIN_ACCENT = 1 << 21
NOT_BEFORE_URL = 1 << 22
NOT_BEFORE_NAME = 1 << 23
RECOMPOSES = 1 << 24  # NFC may change a text that has it


class Mapping(NamedTuple):
    """Code point to code points: c becomes `to[at[c] : at[c] + length[c]]`, or stays itself where `at[c]` is -1."""

    at: I32
    length: U8
    to: U32

    def of(self, c: int) -> list[int]:
        """What one code point becomes."""
        at = int(self.at[c])
        return [c] if at < 0 else [int(part) for part in self.to[at : at + int(self.length[c])]]


def load_tlds() -> tuple[str, ...]:
    """The top-level domains that twitter-text knows."""
    return tuple(Path(__file__).with_name("tlds.txt").read_text(encoding="utf-8").split("\n")[:-1])


def _read() -> dict[str, Any]:
    with np.load(Path(__file__).with_name("unicode_tables.npz")) as file:
        return {name: file[name] for name in file.files}


def _spread(values: NDArray[ScalarT], starts: U32) -> NDArray[ScalarT]:
    """The value of every code point, from those of runs."""
    return np.repeat(values, np.diff(starts, append=np.uint32(CODE_POINTS)))


def _mapping(name: str) -> Mapping:
    points, lengths = _file[f"{name}_from"], _file[f"{name}_lengths"]
    at, length = np.full(CODE_POINTS, -1, np.int32), np.ones(CODE_POINTS, np.uint8)
    at[points] = np.cumsum(lengths, dtype=np.int32) - lengths
    length[points] = lengths
    return Mapping(at, length, _file[f"{name}_to"])


def _flag_runs() -> tuple[U32, U32]:
    """(first code points, flags) of the runs of equal flags: two thousand, in place of a million code points."""
    # Every character that is written out here is below 0x10000, so none is within what remains of a run above.
    tables = ("word_break", "group", "cyrillic", "pictographic", "recomposes")
    starts = np.concatenate([_file[f"{table}_starts"] for table in tables])
    points = np.append(np.arange(0x10001, dtype=np.uint32), np.sort(starts[starts > 0x10000]))
    flags = _flags(points)
    first = np.flatnonzero(np.diff(flags, prepend=~flags[:1]))
    return points[first], flags[first]


def _flags(points: U32) -> U32:
    def of(name: str) -> U8:
        at = np.searchsorted(_file[f"{name}_starts"], points, "right") - 1
        values: U8 = _file[f"{name}_values"][at]
        return values

    def members(ranges: list[tuple[int, int]]) -> Bools:
        found = np.zeros(len(points), bool)
        for first, last in ranges:
            found |= (points >= first) & (points <= last)
        return found

    flags = of("word_break").astype(np.uint32)
    word_break, group, cyrillic = flags.copy(), of("group"), of("cyrillic") > 0
    letter, mark, digit, dash = (group == number for number in (1, 2, 3, 4))
    latin = members(_LATIN_ACCENTS)
    alnum, punctuation = members([(48, 57), (65, 90), (97, 122)]), members(_of("!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~"))
    spaces, directional = members(_SPACES), members(_DIRECTIONAL)
    invalid = members([(0xFEFF, 0xFEFF), (0xFFFE, 0xFFFF)])
    never_host = directional | punctuation | spaces | invalid | members([(0, 0x1F), (0x7F, 0x7F), (0xD800, 0xDFFF)])
    path_end = alnum | latin | cyrillic | members(_of("=_#/+-"))
    for bit, those in (
        (TAG_LETTER, letter | mark),
        (TAG, letter | mark | digit | members(_of(_TAG_SPECIAL))),
        (WORDLIKE, letter | digit | np.isin(word_break, (KATAKANA, HEBREW, ALETTER, NUMERIC)) | members(_of("〇"))),
        (LETTER, letter),
        (PICTOGRAPH, of("pictographic") > 0),
        (NAME, alnum | members(_of("_"))),
        (ALNUM, alnum),
        (SPACE, spaces),
        (DIRECTIONAL, directional),
        (PUNCTUATION, punctuation),
        (HOST, ~never_host),
        (PLAIN_HOST, alnum | latin | members(_of("-_"))),
        (PATH, path_end | dash | members(_of("!*';:,.$%[]~&|@"))),
        (PATH_END, path_end),
        (QUERY, alnum | members(_of("!?*'();:&=+$/%#[]-_.,~|@"))),
        (QUERY_END, alnum | members(_of("_&=#/-"))),
        (LATIN_ACCENT, latin),
        (NOT_BEFORE_URL, alnum | invalid | members(_of("@＠$#＃"))),
        (NOT_BEFORE_NAME, alnum | members(_of("_!#$%&*@＠"))),
        (RECOMPOSES, of("recomposes") > 0),
    ):
        flags[those] |= np.uint32(bit)
    return flags


def _of(characters: str) -> list[tuple[int, int]]:
    return [(ord(c), ord(c)) for c in characters]


# Characters beside letters, marks and digits that a hashtag may hold: joiners, and separators of Hebrew, Japanese,
# Tibetan and Catalan.
_TAG_SPECIAL = "_\u200c\u200d\ua67e\u05be\u05f3\u05f4\uff5e\u301c\u309b\u309c\u30a0\u30fb\u3003\u0f0b\u0f0c\u00b7"
_LATIN_ACCENTS = [
    (0xC0, 0xD6), (0xD8, 0xF6), (0xF8, 0x24F), (0x253, 0x254), (0x256, 0x257), (0x259, 0x259), (0x25B, 0x25B),
    (0x263, 0x263), (0x268, 0x268), (0x26F, 0x26F), (0x272, 0x272), (0x289, 0x289), (0x28B, 0x28B), (0x2BB, 0x2BB),
    (0x300, 0x36F), (0x1E00, 0x1EFF),
]  # fmt: skip
_SPACES = [
    (9, 13), (32, 32), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x180E, 0x180E), (0x2000, 0x200A),
    (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000),
]  # fmt: skip
_DIRECTIONAL = [(0x61C, 0x61C), (0x200E, 0x200F), (0x202A, 0x202E), (0x2066, 0x2069)]

_file: Any = _read()
UNICODE_VERSION = str(_file["version"])
RUN_STARTS, RUN_FLAGS = _flag_runs()
FLAGS = _spread(RUN_FLAGS, RUN_STARTS)
COMBINING: U8 = _spread(_file["combining_values"], _file["combining_starts"])  # canonical combining classes
FOLD = _mapping("fold")
DECOMPOSE = _mapping("decompose")
COMPOSED = frozenset(_file["composed"].tolist())  # what two code points compose to; Hangul goes by arithmetic
