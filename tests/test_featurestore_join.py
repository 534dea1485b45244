"""The join: a function of the two logs alone, each impression one example, through any interleaving and any kill."""

from random import Random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contracts.errors import BadRecord
from contracts.examples import decode_examples, encode_examples
from contracts.frames import CandidatesServed
from contracts.records import ACTIONS, ENGAGED, Action, Engagement, Provenance
from contracts.settings import JoinSettings
from featurestore.features import CANDIDATE_DENSE, FEATURE_SET, VIEWER_DENSE, VIEWER_SIDE
from featurestore.join import NOT_YET, Joiner, JoinPosition

BEGIN = 1_760_000_000_000  # times below are in ms after this
WINDOW = 10
SETTINGS = JoinSettings(label_window_ms=WINDOW)
LATENESS = 3


def served(request_id, at, tweets, viewer=1) -> CandidatesServed:
    n = len(tweets)
    return CandidatesServed(
        request_id=request_id, viewer_id=viewer, at_ms=BEGIN + at, ranker="model", model_version=3, vocab_version=2,
        bins_version=1, tokenizer=1, feature_set=FEATURE_SET, provenance=Provenance.SIMULATED_WORLD,
        tweet_ids=np.array(tweets, np.uint64), author_ids=np.zeros(n, np.uint64),
        probabilities=np.linspace(0.9, 0.1, n, dtype=np.float32),
        viewer_dense=np.full(len(VIEWER_DENSE), at, np.float32),
        viewer_lengths=np.array([1, 0], np.uint8), viewer_keys=np.array([viewer], np.uint64),
        candidate_dense=np.repeat(np.array(tweets, np.float32), len(CANDIDATE_DENSE)),
        candidate_lengths=np.tile(np.array([1, 0, 1, 0], np.uint8), n),
        candidate_keys=np.repeat(np.array(tweets, np.uint64), 2),
        viewer_vectors=np.full(VIEWER_SIDE.vector_width, at, np.float32),
    )  # fmt: skip


def engagement(request_id, tweet, action, at, viewer=1) -> Engagement:
    return Engagement(
        viewer_id=viewer, tweet_id=tweet, author_id=0, action=action, at_ms=BEGIN + at, request_id=request_id,
    )  # fmt: skip


def with_watermarks(records):
    """(record, offset, watermark before it), and the watermark at the end. A record that is an int is a tick."""
    newest, entries = NOT_YET, []
    for offset, record in enumerate(records):
        entries.append((record, offset, newest - LATENESS if newest > 0 else NOT_YET))
        newest = max(newest, record + BEGIN if isinstance(record, int) else record.at_ms)
    return entries, newest - LATENESS


class Run:
    """Both logs fed to a joiner, and what came out of it."""

    def __init__(self, served_log, engagement_log, config=SETTINGS):
        self.config = config
        self.served, self.served_end = with_watermarks(served_log)
        self.engagements, self.engagements_end = with_watermarks(engagement_log)
        self.next_served = self.next_engagement = 0
        self.joiner = Joiner(config)
        self.examples, self.unjoined, self.counted, self.closed_ms = [], [], [], NOT_YET

    def step(self, which: int, amount: int) -> None:
        for _ in range(amount):
            if which == 0 and self.next_served < len(self.served):
                self.feed_served(self.next_served)
                self.next_served += 1
            elif which == 1 and self.next_engagement < len(self.engagements):
                self.feed_engagement(self.next_engagement)
                self.next_engagement += 1

    def feed_served(self, i):
        record, offset, watermark = self.served[i]
        if isinstance(record, int):
            self.joiner.advance_served(watermark)
        else:
            self.joiner.observe_served(record, offset, watermark)

    def feed_engagement(self, i):
        record, offset, watermark = self.engagements[i]
        if isinstance(record, int):
            self.joiner.advance_engagements(watermark)
        else:
            self.joiner.observe_engagement(record, offset, 50_000 + offset, watermark)

    def commit(self) -> tuple[JoinPosition, int, int]:
        """What is ready goes out together with the position."""
        for closed in self.joiner.close():
            self.examples += rows_of(closed.examples)
            assert (closed.counted_ms >= self.closed_ms).all()  # what was called final stays so
            self.counted += zip(rows_of(closed.examples), closed.counted_ms.tolist(), strict=True)
        self.closed_ms = self.joiner.closed_ms
        self.unjoined += [(u.offset, u.reason) for u in self.joiner.take_unjoined()]
        return self.joiner.needed(), self.next_served, self.next_engagement

    def crash(self, committed) -> None:
        """Everything since the commit is lost; a new joiner is rebuilt from the named offsets."""
        position, self.next_served, self.next_engagement = committed
        self.joiner = Joiner(
            self.config, position, served_committed=self.next_served, engagements_committed=self.next_engagement
        )
        begin = self.next_served if position.served_offset is None else position.served_offset
        for i in range(begin, self.next_served):
            self.feed_served(i)
        begin = self.next_engagement if position.engagements_offset is None else position.engagements_offset
        for i in range(begin, self.next_engagement):
            self.feed_engagement(i)

    def finish(self):
        self.step(0, len(self.served))
        self.step(1, len(self.engagements))
        self.joiner.advance_served(self.served_end)
        self.joiner.advance_engagements(self.engagements_end)
        self.commit()
        return sorted(self.examples), sorted(self.unjoined)


