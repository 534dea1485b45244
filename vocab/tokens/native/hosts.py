"""Hosts of URLs, compiled: labels, and a top-level domain that is known."""

from typing import Any

import numpy as np

from vocab.tokens import unicode_data as u
from vocab.tokens.native.compiled import compiled
from vocab.tokens.twitter_text import MAX_HOST_CHARS, MAX_LABEL_CHARS, fold_each
from vocab.tokens.unicode_data import load_tlds

NOWHERE = -1
_DOT, _DASH, _UNDERSCORE = 46, 45, 95
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
def next_dot(tables: Any, points: Any, begin: int, end: int) -> int:
    """Where the first dot before a top-level domain stands, as every host has one; `end` where there is none."""
    for at in range(begin, end):
        if points[at] == _DOT and _tld_end(tables, points, at + 1, end) != NOWHERE:
            return at
    return end


@compiled
def run_begin(flags: Any, points: Any, begin: int, at: int) -> int:
    """Where the run of what hosts are made of begins that ends before `at`."""
    while at > begin:
        c = points[at - 1]
        if not (flags[c] & u.HOST or c in (_DOT, _DASH, _UNDERSCORE)):
            break
        at -= 1
    return at


@compiled
def host_end(tables: Any, points: Any, begin: int, end: int, inside: int) -> int:
    """The longest host: labels of characters with the flag `inside`, the last without `_`, and a top-level domain."""
    flags = tables.flags
    found, at = NOWHERE, begin
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
            if tld != NOWHERE:
                found = tld


@compiled
def is_valid_host(points: Any, begin: int, end: int) -> bool:
    """Whether the domain name system could know it."""
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
def _tld_end(tables: Any, points: Any, begin: int, end: int) -> int:
    """Where the longest top-level domain from `begin` ends."""
    found, node, at = NOWHERE, 0, begin
    while at < end:
        node = _step(tables, node, int(_fold_one(tables, points[at])))
        if node == 0:
            break
        at += 1
        if tables.tld_ends[node] and not (at < end and _glues(tables.flags, points[at])):
            found = at
    return found if found != NOWHERE else _punycode_end(tables.flags, points, begin, end)


@compiled
def _punycode_end(flags: Any, points: Any, begin: int, end: int) -> int:
    """Where an encoded top-level domain (`xn--...`) ends."""
    if not _is_encoded(points, begin, end):
        return NOWHERE
    at = begin + 4
    while at < end and flags[points[at]] & u.ALNUM:
        at += 1
    return at if at > begin + 4 else NOWHERE


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
