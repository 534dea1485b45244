"""Hashtags, mentions, cashtags and URLs as twitter-text finds them, in plain Python: the definition.

The rules are those of Twitter's library of that name (Apache License 2.0), written anew; its conformance suite is
part of the tests. `vocab.tokens.native` finds the same, compiled.
"""

import re
from enum import IntEnum
from functools import cache
from typing import NamedTuple

import numpy as np

from vocab.tokens import unicode_data as u
from vocab.tokens.folding import fold
from vocab.tokens.unicode_data import FLAGS, load_tlds

MAX_HOST_CHARS = 253
MAX_LABEL_CHARS = 63  # of a host: the bound of the domain name system
MAX_SLUG_CHARS = 40  # of the path of a t.co link


class Kind(IntEnum):
    """What an entity is."""

    URL = 0
    HASHTAG = 1
    MENTION = 2
    CASHTAG = 3


class Entity(NamedTuple):
    """`text[begin:end]` is the entity; `text[name_begin:name_end]` its name without a sign, or its host.

    A mention of a list (`@name/list`) has its name end before the list does.
    """

    kind: Kind
    begin: int
    end: int
    name_begin: int
    name_end: int


def entities(text: str) -> list[Entity]:
    """The entities of a text, in its order. Of two that overlap the one that begins first counts."""
    found = urls(text) + hashtags(text) + mentions(text) + cashtags(text)
    kept: list[Entity] = []
    for entity in sorted(found, key=lambda entity: entity.begin):
        if not kept or kept[-1].end <= entity.begin:
            kept.append(entity)
    return kept


def hashtags(text: str) -> list[Entity]:
    """Hashtags, those within URLs too."""
    if not _has_any(text, "#＃"):
        return []
    return [Entity(Kind.HASHTAG, *match.span(), *match.span(1)) for match in _hashtag().finditer(text)]


def mentions(text: str) -> list[Entity]:
    """Mentions of users and of their lists."""
    if not _has_any(text, "@＠"):
        return []
    return [Entity(Kind.MENTION, *match.span(), *match.span(1)) for match in _mention().finditer(text)]


def cashtags(text: str) -> list[Entity]:
    """Cashtags."""
    if not _has_any(text, "$"):
        return []
    return [Entity(Kind.CASHTAG, *match.span(), *match.span(1)) for match in _cashtag().finditer(text)]


def urls(text: str) -> list[Entity]:
    """URLs, with and without a scheme."""
    found: list[Entity] = []
    at = 0 if _has_any(text, ".") else len(text)  # every host has a dot
    while at < len(text):
        match = _url_at(text, at) if at == 0 or not _is(text[at - 1], u.NOT_BEFORE_URL) else None
        if match is None:
            at += 1
            continue
        host_begin, host_end, end = match
        if host_begin > at:
            end, valid = _shortened(text, at, end)
            if valid and _is_valid_host(text[host_begin:host_end]):
                found.append(Entity(Kind.URL, at, end, host_begin, host_end))
        elif at == 0 or text[at - 1] not in "-_./":
            found += _plain_hosts(text, host_begin, host_end, end)
        at = match[2] + 1  # what precedes a URL is no part of the URL before
    return found


def host_of(url: str) -> str:
    """The host of the URL that a text begins with, "" where it begins with none."""
    match = _url_at(url, 0)
    return url[match[0] : match[1]] if match and _is_valid_host(url[match[0] : match[1]]) else ""


def _url_at(text: str, at: int) -> tuple[int, int, int] | None:
    """(begin of the host, its end, end of the URL) of what begins at a place, before a closer look."""
    scheme = _SCHEME.match(text, at)
    begin, host_end = at, None
    if scheme:
        begin, host_end = scheme.end(), _host_end(text, scheme.end())
    if host_end is None:
        begin, host_end = at, _host_end(text, at)
    if host_end is None:
        return None
    end = host_end
    if port := _PORT.match(text, end):
        end = port.end()
    if text.startswith("/", end):
        end += 1
        for element in _path_element().finditer(text, end, _path_chain().match(text, end).end()):  # type: ignore[union-attr]
            if element[0][0] == "(" or _is(element[0], u.PATH_END):
                end = element.end()
    if query := _query().match(text, end):
        end = query.end()
    return begin, host_end, end


def _host_end(text: str, begin: int, label: "re.Pattern[str] | None" = None) -> int | None:
    """Where the longest host that begins here ends: labels, of which the last has no `_`, and a top-level domain."""
    label, at, end = label or _label(), begin, None
    while (match := label.match(text, at)) and match.end() - begin < MAX_HOST_CHARS:
        at = match.end()
        if label is not _label() or "_" not in match[0]:
            end = _tld_end(text, at) or end
    return end


def _tld_end(text: str, begin: int) -> int | None:
    """Where the longest top-level domain that begins here ends."""
    for length in range(min(_longest_tld(), len(text) - begin), 0, -1):
        end = begin + length
        after = text[end : end + 1]
        if fold_each(text[begin:end]) in _tlds() and not (after and (after in "@+-" or _is(after, u.ALNUM))):
            return end
    punycode = _PUNYCODE.match(text, begin)
    return punycode.end() if punycode else None


