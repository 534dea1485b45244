"""Word boundaries, compiled: what `vocab.tokens.words.segments` cuts, one segment after the other."""

from typing import Any

from vocab.tokens import unicode_data as u
from vocab.tokens.native.compiled import compiled

_NONE = u.OTHER
_WB, _PICTOGRAPH = u.WB_MASK, u.PICTOGRAPH


@compiled
def segment_end(points: Any, flags: Any, begin: int, end: int) -> int:
    """Where the segment that begins at `begin` ends, at `end` at the latest. points, flags: int32."""
    here = flags[points[begin]] & _WB
    if here == u.CR and begin + 1 < end and points[begin + 1] == 10:
        return begin + 2
    if here == u.CR or here == u.LF or here == u.NEWLINE:
        return begin + 1
    last, second = here, _NONE  # the last two classes that count; a segment's first character counts as it is
    if _is_ignored(here):
        last = _NONE
    regionals = 1 if here == u.REGIONAL else 0
    at = begin + 1
    while at < end:
        flag = flags[points[at]]
        after, before = flag & _WB, flags[points[at - 1]] & _WB
        if after == u.CR or after == u.LF or after == u.NEWLINE:
            return at
        if _is_ignored(after):
            at += 1
            continue
        if (before == u.ZWJ and flag & _PICTOGRAPH) or (before == u.WSEG_SPACE and after == u.WSEG_SPACE):
            pass
        elif last == u.REGIONAL and after == u.REGIONAL:
            if regionals % 2 == 0:
                return at
        elif not _joins(points, flags, at, end, second, last, after):
            return at
        regionals = regionals + 1 if after == u.REGIONAL else 0
        second, last = last, after
        at += 1
    return end


@compiled
def _joins(points: Any, flags: Any, at: int, end: int, second: int, last: int, after: int) -> bool:
    """WB5 to WB13b, by the two classes before and the class after."""
    if last == u.ALETTER or last == u.HEBREW:
        if after == u.ALETTER or after == u.HEBREW or after == u.NUMERIC or after == u.EXTEND_NUM_LET:
            return True
        if after == u.SINGLE_QUOTE and last == u.HEBREW:
            return True
        if after == u.MID_LETTER or after == u.MID_NUM_LET or after == u.SINGLE_QUOTE:
            following = _following(points, flags, at, end)
            return following == u.ALETTER or following == u.HEBREW
        return last == u.HEBREW and after == u.DOUBLE_QUOTE and _following(points, flags, at, end) == u.HEBREW
    if last == u.NUMERIC:
        if after == u.NUMERIC or after == u.ALETTER or after == u.HEBREW or after == u.EXTEND_NUM_LET:
            return True
        if after == u.MID_NUM or after == u.MID_NUM_LET or after == u.SINGLE_QUOTE:
            return _following(points, flags, at, end) == u.NUMERIC
        return False
    if last == u.KATAKANA:
        return after == u.KATAKANA or after == u.EXTEND_NUM_LET
    if last == u.EXTEND_NUM_LET:
        joined = after == u.ALETTER or after == u.HEBREW or after == u.NUMERIC
        return joined or after == u.KATAKANA or after == u.EXTEND_NUM_LET
    if after == u.ALETTER or after == u.HEBREW:
        if last == u.MID_LETTER or last == u.MID_NUM_LET or last == u.SINGLE_QUOTE:
            return second == u.ALETTER or second == u.HEBREW
        return after == u.HEBREW and last == u.DOUBLE_QUOTE and second == u.HEBREW
    if after == u.NUMERIC and (last == u.MID_NUM or last == u.MID_NUM_LET or last == u.SINGLE_QUOTE):
        return second == u.NUMERIC
    return False


@compiled
def _is_ignored(word_break: int) -> bool:
    return word_break == u.EXTEND or word_break == u.FORMAT or word_break == u.ZWJ


@compiled
def _following(points: Any, flags: Any, at: int, end: int) -> int:
    """The class of the next character after `at` that counts."""
    for i in range(at + 1, end):
        word_break: int = flags[points[i]] & _WB
        if not _is_ignored(word_break):
            return word_break
    return _NONE
