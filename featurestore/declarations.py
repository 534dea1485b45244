"""What a dense feature is declared as: whose it is, where its value comes from, and what it means.

A declaration is plain data. `featurestore/features.py` has those that are shipped; `store/programs.py` compiles each
into a program over whole columns.
"""

from dataclasses import dataclass
from typing import Literal, cast, get_args

from contracts.columnar import COUNTERS

# Whom a value belongs to. A name begins with one of these and a dot.
Entity = Literal["request", "viewer", "tweet", "author", "viewer_author", "viewer_tweet"]
ENTITIES: tuple[Entity, ...] = get_args(Entity)
COUNTED: tuple[Entity, ...] = ("viewer", "tweet", "author", "viewer_author")  # those that have counters

Window = Literal["ever", "pane"]  # pane: the last `features.pane_ms`, sliding


@dataclass(frozen=True, slots=True)
class Count:
    """How often something of `counted`, names of `COUNTERS`, happened to the entity. An entity without any has 0."""

    counted: tuple[str, ...]
    window: Window = "ever"

    def __post_init__(self) -> None:
        unknown = [name for name in self.counted if name not in COUNTERS]
        if unknown or not self.counted:
            raise ValueError(f"counted is {self.counted}: name some of {', '.join(COUNTERS)}")


@dataclass(frozen=True, slots=True)
class Share:
    """`part` / max(`part`, `whole`), so at most 1 even where `part` was counted without `whole`; missing where both
    are 0."""

    part: Count
    whole: Count


@dataclass(frozen=True, slots=True)
class Written:
    """What the tweet's own record says from the start: a field of `redis_layout.TWEET`."""

    field: Literal["text_length", "tag_count", "media", "author_followers"]


@dataclass(frozen=True, slots=True)
class Is:
    """1 for a tweet of this kind, else 0."""

    kind: Literal["reply", "quote", "retweet"]


@dataclass(frozen=True, slots=True)
class Age:
    """Seconds from the tweet to the request; negative for a tweet ahead of it."""


@dataclass(frozen=True, slots=True)
class HourOfDay:
    """UTC hour of the request, 0 to 23."""


@dataclass(frozen=True, slots=True)
class InHistory:
    """How much of the viewer's history the candidate repeats: tweets by its author, or its own hashtags."""

    of: Literal["author", "hashtags"]


Source = Count | Share | Written | Is | Age | HourOfDay | InHistory


@dataclass(frozen=True, slots=True)
class Feature:
    """One dense feature, a float32 or `contracts.columns.MISSING`.

    name: its entity, a dot, and what it is of the entity. Raises `ValueError` for another name, and for counts of an
    entity that has none.
    """

    name: str
    source: Source
    meaning: str

    def __post_init__(self) -> None:
        entity, dot, rest = self.name.partition(".")
        if entity not in ENTITIES or not dot or not rest.isidentifier():
            raise ValueError(f"{self.name!r}: name a feature ENTITY.NAME; entities are {', '.join(ENTITIES)}")
        if isinstance(self.source, Count | Share) and self.entity not in COUNTED:
            raise ValueError(f"{self.name!r}: nothing is counted for a {entity}; it is for {', '.join(COUNTED)}")

    @property
    def entity(self) -> Entity:
        """Whose it is."""
        return cast("Entity", self.name.partition(".")[0])

    @property
    def counted_from(self) -> Literal["tweets", "served"]:
        """Whether its bins count all tweets, which have it from the start, or only served candidates."""
        return "tweets" if isinstance(self.source, Written | Is) else "served"