def _plain_hosts(text: str, begin: int, end: int, url_end: int) -> list[Entity]:
    """The hosts of Latin letters within what was found without a scheme; the last one has the path and query."""
    found = []
    host = text[begin:end]
    at = 0
    while at < len(host):
        host_end = _host_end(host, at, _plain_label())
        if host_end is None:
            at += 1
            continue
        if _is_valid_host(host[at:host_end]):
            found.append(Entity(Kind.URL, begin + at, begin + host_end, begin + at, begin + host_end))
        at = host_end
    path = text[end:url_end].lstrip(":0123456789")
    if found and path.startswith("/"):
        found[-1] = found[-1]._replace(end=url_end)
    return found


def _shortened(text: str, begin: int, end: int) -> tuple[int, bool]:
    """(end, whether it is a URL): a t.co link ends with its slug and query."""
    link = _shortened_link().match(text, begin, end)
    return (link.end(), len(link[1]) <= MAX_SLUG_CHARS) if link else (end, True)


def _is_valid_host(host: str) -> bool:
    labels = host.split(".")
    return all(len(label) <= MAX_LABEL_CHARS and (label.isascii() or not _ACE.match(label)) for label in labels)


def fold_each(text: str) -> str:
    """The text with each character folded that folds to a single one: as long as before."""
    return "".join(folded if len(folded := fold(c)) == 1 else c for c in text)


def _has_any(text: str, signs: str) -> bool:
    return any(sign in text for sign in signs)


def _is(c: str, flag: int) -> bool:
    return int(FLAGS[ord(c)]) & flag != 0


def _class(flag: int, extra: str = "") -> str:
    """The inside of a character class of all code points with a flag."""
    changes = np.flatnonzero(np.diff(u.RUN_FLAGS & np.uint32(flag) > 0, prepend=False, append=False))
    edges = np.append(u.RUN_STARTS, np.uint32(u.CODE_POINTS))[changes].tolist()
    return "".join(f"{_member(a)}-{_member(b - 1)}" for a, b in zip(edges[::2], edges[1::2], strict=True)) + extra


def _member(c: int) -> str:
    """A code point within a character class: those that may mean something there are escaped."""
    return f"\\x{c:02x}" if c < 0x80 else chr(c)


@cache
def _tlds() -> frozenset[str]:
    return frozenset(fold_each(name) for name in load_tlds())


@cache
def _longest_tld() -> int:
    return max(map(len, _tlds()))


_SCHEME = re.compile(r"[hH][tT][tT][pP][sS]?://")
_PUNYCODE = re.compile(r"[xX][nN]--[a-zA-Z0-9]+")
_ACE = re.compile(r"[xX][nN]--")
_PORT = re.compile(r":[0-9]+")


# Classes of thousands of ranges: each is compiled where a text first has the sign that calls for it.
@cache
def _hashtag() -> re.Pattern[str]:
    tag = _class(u.TAG)
    return re.compile(
        rf"(?:(?<=[\ufe0e\ufe0f])|(?<![&{tag}]))[#＃](?![\ufe0f\u20e3])"
        rf"(?=[{tag}]*[{_class(u.TAG_LETTER)}])([{tag}]++)(?![#＃]|://)"
    )


@cache
def _mention() -> re.Pattern[str]:
    return re.compile(
        rf"(?:(?<![{_class(u.NOT_BEFORE_NAME)}])"
        r"|(?<=(?<![a-zA-Z0-9_+~.\-])[rR][tT])|(?<=(?<![a-zA-Z0-9_+~.\-])[rR][tT]:))"
        r"[@＠]([a-zA-Z0-9_]{1,20}+)(?:/[a-zA-Z][a-zA-Z0-9_\-]{0,24}+)?+"
        rf"(?![@＠{_class(u.LATIN_ACCENT)}]|://)"
    )


@cache
def _cashtag() -> re.Pattern[str]:
    return re.compile(
        rf"(?<![^{_class(u.SPACE | u.DIRECTIONAL)}])\$([a-zA-Z]{{1,6}}(?:[._][a-zA-Z]{{1,2}})?)"
        rf"(?=[{_class(u.SPACE | u.PUNCTUATION)}]|\Z)"
    )


@cache
def _label() -> re.Pattern[str]:
    host = _class(u.HOST)
    return re.compile(rf"[{host}](?:[{host}_\-]*[{host}])?\.")


@cache
def _plain_label() -> re.Pattern[str]:
    return re.compile(rf"[{_class(u.PLAIN_HOST)}]+\.")


@cache
def _path_element() -> re.Pattern[str]:
    one = rf"[{_class(u.PATH)}]"
    parentheses = rf"\((?:{one}++|{one}*+\({one}++\){one}*+)\)"
    return re.compile(rf"{parentheses}|{one}")


@cache
def _path_chain() -> re.Pattern[str]:
    return re.compile(rf"(?:{_path_element().pattern})*+")


@cache
def _query() -> re.Pattern[str]:
    return re.compile(rf"\?[{_class(u.QUERY)}]*[{_class(u.QUERY_END)}]")


@cache
def _shortened_link() -> re.Pattern[str]:
    return re.compile(rf"[hH][tT][tT][pP][sS]?://[tT]\.[cC][oO]/([a-zA-Z0-9]+)(?:{_query().pattern})?")
