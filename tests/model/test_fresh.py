"""Fresh rows are a pure function of key and generation."""

import numpy as np

from model.fresh import BIN_DOMAIN, RARE_DOMAIN, fresh_region, fresh_rows

GOLDEN = [-0.03384987264871597, -0.06448201090097427, 0.004725027363747358, 0.04749978706240654]


def _splitmix(state: int) -> int:
    mask = (1 << 64) - 1
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & mask
    return state ^ (state >> 31)


def _one_row(key: int, generation: int, dim: int) -> list[float]:
    mask, golden = (1 << 64) - 1, 0x9E3779B97F4A7C15
    seed = _splitmix((key + golden) & mask)
    seed = _splitmix(seed ^ (generation * golden & mask))
    bits = [_splitmix((seed + step * golden) & mask) >> 40 for step in range(1, dim + 1)]
    return [number / (1 << 23) - 1 for number in bits]


def test_rows_are_those_of_the_definition_in_plain_integers() -> None:
    keys = np.array([0, 1, 2**64 - 1, 0xDEADBEEF], np.uint64)
    generations = np.array([1, 1, 2**32 - 1, 7], np.uint32)
    rows = fresh_rows(keys, generations, 5, 1.0)
    expected = [_one_row(int(key), int(generation), 5) for key, generation in zip(keys, generations, strict=True)]
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, np.array(expected, np.float32))


def test_rows_of_today_are_golden() -> None:
    row = fresh_rows(np.array([42], np.uint64), np.array([3], np.uint32), 4, 0.1)[0]
    assert row.tolist() == np.array(GOLDEN, np.float32).tolist()


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    keys = np.arange(100, dtype=np.uint64)
    generations = (keys % 3).astype(np.uint32)
    together = fresh_rows(keys, generations, 16, 0.1)
    alone = np.concatenate([fresh_rows(keys[i : i + 1], generations[i : i + 1], 16, 0.1) for i in range(100)])
    assert (together == alone).all()


def test_another_generation_or_domain_gives_another_row() -> None:
    keys = np.zeros(4, np.uint64)
    rows = fresh_rows(keys, np.array([0, 1, RARE_DOMAIN, BIN_DOMAIN], np.uint64), 16, 0.1)
    assert len({row.tobytes() for row in rows}) == 4


def test_values_are_uniform_within_the_scale() -> None:
    values = fresh_region(10_000, RARE_DOMAIN, 16, 0.1)
    assert np.abs(values).max() <= np.float32(0.1)
    assert abs(values.mean()) < 1e-3
    assert abs(values.std() - 0.1 / np.sqrt(3)) < 1e-3
    assert abs(np.corrcoef(values[:, 0], values[:, 1])[0, 1]) < 0.05
