"""The owner of the bins: the same records at the same windows, however its input was batched or interrupted."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.codec import Codec, serialize
from contracts.columnar import BinCounts
from contracts.errors import BadRecord
from contracts.settings import BinSettings
from featurestore.bins import state as bin_state
from featurestore.bins.owner import BinOwner
from featurestore.bins.redis_view import shown
from featurestore.bins.replica import Bins
from featurestore.features import FEATURE_SET, NUMBER
from tests.support.bin_samples import COUNTERS, SOURCES, counted, frames_of
from tests.support.spilling import Stored

SETTINGS = BinSettings(bins=4, rolling_windows=8, minimum_values=10, moved=0.2)

# A log: for each tweets partition, (window, values of text_length) ascending by window.
logs = st.tuples(*[
    st.lists(st.tuples(st.integers(1, 60), st.lists(st.integers(1, 300), max_size=12)), max_size=8).map(sorted)
    for _ in range(2)
])  # fmt: skip


def run(owner, frames, closings):
    """All records, with `close_windows` called after the frames at `closings` and at the end."""
    records = []
    for i, frame in enumerate(frames):
        owner.observe(Codec(BinCounts).deserialize(serialize(frame)))
        if i in closings:
            records += owner.close_windows()
    return records + owner.close_windows()


def interleaved(random, *queues):
    queues = [list(queue) for queue in queues]
    while any(queues):
        yield random.choice([queue for queue in queues if queue]).pop(0)


@settings(max_examples=60, deadline=None)
@given(logs, st.randoms(use_true_random=False), st.sets(st.integers(0, 40)))
def test_records_are_a_function_of_the_log_alone(log, random, closings):
    queues = [frames_of(("tweets", p), log[p], 100) for p in range(2)] + [
        [COUNTERS["candidates-served", 0].marker(100)]
    ]
    plain, shuffled = BinOwner(SETTINGS, SOURCES), BinOwner(SETTINGS, SOURCES)
    once = run(plain, [frame for queue in queues for frame in queue], set())
    other = run(shuffled, list(interleaved(random, *queues)), closings)
    assert once == other
    assert plain.to_bytes() == shuffled.to_bytes()


@settings(max_examples=60, deadline=None)
@given(logs, st.integers(0, 30))
def test_an_owner_that_was_killed_goes_on_as_if_it_had_not_been(log, at):
    frames = [frame for p in range(2) for frame in frames_of(("tweets", p), log[p], 100)]
    frames.append(COUNTERS["candidates-served", 0].marker(100))
    through = BinOwner(SETTINGS, SOURCES)
    expected = run(through, frames, set(range(30)))
    first = BinOwner(SETTINGS, SOURCES)
    records = run(first, frames[:at], set(range(30)))
    second = BinOwner.from_bytes(SETTINGS, SOURCES, first.to_bytes())
    records += run(second, frames[at:], set(range(30)))
    assert records == expected
    assert second.to_bytes() == through.to_bytes()


@settings(max_examples=60, deadline=None)
@given(logs, st.dictionaries(st.integers(0, 40), st.integers(0, 6)), st.sets(st.integers(0, 40)))
def test_windows_that_were_spilled_are_decided_as_if_they_had_not_been(log, spills, closings):
    frames = [frame for p in range(2) for frame in frames_of(("tweets", p), log[p], 100)]
    frames.append(COUNTERS["candidates-served", 0].marker(100))
    through = BinOwner(SETTINGS, SOURCES)
    expected = run(through, frames, set())
    owner, stored, records = BinOwner(SETTINGS, SOURCES), Stored(), []
    for number, frame in enumerate(frames):
        owner.observe(frame)
        if number in spills:
            stored.spill(owner, spills[number])
            owner = BinOwner.from_bytes(SETTINGS, SOURCES, owner.to_bytes())
        if number in closings:
            records += stored.close_windows(owner, most=4)
    assert records + stored.close_windows(owner, most=4) == expected
    assert owner.to_bytes() == through.to_bytes()


def test_values_leave_with_the_rolling_window():
    low, high = list(range(1, 9)) * 4, list(range(101, 109)) * 4
    _, records = counted(SETTINGS, {1: low, 20: high})
    assert records[-1].edges["tweet.text_length"] == [103.0, 105.0, 107.0]


@pytest.mark.parametrize("first", [6, 7])
@pytest.mark.parametrize(("last", "held"), [(36, True), (37, True), (38, False)])
def test_panes_begin_at_multiples_of_their_length_and_leave_as_a_whole(first, last, held):
    """32 rolling windows are 16 panes of 2: windows 6 and 7 are in pane 3, which pane 19 pushes out."""
    rolling = msgspec.structs.replace(SETTINGS, rolling_windows=32)
    low, high = list(range(1, 9)) * 4, list(range(101, 109)) * 4
    _, records = counted(rolling, {first: low, last: high})
    assert records[-1].edges == ({} if held else {"tweet.text_length": [103.0, 105.0, 107.0]})


def test_time_passes_where_nothing_happens_at_a_falling_rate():
    _, records = counted(SETTINGS, {10: [1.0]}, through=200)
    versions = [record.version for record in records]
    assert versions == [*range(10, 27), 10 + 32, 10 + 64, 10 + 128]
    assert [record.sequence for record in records] == list(range(1, len(records) + 1))
    bins = Bins()
    for record in records:
        bins.apply(record)
    assert bins.complete_through == 138


def test_a_window_closes_only_when_every_source_has_closed_it():
    owner = BinOwner(SETTINGS, SOURCES)
    for frame in frames_of(("tweets", 0), [(5, [1, 2])], 9):
        owner.observe(frame)
    owner.observe(COUNTERS["tweets", 1].marker(9))
    assert owner.close_windows() == []
    owner.observe(COUNTERS["candidates-served", 0].marker(5))
    assert [record.version for record in owner.close_windows()] == [5]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"source_partition": 7}, "unknown_source"),
        ({"feature_set": "former"}, "other_feature_set"),
        ({"features": np.array([NUMBER["tweet.age_s"]] * 2, np.uint16)}, "foreign_feature"),
        ({"features": np.array([999] * 2, np.uint16)}, "foreign_feature"),
        ({"window": 3, "closed_through": 2}, "closed_window"),
        ({"buckets": np.array([1], np.int32)}, "malformed"),
        ({"positives": np.array([1, 1], np.uint32)}, "malformed"),
    ],
)
def test_a_frame_that_cannot_be_right_is_refused(change, reason):
    owner = BinOwner(SETTINGS, SOURCES)
    owner.observe(COUNTERS["tweets", 0].marker(4))
    frame = frames_of(("tweets", 0), [(5, [1, 2])], 5)[1]
    fields = {name: getattr(frame, name) for name in frame.__struct_fields__}
    fields |= {
        "features": np.array([NUMBER["tweet.text_length"]] * 2, np.uint16),
        "buckets": np.array([1, 2], np.int32),
    }
    fields |= {"counts": np.array([1, 1], np.uint32)} | change
    with pytest.raises(BadRecord) as caught:
        owner.observe(BinCounts(**fields))
    assert caught.value.reason == reason


def test_bytes_that_are_no_state_are_refused():
    with pytest.raises(BadRecord):
        BinOwner.from_bytes(SETTINGS, SOURCES, b"nonsense")


def test_state_of_another_feature_set_is_refused(monkeypatch):
    owner, _ = counted(SETTINGS, {1: list(range(1, 9)) * 4})
    monkeypatch.setattr(bin_state, "FEATURE_SET", "other")
    other = owner.to_bytes()
    monkeypatch.undo()
    with pytest.raises(BadRecord, match=f"feature set other, here is {FEATURE_SET}; run the release"):
        BinOwner.from_bytes(SETTINGS, SOURCES, other)


def test_there_is_nothing_to_show_before_the_first_decision():
    assert shown(BinOwner(SETTINGS, SOURCES)) is None
