from hypothesis import given
from hypothesis import strategies as st

from transport.duplicates import RecentIdentities


def is_repeat(recent: RecentIdentities, identity: object, offset: int) -> bool:
    return recent.repeats([identity], [offset])[0]


def test_a_repeat_is_known_within_the_horizon_and_forgotten_past_it():
    recent = RecentIdentities(10)
    assert not is_repeat(recent, (1, "a"), 0)
    assert not is_repeat(recent, (2, "a"), 1), "another viewer's"
    assert is_repeat(recent, (1, "a"), 9)
    assert is_repeat(recent, (1, "a"), 18), "counted from the last repeat"
    assert not is_repeat(recent, (1, "a"), 28)


@given(st.lists(st.integers(0, 8), max_size=80), st.integers(1, 10), st.integers(0, 80))
def test_repeats_are_the_same_after_a_rebuild(identities, horizon, restart):
    offsets = list(range(0, 2 * len(identities), 2))  # transaction markers take offsets too
    whole = RecentIdentities(horizon)
    expected = whole.repeats(identities, offsets)
    cut = min(restart, len(identities))
    committed = 2 * cut
    rebuilt = RecentIdentities(horizon)
    begin = next((i for i, offset in enumerate(offsets) if offset >= rebuilt.rebuild_from(committed)), cut)
    rebuilt.repeats(identities[begin:cut], offsets[begin:cut])
    assert rebuilt.repeats(identities[cut:], offsets[cut:]) == expected[cut:]
    assert len(whole) <= horizon
