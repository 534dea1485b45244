"""Plain words, compiled: found, folded and written in one pass, as nearly every word can be.

A plain word is a run of plain characters, at most `MAX_WORD_CHARS`, that is sure to end where the run does. A plain
character is a letter or a digit to Unicode's word boundaries, which cut nowhere between two of them, and folds to one
character that composes with none. Everything else is cut by `words` and folded by `folding`.
"""

from typing import Any

import numpy as np

from contracts.arrays import I32
from vocab.tokens import unicode_data as u
from vocab.tokens.native.compiled import compiled
from vocab.tokens.native.folding import write_utf8
from vocab.tokens.patterns import APOSTROPHES, MAX_WORD_CHARS
from vocab.tokens.unicode_data import COMBINING, FLAGS, FOLD

APART = -1  # a space, a punctuation mark or a symbol: no word, and none begins with it

_MIDDLES = (u.MID_LETTER, u.MID_NUM_LET, u.MID_NUM, u.SINGLE_QUOTE)  # in a word between two letters or digits only
_ENDS = (u.OTHER, u.CR, u.LF, u.NEWLINE, u.WSEG_SPACE, u.REGIONAL, u.KATAKANA, u.DOUBLE_QUOTE)
_JOIN_MIDDLES = (u.ALETTER, u.HEBREW, u.NUMERIC, u.EXTEND, u.FORMAT, u.ZWJ)  # the last three may stand before one


def _set_of(classes: tuple[int, ...]) -> int:
    return sum(1 << word_break for word_break in classes)


_ENDS_WORD, _IS_MIDDLE, _JOINS_MIDDLE = _set_of(_ENDS), _set_of(_MIDDLES), _set_of(_JOIN_MIDDLES)
_IS_IGNORED = _set_of((u.EXTEND, u.FORMAT, u.ZWJ))


def plain_characters() -> I32:
    """int32 by code point: what a plain one folds to, doubled, plus 1 for a letter; APART; 0 for all others."""
    to, folds = np.arange(u.CODE_POINTS), (FOLD.at >= 0) & (FOLD.length == 1)
    to[folds] = FOLD.to[FOLD.at[folds]]
    classes, picture = FLAGS & u.WB_MASK, FLAGS & u.PICTOGRAPH != 0
    plain = np.isin(classes, (u.ALETTER, u.NUMERIC)) & ~picture & (FOLD.length == 1)
    plain &= ~np.isin(to, [ord(c) for c in APOSTROPHES])
    plain &= (COMBINING[to] == 0) & (FLAGS[to] & u.RECOMPOSES == 0) & (FLAGS[to] & u.WORDLIKE != 0)
    apart = (u.OTHER, u.CR, u.LF, u.NEWLINE, u.WSEG_SPACE, u.DOUBLE_QUOTE, *_MIDDLES)
    values = np.where(plain, 2 * to + (FLAGS[to] & u.LETTER != 0), 0)
    values[np.isin(classes, apart) & ~picture & (FLAGS & u.WORDLIKE == 0)] = APART
    return values.astype(np.int32)


@compiled
def past_apart(tables: Any, points: Any, begin: int, end: int) -> int:
    """Where the APART segments that begin at `begin` end: single marks and runs of spaces, none of them a token."""
    at = begin
    while at < end and tables.plain[points[at]] == APART:
        if at + 1 < end and _IS_IGNORED >> (tables.flags[points[at + 1]] & u.WB_MASK) & 1:
            break
        at += 1
    return at


@compiled
def write_plain_word(
    tables: Any, points: Any, begin: int, end: int, out: Any, at: int, namespace: int
) -> tuple[int, int]:
    """Writes the form of the plain word at `begin`; (where it ends, where its form does), or `begin` and `at`."""
    out[at] = namespace
    stop, last, repeats, i = at + 1, -1, 0, begin
    longest = min(end, begin + MAX_WORD_CHARS)
    while i < longest:
        plain = tables.plain[points[i]]
        if plain <= 0:
            break
        repeats = repeats + 1 if plain == last else 1
        last = plain
        if repeats <= 2 or not plain & 1:
            stop = write_utf8(out, stop, plain >> 1)
        i += 1
    if i == begin or not _ends_word(tables.flags, points, i, end):
        return begin, at
    return i, stop


@compiled
def _ends_word(flags: Any, points: Any, at: int, end: int) -> bool:
    """Whether a word of letters and digits is sure to end before `at`."""
    if at == end or _ENDS_WORD >> (flags[points[at]] & u.WB_MASK) & 1:
        return True
    if not _IS_MIDDLE >> (flags[points[at]] & u.WB_MASK) & 1:
        return False
    return at + 1 == end or not _JOINS_MIDDLE >> (flags[points[at + 1]] & u.WB_MASK) & 1
