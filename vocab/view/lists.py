"""Lists in Redis of what is frequent, rises and falls: each owner makes those of its own keys, readers merge them.

A list is for one kind (top, rising, falling), one horizon, one namespace that people read, and all languages together
(its best 100 keys) or one language (20). An owner has lists of 8 languages: those in which its tokens have the
highest counts over the longest horizon, ties by the lowest number. A reader who asks for another one is told so.

Bounded memory: a place on a list takes 14 bytes, and each key on any list 8 and its token. An owner has at most
3 x 4 x 8 lists of all languages and 8 times as many of single ones, 24,960 places: under 1 MB.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from contracts.arrays import F32, I64, U8, U16, U64, Bools
from contracts.codec import Codec
from contracts.errors import DriftlineError
from contracts.frames import Frame
from transport.ports.redis import VERSION_BYTES, version_of
from vocab.keys import shard_of
from vocab.languages import ALL, language_code, language_tag
from vocab.namespaces import Namespace
from vocab.trends.measures import Measures, together
from vocab.trends.spans import HORIZONS

Kind = Literal["top", "rising", "falling"]
KINDS = get_args(Kind)  # by number


class NoSuchList(DriftlineError):
    """A list that nobody keeps: its language is not among the commonest, or its horizon is unknown."""


class Lists(Frame, frozen=True, kw_only=True):
    """The lists of one owner, end to end, best first, each named by its index in `KINDS` and `velocity.HORIZONS`.

    Place i: key `keys[rows[i]]`; the first `list_lengths[0]` places are the first list's. `counts`: over the horizon,
    in occurrences. `velocities`: in occurrences an hour. `scores`: of `vocab/trends/velocity.py`. `languages`: those
    with lists of their own; `all_languages`: whether there are no others. `shards`: those that the owner holds, so
    that a reader can tell lists of a former division of the work, among `of_shards`. `drift_*`: of `drift.Measures`,
    NaN for none.
    """

    shards: U8
    languages: U16
    all_languages: bool
    list_kinds: U8
    list_horizons: U8
    list_namespaces: U8
    list_languages: U16
    list_lengths: U16
    rows: U16
    counts: F32
    velocities: F32
    scores: F32
    keys: U64
    tokens: list[str]
    drift_admitted: int
    drift_changes_an_hour: float
    drift_occurrences: U64
    drift_outside: U64
    drift_window_distance: float
    drift_hour_distance: float
    of_shards: int = 64


lists_codec = Codec(Lists)


@dataclass(frozen=True, slots=True)
class ListedToken:
    """One place of a list, at window `version`. count: over the horizon. velocity: in occurrences an hour."""

    namespace: Namespace
    token: str
    key: int
    count: float
    velocity: float
    score: float
    version: int


def lists_key(vocabulary: str, owner: int) -> bytes:
    """The Redis key of the lists of the owner whose lowest shard is `owner`."""
    return f"vocab:{vocabulary}:list:{owner}".encode()


def merged(
    values: Sequence[bytes | None], kind: Kind, namespace: Namespace | None, language: str, over: str, n: int
) -> list[ListedToken]:
    """The best n of a list over all owners' values, ties by key; with no namespace, of all of them.

    Where the shards were shared out anew and two owners have written one, the newer lists count. Raises `NoSuchList`.
    """
    if over not in HORIZONS:
        raise NoSuchList(f"no horizon {over!r}; there are {', '.join(HORIZONS)}")
    code = ALL if language == "all" else language_code(language)
    found: list[ListedToken] = []
    written = _newest_first(values)
    covered = _none_covered(written)
    for version, lists in written:
        if covered[lists.shards].all():
            continue
        _check_language(lists, code, language)
        found += _places(lists, version, (KINDS.index(kind), namespace, code, list(HORIZONS).index(over)), covered)
        covered[lists.shards] = True
    scores = np.array([_merit(each, kind) for each in found], np.float64)
    return [found[i] for i in best(scores, np.array([each.key for each in found], np.uint64), n).tolist()]


def newest_version(values: Sequence[bytes | None]) -> int | None:
    """The newest window that any owner's lists tell of; None where nobody has written any."""
    return max((version_of(value) for value in values if value is not None), default=None)


def merged_drift(values: Sequence[bytes | None]) -> Measures:
    """The drift of all owners together, as `drift.together` has it; of each shard, the newest that covers it."""
    measures = []
    written = _newest_first(values)
    covered = _none_covered(written)
    for _, lists in written:
        if not covered[lists.shards].any():
            measures.append(
                Measures(
                    admitted=lists.drift_admitted,
                    changes_an_hour=lists.drift_changes_an_hour,
                    occurrences=lists.drift_occurrences,
                    outside=lists.drift_outside,
                    window_distance=_known(lists.drift_window_distance),
                    hour_distance=_known(lists.drift_hour_distance),
                )
            )
        covered[lists.shards] = True
    return together(measures)


def best(scores: NDArray[np.floating], keys: U64, n: int) -> I64:
    """Places of the n highest scores, highest first; of equal ones the lowest key first."""
    places = np.arange(len(scores))
    if len(scores) > n:
        places = np.flatnonzero(scores >= np.partition(scores, -n)[-n])
    order = np.lexsort((keys[places], -scores[places]))
    return places[order][:n]


def _newest_first(values: Sequence[bytes | None]) -> list[tuple[int, Lists]]:
    """(version, lists) of all owners that have written any."""
    decoded = [
        (version_of(value), lists_codec.deserialize(value[VERSION_BYTES:])) for value in values if value is not None
    ]
    return sorted(decoded, key=lambda pair: -pair[0])


def _none_covered(written: Sequence[tuple[int, Lists]]) -> Bools:
    return np.zeros(max((lists.of_shards for _, lists in written), default=0), bool)


def _check_language(lists: Lists, code: int, language: str) -> None:
    if code != ALL and not lists.all_languages and code not in lists.languages.tolist():
        kept = ", ".join(language_tag(each) for each in lists.languages.tolist())
        raise NoSuchList(f"no lists of language {language!r}; there are all, and of the commonest: {kept}")


def _known(figure: float) -> float | None:
    return None if isnan(figure) else figure


def _places(
    lists: Lists, version: int, wanted: tuple[int, Namespace | None, int, int], covered: Bools
) -> list[ListedToken]:
    kind, namespace, language, horizon = wanted
    here = (lists.list_kinds == kind) & (lists.list_languages == language) & (lists.list_horizons == horizon)
    if namespace is not None:
        here &= lists.list_namespaces == namespace
    keys = lists.keys[lists.rows]
    places = np.flatnonzero(np.repeat(here, lists.list_lengths) & ~covered[shard_of(keys, len(covered))])
    namespaces = np.repeat(lists.list_namespaces, lists.list_lengths)
    return [
        ListedToken(
            namespace=Namespace(int(namespaces[place])),
            token=lists.tokens[lists.rows[place]],
            key=int(keys[place]),
            count=float(lists.counts[place]),
            velocity=float(lists.velocities[place]),
            score=float(lists.scores[place]),
            version=version,
        )
        for place in places.tolist()
    ]


def _merit(token: ListedToken, kind: Kind) -> float:
    return {"top": token.count, "rising": token.score, "falling": -token.score}[kind]
