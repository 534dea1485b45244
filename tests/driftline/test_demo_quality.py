"""Early and late in a run, and what no model can beat."""

import numpy as np
import pytest

from contracts.records import Action, Engagement, Evaluation, Provenance, RankedTimeline, RankedTweet, TimelineRequest
from driftline.demo.quality import average, early_and_late
from driftline.demo.truth import EXPLAIN_EVERY, WatchedWorld, entropy

AT_MS = 1_700_000_000_000


def evaluation(log_loss: float, examples: int = 100) -> Evaluation:
    return Evaluation(
        examples=examples,
        base_rate=0.1,
        log_loss=log_loss,
        rce=10 * log_loss,
        pr_auc=0.3,
        calibration_error=0.01,
        provenance={},
    )


def test_thirds_are_the_first_and_the_last() -> None:
    early, late = early_and_late([evaluation(x) for x in (6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.5)])
    assert early is not None
    assert late is not None
    assert (early.log_loss, late.log_loss) == (5.5, 0.75)
    assert early.evaluations == late.evaluations == 2


def test_evaluations_weigh_by_their_examples() -> None:
    mean = average([evaluation(1.0, 300), evaluation(2.0, 100)])
    assert mean is not None
    assert (mean.log_loss, mean.examples) == (1.25, 400)


def test_one_evaluation_is_early_and_none_is_neither() -> None:
    early, late = early_and_late([evaluation(1.0)])
    assert early is not None
    assert late is None
    assert early_and_late([]) == (None, None)


class TwoTweets:
    """A world of certain probabilities: tweet 1 at 0.5, tweet 2 at 0.1; of each timeline the first is seen."""

    provenance = Provenance.SIMULATED_WORLD
    begin_ms = AT_MS

    def next_ms(self) -> int | None:
        return None

    def tweets(self, until_ms: int) -> list:
        return []

    def requests(self, until_ms: int) -> list[TimelineRequest]:
        return [TimelineRequest(request_id=str(i), viewer_id=1, at_ms=AT_MS) for i in range(2 * EXPLAIN_EVERY)]

    def react(self, timeline: RankedTimeline) -> list[Engagement]:
        seen = int(timeline.tweets[0].id)
        actions = (Action.SEEN, Action.LIKE)
        return [Engagement(viewer_id=1, tweet_id=seen, author_id=1, action=action, at_ms=AT_MS) for action in actions]

    def true_probability(self, viewer_id: int, tweet_ids: np.ndarray, at_ms: int) -> np.ndarray:
        return np.where(tweet_ids == 1, 0.5, 0.1)


def timeline(*ids: int) -> RankedTimeline:
    return RankedTimeline(
        request_id="r", viewer_id="1", at_ms=AT_MS, ranker="model", tweets=[RankedTweet(id=str(i)) for i in ids]
    )


def test_the_best_possible_is_the_entropy_of_what_was_seen() -> None:
    watched = WatchedWorld(TwoTweets())
    assert watched.best_possible().all is None
    for shown in (timeline(1, 2), timeline(1), timeline(2, 1)):
        assert len(watched.react(shown)) == 2
    best = watched.best_possible()
    half, tenth = entropy(np.array([0.5, 0.1]))
    assert half == pytest.approx(np.log(2))
    assert (best.early, best.late) == (half, tenth)
    assert best.all == pytest.approx((2 * half + tenth) / 3)


def test_some_requests_ask_for_reasons() -> None:
    asked = WatchedWorld(TwoTweets()).requests(AT_MS + 1)
    assert [i for i, request in enumerate(asked, 1) if request.explain] == [EXPLAIN_EVERY, 2 * EXPLAIN_EVERY]
