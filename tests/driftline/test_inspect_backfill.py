"""Examples scored anew, without servers: figures of the right examples, and parity to the bit."""

import itertools
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from contracts.errors import BadRecord, SettingsError
from contracts.examples import Examples, engaged
from contracts.records import Provenance
from driftline.cli.options import time_ms
from driftline.inspect.backfill_report import Report
from driftline.inspect.rescoring import NAMED, Rescorer, Span
from model.evaluation import evaluate
from model.serving import Predictor
from tests.support.trainer_world import PLACES, START_MS, World, small_settings, snapshot_of, trained

REQUESTS = 20
VERSION = 7
ALL_TIMES = Span()


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def predictor(world: World) -> Predictor:
    return Predictor(snapshot_of(trained(world, small_settings(""), 300), VERSION))


@pytest.fixture(scope="module")
def served(world: World, predictor: Predictor) -> Examples:
    """As this model served them."""
    return as_served(predictor, world.examples(REQUESTS)[0])


def as_served(predictor: Predictor, examples: Examples) -> Examples:
    manifest, n = predictor.manifest, len(examples)
    return replace(
        examples,
        probabilities=predictor.score(examples.features),
        model_versions=np.full(n, manifest.version),
        vocab_versions=np.full(n, manifest.vocab_version),
        bins_versions=np.full(n, manifest.bins_version),
        weights=np.where(np.arange(n) % 3, 1, 2).astype(np.float32),
    )


def with_rows(examples: Examples, rows: Iterable[int], **values: object) -> Examples:
    """The same with other values in some rows."""
    changed = {}
    for name, value in values.items():
        changed[name] = getattr(examples, name).copy()
        changed[name][list(rows)] = value
    return replace(examples, **changed)


def taken(examples: Examples, rows: slice) -> Examples:
    """Rows alone, as a record of their own."""
    chosen = np.arange(len(examples))[rows]
    flat = {
        name: getattr(examples, name)[rows] for name in Examples.__slots__ if name not in ("feature_set", "features")
    }
    return Examples(feature_set=examples.feature_set, features=examples.features.take(chosen), **flat)


@dataclass(frozen=True)
class At:
    """A record of examples and its place."""

    examples: Examples
    partition: int = 1
    offset: int = 0


def report_of(predictor: Predictor, records: Sequence[At], span: Span = ALL_TIMES) -> Report:
    work = Rescorer(predictor, span)
    for record in records:
        work.observe(record.partition, record.offset, record.examples)
    return work.report()


def test_what_this_model_served_comes_out_with_the_same_bits(predictor: Predictor, served: Examples) -> None:
    parity = report_of(predictor, [At(served)]).parity
    assert (parity.served, parity.same_bits, parity.others, parity.holds) == (200, 200, 0, True)
    assert parity.sentence() == "parity: 200 of 200 scores that version 7 served have the same bits"


def test_scores_are_those_of_one_example_at_a_time(predictor: Predictor, served: Examples) -> None:
    scored = Rescorer(predictor).observe(1, 0, served)
    alone = [predictor.score(served.features.take(np.array([row])))[0] for row in range(len(served))]
    assert scored.probabilities.tobytes() == np.array(alone, np.float32).tobytes()


def test_one_bit_is_a_difference_and_is_named(predictor: Predictor, served: Examples) -> None:
    row = 13
    right = served.probabilities[row]
    wrong = np.nextafter(right, np.float32(1))
    report = report_of(predictor, [At(with_rows(served, [row], probabilities=wrong), 2, 5)])
    assert (report.parity.served, report.parity.same_bits, report.parity.holds) == (200, 199, False)
    (found,) = report.parity.differences
    assert (found.partition, found.offset) == (2, 5)
    assert (found.request_id, found.tweet_id) == (served.request_ids[row], str(served.tweet_ids[row]))
    assert (found.served, found.now) == (float(wrong), float(right))


def test_only_the_first_differences_are_named_and_a_nan_is_one(predictor: Predictor, served: Examples) -> None:
    bad = with_rows(served, [40, 3, 5, 77, 78, 79, 80], probabilities=np.float32(np.nan))
    parity = report_of(predictor, [At(bad), At(bad, offset=1)]).parity
    assert parity.same_bits == parity.served - 14
    rows = [3, 5, 40, 77, 78]
    assert len(rows) == NAMED
    assert [int(found.tweet_id) for found in parity.differences] == served.tweet_ids[rows].tolist()
    assert {found.offset for found in parity.differences} == {0}


@pytest.mark.parametrize("name", ["vocab_versions", "bins_versions"])
def test_the_same_version_with_another_vocabulary_or_bins_is_not_this_model(
    predictor: Predictor, served: Examples, name: str
) -> None:
    others = with_rows(with_rows(served, range(30), **{name: 1}), range(30), probabilities=0.5)
    parity = report_of(predictor, [At(others)]).parity
    assert (parity.served, parity.same_bits, parity.others) == (170, 170, 30)


def test_nothing_to_compare_is_said(predictor: Predictor, served: Examples) -> None:
    parity = report_of(predictor, [At(replace(served, model_versions=served.model_versions + 1))]).parity
    assert parity.holds
    assert "nothing to compare" in parity.sentence()


