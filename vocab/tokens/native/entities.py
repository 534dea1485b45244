"""Entities, compiled: what `vocab.tokens.twitter_text.entities` finds."""

from typing import Any

from vocab.tokens import unicode_data as u
from vocab.tokens.native.compiled import compiled
from vocab.tokens.native.urls import find_urls
from vocab.tokens.twitter_text import Kind

_URL, _HASHTAG, _MENTION, _CASHTAG = (int(kind) for kind in Kind)
_HASH, _WIDE_HASH, _AT, _WIDE_AT, _DOLLAR, _DOT, _COLON, _SLASH = 35, 0xFF03, 64, 0xFF20, 36, 46, 58, 47


@compiled
def find_entities(tables: Any, points: Any, begin: int, end: int, found: Any, urls: Any) -> int:
    """Fills found int64[n, 5] with (kind, begin, end, begin of the name, its end); returns how many, at most n.

    points: uint32, the code points of a text at [begin, end). urls: int64[n, 4], scratch.
    """
    url_count = find_urls(tables, points, begin, end, urls)
    count, url, at = 0, 0, begin
    while count < len(found):
        while url < url_count and urls[url, 0] < at:
            url += 1
        next_url = urls[url, 0] if url < url_count else end
        at = _next_sign(points, at, next_url)
        if at == end:
            break
        if at == next_url:
            kind, finish, name, name_end = _URL, urls[url, 1], urls[url, 2], urls[url, 3]
        else:
            name = at + 1
            kind, name_end, finish = signed_end(tables.flags, points, begin, at, end)
        if finish > at:
            found[count, 0], found[count, 1], found[count, 2] = kind, at, finish
            found[count, 3], found[count, 4] = name, name_end
            count += 1
            at = finish
        else:
            at += 1
    return count


@compiled
def _next_sign(points: Any, begin: int, end: int) -> int:
    for at in range(begin, end):
        c = points[at]
        if (c <= _AT and c in (_AT, _HASH, _DOLLAR)) or c in (_WIDE_AT, _WIDE_HASH):
            return at
    return end


@compiled
def signed_end(flags: Any, points: Any, begin: int, at: int, end: int) -> tuple[int, int, int]:
    """(kind, end of the name, end) of the entity with its sign at `at`; it ends at `at` where there is none."""
    c = points[at]
    if c in (_HASH, _WIDE_HASH):
        return _HASHTAG, *_hashtag_end(flags, points, begin, at, end)
    if c in (_AT, _WIDE_AT):
        return _MENTION, *_mention_end(flags, points, begin, at, end)
    return _CASHTAG, *_cashtag_end(flags, points, begin, at, end)


@compiled
def _hashtag_end(flags: Any, points: Any, begin: int, at: int, end: int) -> tuple[int, int]:
    """(end of the name, end of the tag), or `at` twice where none begins there; the others likewise."""
    if at > begin:
        before = points[at - 1]
        if (before == 38 or flags[before] & u.TAG) and before != 0xFE0E and before != 0xFE0F:
            return at, at
    if at + 1 < end and (points[at + 1] == 0xFE0F or points[at + 1] == 0x20E3):
        return at, at
    stop, has_letter = at + 1, False
    while stop < end and flags[points[stop]] & u.TAG:
        has_letter |= flags[points[stop]] & u.TAG_LETTER != 0
        stop += 1
    if not has_letter or _is_followed_by_scheme(points, stop, end):
        return at, at
    if stop < end and (points[stop] == _HASH or points[stop] == _WIDE_HASH):
        return at, at
    return stop, stop


@compiled
def _mention_end(flags: Any, points: Any, begin: int, at: int, end: int) -> tuple[int, int]:
    if at > begin and flags[points[at - 1]] & u.NOT_BEFORE_NAME and not _is_retweet(flags, points, begin, at):
        return at, at
    name_end = at + 1
    while name_end < end and name_end - at <= 20 and flags[points[name_end]] & u.NAME:
        name_end += 1
    if name_end == at + 1:
        return at, at
    stop = name_end
    if stop + 1 < end and points[stop] == _SLASH and flags[points[stop + 1]] & u.ALNUM and points[stop + 1] > 57:
        stop += 2
        last = min(end, stop + 24)
        while stop < last and (flags[points[stop]] & u.NAME or points[stop] == 45):
            stop += 1
    if stop < end:
        after = points[stop]
        if after in (_AT, _WIDE_AT) or flags[after] & u.LATIN_ACCENT or _is_followed_by_scheme(points, stop, end):
            return at, at
    return name_end, stop


@compiled
def _is_retweet(flags: Any, points: Any, begin: int, at: int) -> bool:
    """Whether `RT` or `RT:` stands before, as a word of its own."""
    if points[at - 1] == _COLON:
        at -= 1
    if at - 2 < begin or points[at - 2] | 32 != 114 or points[at - 1] | 32 != 116:
        return False
    if at - 2 == begin:
        return True
    before = points[at - 3]
    is_word = flags[before] & u.NAME != 0 or before == 43 or before == 126 or before == 46 or before == 45
    return not is_word


@compiled
def _cashtag_end(flags: Any, points: Any, begin: int, at: int, end: int) -> tuple[int, int]:
    if at > begin and not flags[points[at - 1]] & (u.SPACE | u.DIRECTIONAL):
        return at, at
    stop = _letters(flags, points, at + 1, end)
    if not 1 <= stop - at - 1 <= 6:
        return at, at
    if stop < end and (points[stop] == _DOT or points[stop] == 95):
        extended = _letters(flags, points, stop + 1, end)
        if 1 <= extended - stop - 1 <= 2 and _ends_cashtag(flags, points, extended, end):
            return extended, extended
    return (stop, stop) if _ends_cashtag(flags, points, stop, end) else (at, at)


@compiled
def _letters(flags: Any, points: Any, at: int, end: int) -> int:
    while at < end and flags[points[at]] & u.ALNUM and points[at] > 57:
        at += 1
    return at


@compiled
def _ends_cashtag(flags: Any, points: Any, at: int, end: int) -> bool:
    return at == end or flags[points[at]] & (u.SPACE | u.PUNCTUATION) != 0


@compiled
def _is_followed_by_scheme(points: Any, at: int, end: int) -> bool:
    return at + 3 <= end and points[at] == _COLON and points[at + 1] == _SLASH and points[at + 2] == _SLASH
