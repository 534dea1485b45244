"""The join: a function of the two logs alone, each impression one example, through any interleaving and any kill."""

from random import Random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contracts.columnar import CandidatesServed
from contracts.errors import BadRecord
from contracts.examples import serialize_examples
from contracts.records import ACTIONS, ENGAGED, Action
from contracts.settings import JoinSettings
from featurestore.join.open_requests import JoinPosition
from featurestore.join.served_requests import check_served
from tests.support.join_runs import (
    BEGIN,
    LATENESS,
    SETTINGS,
    WINDOW,
    Run,
    engagement,
    make_logs,
    plain_join,
    served,
)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2**32))
@example(1291)  # an orphan waits over a crash, and nothing is read of what was served before the next
def test_any_interleaving_and_any_crash_gives_the_examples_of_the_rule(seed):
    random = Random(seed)
    served_log, engagement_log = make_logs(random)
    run = Run(served_log, engagement_log)
    committed = (JoinPosition(), 0, 0)
    for _ in range(random.randint(0, 40)):
        run.step(random.randint(0, 1), random.randint(1, 5))
        then = random.choice(["go on", "commit", "commit", "commit and crash", "crash"])
        if then.startswith("commit"):
            committed = run.commit()
        if then.endswith("crash"):
            run.crash(committed)
    examples, unjoined = run.finish()
    straight = Run(served_log, engagement_log)
    assert examples == straight.finish()[0]
    assert sorted(run.counted) == sorted(straight.counted)
    expected, expected_unjoined = plain_join(served_log, engagement_log)
    assert sorted((request, tweet, bits) for request, tweet, _, _, bits, *_ in examples) == expected
    assert unjoined == expected_unjoined


def join(served_log, engagement_log, config=SETTINGS):
    return Run(served_log, [*engagement_log, 1_000], config).finish()


def test_only_what_was_seen_is_an_example_and_an_action_counts_once():
    log = [
        engagement("a", 11, Action.SEEN, 1), engagement("a", 12, Action.SEEN, 1), engagement("a", 12, Action.LIKE, 2),
        engagement("a", 12, Action.LIKE, 3), engagement("a", 14, Action.CLICK, 3),
        engagement(None, 13, Action.LIKE, 3),
    ]  # fmt: skip
    examples, unjoined = join([served("a", 0, [11, 12, 13, 14])], log)
    bits = {name: 1 << ACTIONS.index(name) for name in ACTIONS}
    assert [(tweet, place, label) for _, tweet, place, _, label, *_ in examples] == [
        (11, 0, bits[Action.SEEN]),
        (12, 1, bits[Action.SEEN] | bits[Action.LIKE]),
        (14, 3, bits[Action.CLICK]),
    ]
    assert [row[6] for row in examples] == [0, 50_002, 0]  # the broker's clock of the first like
    assert unjoined == []


def test_the_label_window_holds_both_its_ends_and_no_more():
    log = [engagement("a", t, Action.LIKE, at) for t, at in ((1, 5), (2, 15), (3, 16))]
    log.insert(0, engagement("a", 4, Action.LIKE, 4))
    examples, unjoined = Run([served("a", 5, [1, 2, 3, 4]), 100], [*log, 100]).finish()
    assert [row[1] for row in examples] == [1, 2]
    assert unjoined == [(0, "orphan"), (3, "orphan")]


def test_an_engagement_of_another_viewer_labels_nothing():
    examples, _ = join([served("a", 0, [1], viewer=1)], [engagement("a", 1, Action.LIKE, 1, viewer=2)])
    assert examples == []


def test_an_open_request_emits_nothing_until_its_window_has_passed():
    run = Run([served("a", 0, [1])], [engagement("a", 1, Action.LIKE, 1), WINDOW + LATENESS - 1, 500, 600])
    run.step(0, 1)
    run.step(1, 3)
    run.commit()
    assert run.examples == []
    assert run.joiner.open_requests == 1
    run.step(1, 1)
    assert run.commit()[0].served_offset is None
    assert len(run.examples) == 1
    assert run.joiner.open_requests == 0


def test_engagements_wait_for_their_request_and_are_counted_while_they_do():
    run = Run([served("a", 0, [1])], [engagement("a", 1, Action.LIKE, 1)])
    run.step(1, 1)
    assert run.joiner.waiting_engagements == 1
    assert run.commit()[0].engagements_offset == 0
    run.step(0, 1)
    assert run.joiner.waiting_engagements == 0
    assert run.joiner.needed().engagements_offset == 0


def test_negatives_are_thinned_by_hash_and_weighted_and_positives_are_not():
    tweets = list(range(1, 1_001))
    log = [engagement("a", tweet, Action.SEEN, 1) for tweet in tweets]
    log += [engagement("a", tweet, Action.LIKE, 2) for tweet in tweets[:100]]
    config = JoinSettings(label_window_ms=WINDOW, negative_keep=0.25)
    examples, _ = join([served("a", 0, tweets)], log, config)
    assert examples == join([served("a", 0, tweets)], log, config)[0]
    positive = sum(1 << ACTIONS.index(action) for action in ENGAGED)
    kept = {sign: [row for row in examples if bool(row[4] & positive) is sign] for sign in (True, False)}
    assert len(kept[True]) == 100
    assert {row[5] for row in kept[True]} == {1.0}
    assert 180 < len(kept[False]) < 270
    assert {row[5] for row in kept[False]} == {4.0}
    none, _ = join([served("a", 0, tweets)], log, JoinSettings(label_window_ms=WINDOW, negative_keep=0.0))
    assert len(none) == 100


def test_many_requests_that_close_together_are_cut_into_bounded_batches():
    requests = [served(f"request-{i:04}", i % 7, list(range(1, 41))) for i in range(200)]
    log = [engagement(r.request_id, t, Action.SEEN, 8) for r in requests for t in range(1, 41)]
    run = Run(requests, [*log, 500])
    run.step(0, len(requests))
    run.step(1, len(log))
    run.joiner.advance_engagements(BEGIN + 400)
    pieces = [closed.examples for closed in run.joiner.close()]
    assert sum(map(len, pieces)) == 200 * 40
    assert max(map(len, pieces)) <= 2_048
    order = [(int(p.at_ms[i]), p.request_ids[i]) for p in pieces for i in range(len(p))]
    assert order == sorted(order)
    assert max(len(serialize_examples(piece)) for piece in pieces) < 4 << 20


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"feature_set": "former"}, "other_feature_set"),
        ({"author_ids": np.zeros(1, np.uint64)}, "malformed"),
        ({"candidate_keys": np.zeros(1, np.uint64)}, "malformed"),
        ({"viewer_weights": np.ones(1, np.float32)}, "malformed"),
        ({"viewer_vectors": np.ones(3, np.float32)}, "malformed"),
        ({"viewer_vectors": np.array([0, 1, np.nan, 1], np.float32)}, "malformed"),
        ({"candidate_weights": np.ones(1, np.float32)}, "malformed"),
        ({"candidate_vectors": np.ones(1, np.float32)}, "malformed"),
    ],
)
def test_a_served_record_that_does_not_fit_is_refused(change, reason):
    good = served("a", 0, [1, 2])
    fields = {name: getattr(good, name) for name in good.__struct_fields__} | change
    with pytest.raises(BadRecord) as caught:
        check_served(CandidatesServed(**fields))
    assert caught.value.reason == reason
