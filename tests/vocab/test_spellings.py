"""Tokens in one run of bytes: what a dictionary of strings would say, in a tenth of its memory."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from vocab.owner.spellings import Spellings

KEYS = st.one_of(st.integers(0, 30), st.integers(2**64 - 5, 2**64 - 1))
TOKENS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
STEPS = st.lists(st.one_of(st.lists(st.tuples(KEYS, TOKENS), max_size=20), st.sets(KEYS)), max_size=12)


def learnt(pairs: list[tuple[int, str]]) -> Spellings:
    spellings = Spellings()
    spellings.learn(np.array([key for key, _ in pairs], np.uint64), [token for _, token in pairs])
    return spellings


@given(STEPS, st.booleans())
@settings(max_examples=200, deadline=None)
def test_it_says_what_a_dictionary_says(steps, merged):
    spellings, expected = Spellings(), {}
    for step in steps:
        if isinstance(step, set):
            spellings.forget(np.array(sorted(step), np.uint64))
            expected = {key: token for key, token in expected.items() if key not in step}
        elif merged:
            spellings.merge(learnt(step))
        else:
            spellings.learn(np.array([key for key, _ in step], np.uint64), [token for _, token in step])
        if not isinstance(step, set):
            for key, token in step:
                expected[key] = min(token, expected.get(key, token))
        assert list(spellings) == sorted(expected)
        wanted = [3, *expected, 7, 2**64 - 1]
        assert spellings.of(np.array(wanted, np.uint64)) == [expected.get(key, "") for key in wanted]
        assert [spellings.get(key) for key in wanted[:2]] == [expected.get(key, "") for key in wanted[:2]]


def test_memory_follows_what_is_spelled():
    rng = np.random.default_rng(1)
    keys = np.unique(rng.integers(0, 2**64, 20_000, dtype=np.uint64))
    tokens = [f"token{i}" for i in range(len(keys))]
    spellings = Spellings()
    for part in range(4):
        spellings.learn(keys[part::4], tokens[part::4])
    text = sum(len(token) + 1 for token in tokens)
    assert spellings.nbytes <= (12 * len(keys) + text) * 65 / 64 + 64
    for part in range(3):
        spellings.forget(keys[part::4])
    assert spellings.nbytes <= 2 * (12 * len(keys) + text) / 4 + 64
    assert spellings.of(keys[3::4]) == tokens[3::4]
