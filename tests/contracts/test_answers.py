"""`timelines-ranked` holds timelines, and what is wrong with requests that got none."""

import pytest

from contracts.answers import AnswerCodec
from contracts.codec import serialize
from contracts.errors import BadRecord, UnknownVersion
from driftline.cli.timelines import _row
from tests.golden.samples import RECORDS


@pytest.mark.parametrize("name", ["RankedTimeline", "RequestRefused"])
def test_each_is_read_as_what_it_is(name: str) -> None:
    assert AnswerCodec().deserialize(serialize(RECORDS[name])) == RECORDS[name]


def test_neither_is_said_to_be_no_timeline() -> None:
    with pytest.raises(BadRecord, match="RankedTimeline"):
        AnswerCodec().deserialize(b'{"request_id":"r"}')


def test_a_newer_timeline_is_refused_by_its_version() -> None:
    with pytest.raises(UnknownVersion, match="RankedTimeline version 9"):
        AnswerCodec().deserialize(serialize(RECORDS["RankedTimeline"]).replace(b'"v":1', b'"v":9'))


def test_both_are_listed() -> None:
    assert _row(RECORDS["RankedTimeline"])[0] == "r-1"  # type: ignore[arg-type]
    refused = _row(RECORDS["RequestRefused"])  # type: ignore[arg-type]
    assert (refused[0], refused[3]) == ("r-2", "refused: malformed")
    assert len(refused) == len(_row(RECORDS["RankedTimeline"]))  # type: ignore[arg-type]