def rows_of(piece):
    piece = decode_examples(encode_examples(piece))
    return [
        (
            piece.request_ids[i], int(piece.tweet_ids[i]), int(piece.positions[i]), int(piece.at_ms[i]),
            int(piece.labels[i]), float(piece.weights[i]), int(piece.engaged_append_ms[i]),
            piece.features.candidate_dense[i].tolist(),
            piece.features.viewer_dense[piece.features.viewer_row[i]].tolist(),
            [bags[i].tolist() for bags in piece.features.candidate_keys.values()],
        )
        for i in range(len(piece))
    ]  # fmt: skip


def plain_join(served_log, engagement_log):
    """The rule as `join.py` states it, over whole logs: labels of (served offset, tweet), and what labels nothing."""
    served_entries, served_end = with_watermarks(served_log)
    entries, engagements_end = with_watermarks(engagement_log)
    labels: dict[tuple[int, int], int] = {}
    unjoined = []
    for e, offset, watermark in entries:
        if isinstance(e, int) or e.request_id is None:
            continue
        if e.at_ms < watermark:
            unjoined.append((offset, "late"))
            continue
        for r, place, read_ms in served_entries:
            if isinstance(r, int) or r.request_id != e.request_id or r.viewer_id != e.viewer_id:
                continue
            in_time = r.at_ms <= e.at_ms <= r.at_ms + WINDOW and watermark < r.at_ms + WINDOW
            if in_time and e.tweet_id in r.tweet_ids.tolist() and read_ms <= e.at_ms + WINDOW:
                labels[place, e.tweet_id] = labels.get((place, e.tweet_id), 0) | 1 << ACTIONS.index(e.action)
                break
        else:
            if e.at_ms + WINDOW < served_end:
                unjoined.append((offset, "orphan"))
    found = sorted(
        (r.request_id, tweet, bits)
        for (place, tweet), bits in labels.items()
        if (r := served_entries[place][0]).at_ms + WINDOW <= engagements_end
    )
    return found, sorted(unjoined)


def make_logs(random):
    """Two logs of which most records belong together; with repeated request ids, jitter, late records and ticks."""
    served_log, engagement_log = [], []
    jitter = random.choice([0, 2, 8, 50])
    for _ in range(random.randint(1, 12)):
        at = random.randint(0, 60)
        request = served(
            random.choice("abcdefgh"), at, random.sample(range(1, 5), random.randint(1, 4)), random.choice([1, 1, 2])
        )
        served_log.append((at + random.randint(0, jitter), request))
        for _ in range(random.randint(0, 5)):
            when = max(0, at + random.randint(-1, WINDOW + 2))
            action = engagement(
                request.request_id, random.randint(1, 4), random.choice(ACTIONS), when, request.viewer_id
            )
            engagement_log.append((when + random.randint(0, jitter), action))
    for log in (served_log, engagement_log):
        log += [(at, at) for at in random.choices(range(70), k=random.randint(0, 4))]
        log.sort(key=lambda entry: entry[0])
    return [record for _, record in served_log], [record for _, record in engagement_log]


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
    assert max(len(encode_examples(piece)) for piece in pieces) < 4 << 20


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"feature_set": "former"}, "other_feature_set"),
        ({"author_ids": np.zeros(1, np.uint64)}, "malformed"),
        ({"candidate_keys": np.zeros(1, np.uint64)}, "malformed"),
        ({"viewer_values": np.ones(1, np.float32)}, "malformed"),
        ({"viewer_vectors": np.ones(3, np.float32)}, "malformed"),
        ({"viewer_vectors": np.array([0, 1, np.nan, 1], np.float32)}, "malformed"),
        ({"candidate_values": np.ones(1, np.float32)}, "malformed"),
        ({"candidate_vectors": np.ones(1, np.float32)}, "malformed"),
    ],
)
def test_a_served_record_that_does_not_fit_is_refused(change, reason):
    good = served("a", 0, [1, 2])
    fields = {name: getattr(good, name) for name in good.__struct_fields__} | change
    with pytest.raises(BadRecord) as caught:
        Joiner(SETTINGS).observe_served(CandidatesServed(**fields), 0, NOT_YET)
    assert caught.value.reason == reason
