"""URLs, compiled: what `vocab.tokens.twitter_text.urls` finds."""

from typing import Any

import numpy as np

from vocab.tokens import unicode_data as u
from vocab.tokens.native.compiled import compiled
from vocab.tokens.twitter_text import MAX_HOST_CHARS, MAX_LABEL_CHARS, MAX_SLUG_CHARS, fold_each
from vocab.tokens.unicode_data import load_tlds

_NOWHERE = -1
_DOT, _DASH, _UNDERSCORE, _SLASH, _COLON = 46, 45, 95, 47, 58
_TRIE_BITS = 16  # of the hash table of the tree's edges
_TRIE_MULTIPLIER = 0x9E3779B1


def tld_tree() -> tuple[Any, Any, Any]:
    """The top-level domains as a tree: (edges int64[2**16], the node each leads to int32, whether a name ends int8).

    An edge is `node << 21 | code point`, plus 1; it stands at its hash, or in the next free place.
    """
    nodes: dict[tuple[int, int], int] = {}
    ends = set()
    for name in load_tlds():
        node = 0
        for c in fold_each(name):
            node = nodes.setdefault((node, ord(c)), len(nodes) + 1)
        ends.add(node)
    edges, targets = np.zeros(1 << _TRIE_BITS, np.int64), np.zeros(1 << _TRIE_BITS, np.int32)
    for (node, point), target in nodes.items():
        at = _place_of_edge(node << 21 | point)
        while edges[at]:
            at = (at + 1) % len(edges)
        edges[at], targets[at] = (node << 21 | point) + 1, target
    terminal = np.zeros(len(nodes) + 1, np.int8)
    terminal[list(ends)] = 1
    return edges, targets, terminal


@compiled
def find_urls(tables: Any, points: Any, begin: int, end: int, found: Any) -> int:
    """Fills found int64[n, 4] with (begin, end, begin of the host, its end) of URLs; returns how many."""
    flags = tables.flags
    count, at, lifeless = 0, begin, begin  # no host without a scheme begins before `lifeless`
    while at < end and count < len(found):
        if at > begin and flags[points[at - 1]] & u.NOT_BEFORE_URL:
            at += 1
            continue
        host_begin, host_end = at, _NOWHERE
        scheme = _scheme_end(points, at, end)
        if scheme > at:
            host_begin, host_end = scheme, _host_end(tables, points, scheme, end, u.HOST)
        if host_end == _NOWHERE:
            host_begin = at
            if at >= lifeless:
                host_end = _host_end(tables, points, at, end, u.HOST)
                if host_end == _NOWHERE:
                    lifeless = _lifeless_until(flags, points, at, end)
        if host_end == _NOWHERE:
            at += 1
            continue
        url_end, has_path = _tail_end(flags, points, host_end, end)
        if host_begin > at:
            shortened = _shortened_end(flags, points, at, url_end)
            if shortened != _NOWHERE and _is_valid_host(points, host_begin, host_end):
                count = _add(found, count, at, shortened, host_begin, host_end)
        elif at == begin or not _is_joint(points[at - 1]):
            first = count
            count = _plain_hosts(tables, points, host_begin, host_end, found, count)
            if count > first and has_path:
                found[count - 1, 1] = url_end
        at = url_end + 1
    return count


@compiled
def host_of(tables: Any, points: Any, begin: int, end: int) -> tuple[int, int]:
    """(begin, end) of the host of what is a URL from its first character; both `begin` where it is none."""
    scheme = _scheme_end(points, begin, end)
    host_begin, host_end = scheme, _NOWHERE
    if scheme > begin:
        host_end = _host_end(tables, points, scheme, end, u.HOST)
    if host_end == _NOWHERE:
        host_begin, host_end = begin, _host_end(tables, points, begin, end, u.HOST)
    if host_end == _NOWHERE or not _is_valid_host(points, host_begin, host_end):
        return begin, begin
    return host_begin, host_end


@compiled
def _add(found: Any, count: int, begin: int, end: int, host_begin: int, host_end: int) -> int:
    if count < len(found):
        found[count, 0], found[count, 1], found[count, 2], found[count, 3] = begin, end, host_begin, host_end
        return count + 1
    return count


