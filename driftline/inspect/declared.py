"""The declared features, for people and programs."""

import msgspec

from contracts.errors import DriftlineError
from featurestore.declarations import Age, Count, Entity, Feature, HourOfDay, InHistory, Is, Share, Written
from featurestore.features import CONTINUOUS, NUMBER, spelled_like


class NoSuchFeature(DriftlineError):
    """No feature has the name."""


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """A dense feature. number: its place in bins and counts. source: how its value comes about, in words."""

    name: str
    entity: Entity
    number: int
    source: str
    bins_counted_from: str
    meaning: str


def described() -> list[Described]:
    """Every dense feature, in wire order."""
    return [_described(feature) for feature in CONTINUOUS]


def describe(name: str) -> Described:
    """One feature. Raises `NoSuchFeature`, which names those that are spelled alike."""
    if name not in NUMBER:
        near = spelled_like(name)
        raise NoSuchFeature(f"no feature {name!r}: there is {near}; `driftline features list` has all")
    return _described(CONTINUOUS[NUMBER[name]])


def _described(feature: Feature) -> Described:
    return Described(
        name=feature.name,
        entity=feature.entity,
        number=NUMBER[feature.name],
        source=_in_words(feature),
        bins_counted_from=feature.counted_from,
        meaning=feature.meaning,
    )


def _in_words(feature: Feature) -> str:
    match feature.source:
        case Count() as count:
            return f"{_counted(count)} of the {feature.entity}"
        case Share(part=part, whole=whole):
            return (
                f"{_counted(part)}, as a share of {_counted(whole)} of the {feature.entity}; missing where both are 0"
            )
        case Written(field=field):
            return f"`{field}` of the stored tweet"
        case Is() | Age() | HourOfDay() | InHistory():
            return "computed when it is read"


def _counted(count: Count) -> str:
    window = "ever" if count.window == "ever" else "over features.pane_ms"
    return f"count of {' + '.join(count.counted)}, {window}"
