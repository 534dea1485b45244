"""URLs, compiled: what `vocab.tokens.twitter_text.urls` finds."""

from typing import Any

from vocab.tokens import unicode_data as u
from vocab.tokens.native.compiled import compiled
from vocab.tokens.native.hosts import NOWHERE, host_end, is_valid_host, next_dot, run_begin
from vocab.tokens.twitter_text import MAX_SLUG_CHARS

_DOT, _DASH, _UNDERSCORE, _SLASH, _COLON = 46, 45, 95, 47, 58
_LONGEST_SCHEME = len("https://")


@compiled
def find_urls(tables: Any, points: Any, begin: int, end: int, found: Any) -> int:
    """Fills found int64[n, 4] with (begin, end, begin of the host, its end) of URLs; returns how many.

    It looks where a dot stands that may be a host's last: at the run of a host's characters before it, and at what
    may be a scheme before that.
    """
    flags = tables.flags
    count, at = 0, begin
    while count < len(found):
        dot = next_dot(tables, points, at, end)
        if dot == end:
            break
        at = max(at, run_begin(flags, points, at, dot) - _LONGEST_SCHEME)
        while at < dot and count < len(found):
            if at > begin and flags[points[at - 1]] & u.NOT_BEFORE_URL:
                at += 1
            else:
                count, at = _add_urls_at(tables, points, begin, at, end, found, count)
        at = max(at, dot + 1)
    return count


@compiled
def _add_urls_at(tables: Any, points: Any, begin: int, at: int, end: int, found: Any, count: int) -> tuple[int, int]:
    """Adds the URL, or the hosts without a scheme, that begin at `at`; (how many there are, where to go on)."""
    flags = tables.flags
    host_begin, stop = _host_from(tables, points, at, end)
    if stop == NOWHERE:
        return count, at + 1
    url_end, has_path = _tail_end(flags, points, stop, end)
    if host_begin > at:
        shortened = _shortened_end(flags, points, at, url_end)
        if shortened != NOWHERE and is_valid_host(points, host_begin, stop):
            count = _add(found, count, at, shortened, host_begin, stop)
    elif at == begin or points[at - 1] not in (_DASH, _UNDERSCORE, _DOT, _SLASH):
        first = count
        count = _plain_hosts(tables, points, host_begin, stop, found, count)
        if count > first and has_path:
            found[count - 1, 1] = url_end
    return count, url_end + 1


@compiled
def host_of(tables: Any, points: Any, begin: int, end: int) -> tuple[int, int]:
    """(begin, end) of the host of what is a URL from its first character; both `begin` where it is none."""
    host_begin, stop = _host_from(tables, points, begin, end)
    if stop == NOWHERE or not is_valid_host(points, host_begin, stop):
        return begin, begin
    return host_begin, stop


@compiled
def _host_from(tables: Any, points: Any, at: int, end: int) -> tuple[int, int]:
    """(begin, end) of the host of what begins at `at`, with a scheme or without; the end is NOWHERE for none."""
    scheme = _scheme_end(points, at, end)
    if scheme > at:
        stop = host_end(tables, points, scheme, end, u.HOST)
        if stop != NOWHERE:
            return scheme, stop
    return at, host_end(tables, points, at, end, u.HOST)


@compiled
def _add(found: Any, count: int, begin: int, end: int, host_begin: int, host_end: int) -> int:
    if count < len(found):
        found[count, 0], found[count, 1], found[count, 2], found[count, 3] = begin, end, host_begin, host_end
        return count + 1
    return count


@compiled
def _scheme_end(points: Any, at: int, end: int) -> int:
    """Where `http://` or `https://` ends, in any case; `at` where there is none."""
    if at + 7 > end or points[at] | 32 != 104 or points[at + 1] | 32 != 116 or points[at + 2] | 32 != 116:
        return at
    if points[at + 3] | 32 != 112:
        return at
    after = at + 5 if points[at + 4] | 32 == 115 else at + 4
    if after + 3 > end or points[after] != _COLON or points[after + 1] != _SLASH or points[after + 2] != _SLASH:
        return at
    return after + 3


@compiled
def _tail_end(flags: Any, points: Any, at: int, end: int) -> tuple[int, bool]:
    """(end of port, path and query, whether there is a path)."""
    if at + 1 < end and points[at] == _COLON and 48 <= points[at + 1] <= 57:
        at += 1
        while at < end and 48 <= points[at] <= 57:
            at += 1
    has_path = at < end and points[at] == _SLASH
    if has_path:
        at = _path_end(flags, points, at + 1, end)
    return _query_end(flags, points, at, end), has_path


@compiled
def _path_end(flags: Any, points: Any, at: int, end: int) -> int:
    """Where the last character or pair of parentheses stands that may end a path."""
    last = at
    while at < end:
        if points[at] == 40:
            closed = _parentheses_end(flags, points, at, end)
            if closed == NOWHERE:
                break
            at = last = closed
        elif flags[points[at]] & u.PATH:
            at += 1
            if flags[points[at - 1]] & u.PATH_END:
                last = at
        else:
            break
    return last


@compiled
def _parentheses_end(flags: Any, points: Any, at: int, end: int) -> int:
    """Past `(a)` or `(a(b)c)`, whose insides are not empty."""
    inner = _run(flags, points, at + 1, end)
    if inner < end and points[inner] == 41 and inner > at + 1:
        return inner + 1
    if inner < end and points[inner] == 40:
        nested = _run(flags, points, inner + 1, end)
        if nested < end and points[nested] == 41 and nested > inner + 1:
            outer = _run(flags, points, nested + 1, end)
            if outer < end and points[outer] == 41:
                return outer + 1
    return NOWHERE


@compiled
def _run(flags: Any, points: Any, at: int, end: int) -> int:
    while at < end and flags[points[at]] & u.PATH:
        at += 1
    return at


@compiled
def _query_end(flags: Any, points: Any, at: int, end: int) -> int:
    last = at
    if at < end and points[at] == 63:
        at += 1
        while at < end and flags[points[at]] & u.QUERY:
            at += 1
            if flags[points[at - 1]] & u.QUERY_END:
                last = at
    return last


@compiled
def _shortened_end(flags: Any, points: Any, begin: int, end: int) -> int:
    """The end of a URL with a scheme: a t.co link ends with its slug and query, and one too long is none."""
    at = _scheme_end(points, begin, end)
    if at + 6 > end or points[at] | 32 != 116 or points[at + 1] != _DOT or points[at + 2] | 32 != 99:
        return end
    if points[at + 3] | 32 != 111 or points[at + 4] != _SLASH or not flags[points[at + 5]] & u.ALNUM:
        return end
    slug = at = at + 5
    while at < end and flags[points[at]] & u.ALNUM:
        at += 1
    return _query_end(flags, points, at, end) if at - slug <= MAX_SLUG_CHARS else NOWHERE


@compiled
def _plain_hosts(tables: Any, points: Any, begin: int, end: int, found: Any, count: int) -> int:
    """Adds the hosts of Latin letters in what was found without a scheme."""
    at = begin
    while at < end:
        stop = host_end(tables, points, at, end, u.PLAIN_HOST)
        if stop == NOWHERE:
            at += 1
            continue
        if is_valid_host(points, at, stop):
            count = _add(found, count, at, stop, at, stop)
        at = stop
    return count
