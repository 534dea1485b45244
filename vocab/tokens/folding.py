"""NFKC_Casefold on the pinned tables: one spelling for all spellings of a text that a reader takes for the same.

    fold(text) = NFC(each character's NFKC_Casefold mapping)                      (The Unicode Standard, 3.13, R5)

Case, width and compatibility forms fold together; what nobody sees (joiners, variation selectors) is dropped. What
was folded stays as it is. NFC is chapter 3.11's: decompose, order the marks, compose.
"""

import numpy as np

from vocab.tokens.unicode_data import COMBINING, COMPOSED, DECOMPOSE, FLAGS, FOLD, RECOMPOSES

_LOWER = {c: c + 32 for c in range(65, 91)}
_COMPOSE = {tuple(DECOMPOSE.of(c)): c for c in sorted(COMPOSED)}

# Hangul syllables are composed by arithmetic: lead, vowel and trail (The Unicode Standard, 3.12).
_SYLLABLE, _LEAD, _VOWEL, _TRAIL = 0xAC00, 0x1100, 0x1161, 0x11A7
_LEADS, _VOWELS, _TRAILS = 19, 21, 28
_SYLLABLES = _LEADS * _VOWELS * _TRAILS


def fold(text: str) -> str:
    """The folded text. Folding twice changes nothing more."""
    if text.isascii():
        return ascii_lower(text)
    folded = [part for c in text for part in FOLD.of(ord(c))]
    if not _needs_composing(folded):
        return "".join(map(chr, folded))
    return "".join(map(chr, _compose(_ordered([part for c in folded for part in _decompose(c)]))))


def ascii_lower(text: str) -> str:
    """ASCII letters in lower case, everything else as it is."""
    return text.translate(_LOWER)


def _needs_composing(points: list[int]) -> bool:
    """False only where NFC is sure to change nothing: Unicode's quick check."""
    last = 0
    for c in points:
        combining = int(COMBINING[c])
        if int(FLAGS[c]) & RECOMPOSES or 0 < combining < last:
            return True
        last = combining
    return False


def _decompose(c: int) -> list[int]:
    if 0 <= c - _SYLLABLE < _SYLLABLES:
        lead, rest = divmod(c - _SYLLABLE, _VOWELS * _TRAILS)
        vowel, trail = divmod(rest, _TRAILS)
        return [_LEAD + lead, _VOWEL + vowel] + ([_TRAIL + trail] if trail else [])
    parts = DECOMPOSE.of(c)
    return parts if parts == [c] else [deeper for part in parts for deeper in _decompose(part)]


def _ordered(points: list[int]) -> list[int]:
    """Marks between two starters by combining class, those of one class as they stood."""
    classes = COMBINING[np.array(points, np.int64)] if points else np.zeros(0, np.uint8)
    begin, ordered = 0, list(points)
    for end in range(len(points) + 1):
        if end == len(points) or classes[end] == 0:
            marks = sorted(range(begin, end), key=lambda at: int(classes[at]))
            ordered[begin:end] = [points[at] for at in marks]
            begin = end + 1
    return ordered


def _compose(points: list[int]) -> list[int]:
    composed: list[int] = []
    starter, last = -1, 0  # where the last starter stands; the class of what stands before this character
    for c in points:
        combining = int(COMBINING[c])
        if starter >= 0 and (starter == len(composed) - 1 or last < combining):
            pair = _composed(composed[starter], c)
            if pair is not None:
                composed[starter] = pair
                continue
        if combining == 0:
            starter = len(composed)
        last = combining
        composed.append(c)
    return composed


def _composed(first: int, second: int) -> int | None:
    lead, vowel = first - _LEAD, second - _VOWEL
    if 0 <= lead < _LEADS and 0 <= vowel < _VOWELS:
        return _SYLLABLE + (lead * _VOWELS + vowel) * _TRAILS
    syllable, trail = first - _SYLLABLE, second - _TRAIL
    if 0 <= syllable < _SYLLABLES and syllable % _TRAILS == 0 and 0 < trail < _TRAILS:
        return first + trail
    return _COMPOSE.get((first, second))
