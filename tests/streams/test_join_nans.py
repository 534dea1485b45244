"""Served values that are NaN are counted by feature: a fault upstream shows, and what is missing is none."""

import numpy as np
from msgspec.structs import replace
from prometheus_client import REGISTRY

from contracts.codec import serialize
from contracts.columns import MISSING
from contracts.topics import CANDIDATES_SERVED
from featurestore.features import CANDIDATE_DENSE, VIEWER_DENSE
from streams.join_processor import JoinProcessor
from tests.support.installation import INSTALLED
from tests.support.pipeline_runs import PLACES, make_served, record_of

AGE = [feature.name for feature in CANDIDATE_DENSE].index("tweet.age_s")
FOLLOWERS = [feature.name for feature in CANDIDATE_DENSE].index("tweet.author_followers")
RATE = [feature.name for feature in VIEWER_DENSE].index("viewer.rate")


def counted(feature: str) -> float:
    return REGISTRY.get_sample_value("driftline_nan_values_total", {"feature": feature}) or 0.0


async def test_nans_are_counted_by_feature_and_what_is_missing_or_re_read_is_not() -> None:
    served = make_served(1, 2)
    candidates = np.array(served.candidate_dense).reshape(PLACES, -1)
    candidates[:, AGE] = np.nan
    candidates[0, AGE] = np.inf
    candidates[:, FOLLOWERS] = MISSING
    viewer = np.array(served.viewer_dense)
    viewer[RATE] = -np.nan
    changed = replace(served, candidate_dense=candidates.reshape(-1), viewer_dense=viewer)
    broken = record_of(CANDIDATES_SERVED, 0, serialize(changed))
    features = ("tweet.age_s", "tweet.author_followers", "viewer.rate", "viewer.seen")
    before = [counted(feature) for feature in features]
    processor = JoinProcessor(INSTALLED, 0)
    await processor.replay([broken])
    assert [counted(feature) for feature in features] == before
    outputs = await JoinProcessor(INSTALLED, 0).process([broken])
    assert outputs, "counted for the bins"
    found = [counted(feature) - was for feature, was in zip(features, before, strict=True)]
    assert found == [PLACES - 1, 0, 1, 0]
