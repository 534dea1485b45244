"""Canonical forms, compiled, where no characters compose: what `vocab.tokens.patterns` says of such surfaces.

A form is written as the bytes that are hashed: the namespace's number, then the token in UTF-8.
"""

from typing import Any

from vocab.tokens import unicode_data as u
from vocab.tokens.native.compiled import compiled
from vocab.tokens.patterns import APOSTROPHES, MAX_TAG_CHARS, MAX_WORD_CHARS
from vocab.tokens.twitter_text import MAX_HOST_CHARS

LONGEST_BYTES = 1 + 4 * 3 * MAX_HOST_CHARS  # of a form: no character that is folded here becomes more than 3
DROPPED, COMPOSES = -1, -2  # instead of where a form ends
_MOST = 3
_SURROGATES = 0xD800 >> 11
_SPACE, _APOSTROPHE, _KEYCAP = 32, 39, 0x20E3
_RIGHT, _LEFT, _LETTER = map(ord, APOSTROPHES)


@compiled
def write_word(tables: Any, points: Any, begin: int, end: int, out: Any, at: int, namespace: int) -> int:
    """Writes the form of a word; returns where it ends, DROPPED, or COMPOSES where only Python can tell."""
    if end - begin > MAX_WORD_CHARS or points[begin] >> 11 == _SURROGATES:
        return DROPPED
    return _write_folded(tables, points, begin, end, out, at, namespace, MAX_WORD_CHARS, True)


@compiled
def _write_folded(
    tables: Any, points: Any, begin: int, end: int, out: Any, at: int, namespace: int, most: int, is_word: bool
) -> int:
    """Writes the form of a word, hashtag or host of at most `most` characters; returns as `write_word`."""
    out[at] = namespace
    stop, chars, wordlike = at + 1, 0, not is_word
    last, repeats, last_class = -1, 0, 0
    for i in range(begin, end):
        c = points[i]
        length, place = tables.fold_length[c], tables.fold_at[c]
        if length > _MOST:
            return COMPOSES
        for k in range(length):
            part = tables.fold_to[place + k] if place >= 0 else c
            combining, flag = tables.combining[part], tables.flags[part]
            if flag & u.RECOMPOSES or 0 < combining < last_class or (is_word and part == _SPACE):
                return COMPOSES
            last_class = combining
            if is_word:
                if part == _KEYCAP:
                    continue
                if part in (_RIGHT, _LEFT, _LETTER):
                    part, flag = _APOSTROPHE, tables.flags[_APOSTROPHE]
                wordlike |= flag & u.WORDLIKE != 0
                repeats = repeats + 1 if part == last else 1
                last = part
            if repeats <= 2 or not flag & u.LETTER:
                stop = write_utf8(out, stop, part)
                chars += 1
    return stop if wordlike and 0 < chars <= most else DROPPED


@compiled
def write_tag(tables: Any, points: Any, begin: int, end: int, out: Any, at: int, namespace: int) -> int:
    """Writes the form of a hashtag's name; returns as `write_word`."""
    if end - begin > MAX_TAG_CHARS:
        return DROPPED
    return _write_folded(tables, points, begin, end, out, at, namespace, MAX_TAG_CHARS, False)


@compiled
def write_host(tables: Any, points: Any, begin: int, end: int, out: Any, at: int, namespace: int) -> int:
    """Writes the form of a host; returns as `write_word`."""
    w_dot = end - begin > 4 and points[begin + 3] == 46
    if w_dot and points[begin] | 32 == 119 and points[begin + 1] | 32 == 119 and points[begin + 2] | 32 == 119:
        for i in range(begin + 4, end):
            if points[i] == 46:
                begin += 4
                break
    return _write_folded(tables, points, begin, end, out, at, namespace, MAX_HOST_CHARS, False)


@compiled
def write_lower(points: Any, begin: int, end: int, out: Any, at: int, namespace: int) -> int:
    """Writes ASCII in lower case; returns where it ends."""
    out[at] = namespace
    for i in range(begin, end):
        c = points[i]
        out[at + 1 + i - begin] = c + 32 if 65 <= c <= 90 else c
    return at + 1 + end - begin


@compiled
def write_emoji(flags: Any, points: Any, begin: int, end: int, out: Any, at: int, namespace: int) -> int:
    """Writes an emoji without its presentation selectors, a flag as its two letters; returns where it ends, or
    DROPPED."""
    if end - begin > MAX_WORD_CHARS:
        return DROPPED
    out[at] = namespace
    stop, is_flag = at + 1, flags[points[begin]] & u.WB_MASK == u.REGIONAL
    for i in range(begin, end):
        if is_flag and flags[points[i]] & u.WB_MASK != u.REGIONAL:
            continue
        if points[i] != 0xFE0F and points[i] != 0xFE0E:
            stop = write_utf8(out, stop, points[i])
    return stop


@compiled
def write_decimal(number: Any, out: Any, at: int, namespace: int) -> int:
    """Writes a number that is not negative in decimal digits; returns where it ends."""
    out[at] = namespace
    digits, rest = 1, number // 10
    while rest > 0:
        digits, rest = digits + 1, rest // 10
    stop = at + 1 + digits
    for i in range(1, digits + 1):
        out[stop - i] = 48 + number % 10
        number = number // 10
    return stop


@compiled
def write_utf8(out: Any, at: int, c: int) -> int:
    """Writes one code point; returns where it ends."""
    if c < 0x80:
        out[at] = c
        return at + 1
    if c < 0x800:
        out[at], out[at + 1] = 0xC0 | c >> 6, 0x80 | c & 63
        return at + 2
    if c < 0x10000:
        out[at], out[at + 1], out[at + 2] = 0xE0 | c >> 12, 0x80 | c >> 6 & 63, 0x80 | c & 63
        return at + 3
    out[at], out[at + 1] = 0xF0 | c >> 18, 0x80 | c >> 12 & 63
    out[at + 2], out[at + 3] = 0x80 | c >> 6 & 63, 0x80 | c & 63
    return at + 4