def test_learned_from_is_what_lies_before_the_offsets_of_the_partition(
    predictor: Predictor, served: Examples
) -> None:
    # `snapshot_of` has learned from {0: 7, 3: 9}, and from no record of another partition.
    places = [(0, 6), (0, 7), (3, 8), (3, 9), (1, 0)]
    records = [At(taken(served, slice(i * 10, i * 10 + 10 + i)), *place) for i, place in enumerate(places)]
    report = report_of(predictor, records)
    assert report.learned_from.examples == 10 + 12
    assert report.held_out.examples == 11 + 13 + 14
    assert report.all.examples == 60
    work = Rescorer(predictor)
    found = [work.observe(record.partition, record.offset, record.examples).learned for record in records]
    assert found == [True, False, True, False, False]


def test_figures_side_by_side_are_of_the_same_examples(predictor: Predictor, served: Examples) -> None:
    fallback = range(0, 60)
    mixed = with_rows(served, fallback, probabilities=np.nan, model_versions=0)
    mixed = with_rows(mixed, range(60, 100), probabilities=0.3, model_versions=VERSION - 1)  # another model's
    report = report_of(predictor, [At(mixed)])
    now, labels = predictor.score(served.features), engaged(served.labels)
    assert report.all.this_snapshot == evaluate(now, labels, served.weights)
    ranked = report.all.ranked_by_a_model
    assert (ranked.examples, report.fallback) == (140, 60)
    assert ranked.served_then == evaluate(mixed.probabilities[60:], labels[60:], served.weights[60:])
    assert ranked.this_snapshot == evaluate(now[60:], labels[60:], served.weights[60:])
    assert ranked.this_snapshot != ranked.served_then
    assert report.engaged == labels.sum()
    assert report.provenance == {Provenance.SIMULATED_WORLD: 200}
    assert (report.first_ms, report.last_ms) == (served.at_ms.min(), served.at_ms.max())


def test_only_examples_of_the_span_are_scored(predictor: Predictor, served: Examples) -> None:
    span = Span(START_MS + 4, START_MS + 9)  # requests are a millisecond apart
    whole, middle = Rescorer(predictor), Rescorer(predictor, span)
    all_scores = whole.observe(1, 0, served).probabilities
    scored = middle.observe(1, 0, served)
    assert scored.rows.tolist() == list(range(4 * PLACES, 9 * PLACES))
    assert scored.probabilities.tobytes() == all_scores[scored.rows].tobytes()
    report = middle.report()
    assert (report.examples, report.outside, report.parity.same_bits) == (50, 150, 50)
    assert (report.first_ms, report.last_ms) == (START_MS + 4, START_MS + 8)


def test_no_example_is_no_figure(predictor: Predictor, served: Examples) -> None:
    report = report_of(predictor, [At(served)], Span(since_ms=START_MS + 1_000_000))
    assert (report.records, report.examples, report.outside, report.first_ms) == (1, 0, 200, None)
    assert report.all.this_snapshot is None
    assert report.all.ranked_by_a_model.served_then is None
    weightless = report_of(predictor, [At(replace(served, weights=np.zeros(200, np.float32)))])
    assert (weightless.examples, weightless.all.this_snapshot) == (200, None)


def test_what_cannot_be_used_is_counted_by_reason(predictor: Predictor, served: Examples) -> None:
    work = Rescorer(predictor)
    for offset, reason in enumerate(["malformed", "feature_set", "malformed"]):
        work.refuse(3, offset, BadRecord(reason, f"detail {offset}"))
    work.observe(3, 3, served)
    report = work.report()
    assert report.records == 4
    assert [(u.reason, u.records, u.offset, u.detail) for u in report.unusable] == [
        ("malformed", 2, 0, "detail 0"),
        ("feature_set", 1, 1, "detail 1"),
    ]


@given(cuts=st.sets(st.integers(1, REQUESTS * PLACES - 1), max_size=30), data=st.data())
@hypothesis_settings(deadline=None, max_examples=40)
def test_the_division_into_records_changes_nothing(
    predictor: Predictor, served: Examples, cuts: set[int], data: st.DataObject
) -> None:
    wrong = with_rows(served, data.draw(st.sets(st.integers(0, 199), max_size=3)), probabilities=0.25)
    edges = [0, *sorted(cuts), len(served)]
    parts = [At(taken(wrong, slice(a, b))) for a, b in itertools.pairwise(edges)]
    whole, divided = report_of(predictor, [At(wrong)]), report_of(predictor, parts)
    assert without_records(divided) == without_records(whole)


def without_records(report: Report) -> dict[str, object]:
    return {name: getattr(report, name) for name in report.__struct_fields__ if name != "records"}


def test_what_is_kept_grows_past_its_first_room(predictor: Predictor, served: Examples) -> None:
    times = 41  # 8,200 examples, room for 4,096 at first
    report = report_of(predictor, [At(served, offset=i) for i in range(times)])
    once = report_of(predictor, [At(served)])
    assert report.examples == times * once.examples
    assert report.parity.same_bits == times * 200
    assert report.all.this_snapshot is not None
    assert once.all.this_snapshot is not None
    assert report.all.this_snapshot.log_loss == pytest.approx(once.all.this_snapshot.log_loss, rel=1e-12)


def test_times_are_read_as_utc_or_as_they_say() -> None:
    assert time_ms("--since", None) is None
    assert time_ms("--since", "1700000000123") == 1_700_000_000_123
    assert time_ms("--since", "2023-11-14T22:13:20") == 1_700_000_000_000
    assert time_ms("--since", "2023-11-15T00:13:20.5+02:00") == 1_700_000_000_500
    assert time_ms("--since", "1970-01-02") == 86_400_000
    with pytest.raises(SettingsError, match="--since 'yesterday'"):
        time_ms("--since", "yesterday")


def test_a_backfill_imports_no_torch() -> None:
    program = "import sys, driftline.inspect.backfill; print(sorted({'torch', 'faust'} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"
