"""`driftline features list` and `describe`."""

import json

import pytest
from typer.testing import CliRunner

from driftline.cli.main import build
from driftline.inspect import declared
from featurestore.features import CONTINUOUS


def test_every_feature_is_listed_in_wire_order() -> None:
    shown = CliRunner().invoke(build(["features"]), ["features", "list", "--json"])
    assert [(f["name"], f["number"]) for f in json.loads(shown.stdout)] == [
        (feature.name, number) for number, feature in enumerate(CONTINUOUS)
    ]


@pytest.mark.parametrize("feature", CONTINUOUS, ids=lambda feature: feature.name)
def test_a_description_says_where_the_value_comes_from(feature: declared.Feature) -> None:
    found = declared.describe(feature.name)
    assert (found.entity, found.meaning) == (feature.name.split(".")[0], feature.meaning)
    assert found.source


def test_a_share_is_described_by_its_two_counts() -> None:
    assert declared.describe("author.rate_recent").source == (
        "count of like + retweet + reply + quote, over features.pane_ms, as a share of count of seen, over "
        "features.pane_ms of the author; missing where both are 0"
    )


def test_a_name_spelled_wrong_is_answered_with_those_like_it() -> None:
    with pytest.raises(declared.NoSuchFeature, match=r"there is tweet\.rate.*features list"):
        declared.describe("tweet.rte")