@compiled
def _is_joint(c: int) -> bool:
    return c in (_DASH, _UNDERSCORE, _DOT, _SLASH)


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
def _host_end(tables: Any, points: Any, begin: int, end: int, inside: int) -> int:
    """The longest host: labels of characters with the flag `inside`, the last without `_`, and a top-level domain."""
    flags = tables.flags
    found, at = _NOWHERE, begin
    while True:
        label, underscore = at, False
        while at < end:
            c = points[at]
            if not (flags[c] & inside or c in (_DASH, _UNDERSCORE)):
                break
            underscore |= c == _UNDERSCORE
            at += 1
        if at == label or at >= end or points[at] != _DOT or at + 1 - begin >= MAX_HOST_CHARS:
            return found
        if not (flags[points[label]] & inside and flags[points[at - 1]] & inside):
            return found
        at += 1
        if inside != u.HOST or not underscore:
            tld = _tld_end(tables, points, at, end)
            if tld != _NOWHERE:
                found = tld


@compiled
def _lifeless_until(flags: Any, points: Any, at: int, end: int) -> int:
    """Past the run of a host's characters from `at`, where no dot follows it: no host begins inside."""
    begin = at
    while at < end and (flags[points[at]] & u.HOST or points[at] == _DASH or points[at] == _UNDERSCORE):
        at += 1
    return begin if at < end and points[at] == _DOT else at


@compiled
def _tld_end(tables: Any, points: Any, begin: int, end: int) -> int:
    """Where the longest top-level domain from `begin` ends."""
    found, node, at = _NOWHERE, 0, begin
    while at < end:
        node = _step(tables, node, int(_fold_one(tables, points[at])))
        if node == 0:
            break
        at += 1
        if tables.tld_ends[node] and not (at < end and _glues(tables.flags, points[at])):
            found = at
    return found if found != _NOWHERE else _punycode_end(tables.flags, points, begin, end)


@compiled
def _punycode_end(flags: Any, points: Any, begin: int, end: int) -> int:
    """Where an encoded top-level domain (`xn--...`) ends."""
    if not _is_encoded(points, begin, end):
        return _NOWHERE
    at = begin + 4
    while at < end and flags[points[at]] & u.ALNUM:
        at += 1
    return at if at > begin + 4 else _NOWHERE


@compiled
def _is_encoded(points: Any, at: int, end: int) -> bool:
    if end - at < 4 or points[at] | 32 != 120 or points[at + 1] | 32 != 110:
        return False
    return bool(points[at + 2] == _DASH and points[at + 3] == _DASH)


@compiled
def _glues(flags: Any, c: int) -> bool:
    """Whether a character makes another word of a top-level domain that it follows."""
    return flags[c] & u.ALNUM != 0 or c == 64 or c == 43 or c == _DASH


@compiled
def _fold_one(tables: Any, c: int) -> int:
    at = tables.fold_at[c]
    return tables.fold_to[at] if at >= 0 and tables.fold_length[c] == 1 else c


def _place_of_edge(edge: int) -> int:
    return ((edge * _TRIE_MULTIPLIER) >> 15) & ((1 << _TRIE_BITS) - 1)


_edge_place = compiled(_place_of_edge)


@compiled
def _step(tables: Any, node: int, c: int) -> int:
    """The node that one more character leads to, 0 for none."""
    edge = node << 21 | c
    at = _edge_place(edge)
    while tables.tld_edges[at]:
        if tables.tld_edges[at] == edge + 1:
            return int(tables.tld_targets[at])
        at = (at + 1) & ((1 << _TRIE_BITS) - 1)
    return 0


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
            if closed == _NOWHERE:
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
    return _NOWHERE


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
    return _query_end(flags, points, at, end) if at - slug <= MAX_SLUG_CHARS else _NOWHERE


@compiled
def _is_valid_host(points: Any, begin: int, end: int) -> bool:
    label, ascii_only = begin, True
    for at in range(begin, end + 1):
        if at == end or points[at] == _DOT:
            if at - label > MAX_LABEL_CHARS or (not ascii_only and _is_encoded(points, label, at)):
                return False
            label, ascii_only = at + 1, True
        else:
            ascii_only &= points[at] < 128
    return True


@compiled
def _plain_hosts(tables: Any, points: Any, begin: int, end: int, found: Any, count: int) -> int:
    """Adds the hosts of Latin letters in what was found without a scheme."""
    at = begin
    while at < end:
        host_end = _host_end(tables, points, at, end, u.PLAIN_HOST)
        if host_end == _NOWHERE:
            at += 1
            continue
        if _is_valid_host(points, at, host_end):
            count = _add(found, count, at, host_end, at, host_end)
        at = host_end
    return count
