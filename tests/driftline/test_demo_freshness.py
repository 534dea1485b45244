"""From an engagement to the first served score that learned from it, on logs small enough to check by hand."""

import numpy as np

from driftline.demo.freshness import FreshnessMeter


def engaged(*append_ms: int) -> np.ndarray:
    return np.array(append_ms, np.int64)


def test_the_first_version_past_the_offset_counts_from_when_it_first_served() -> None:
    meter = FreshnessMeter([(1, {0: 5}), (2, {0: 9})], {1: 10_000, 2: 20_000})
    meter.observe(0, 4, engaged(9_000))  # version 1 has learned offsets below 5
    meter.observe(0, 5, engaged(9_000))  # only version 2 has learned offset 5
    result = meter.result()
    assert (result.completed, result.waiting) == (2, 0)
    assert result.median_ms == 1_000
    assert result.p90_ms == 11_000


def test_a_version_that_never_served_is_represented_by_the_next_that_did() -> None:
    meter = FreshnessMeter([(1, {0: 5}), (2, {0: 5}), (3, {0: 8})], {3: 30_000})
    meter.observe(0, 0, engaged(29_000))
    assert meter.result().median_ms == 1_000


def test_a_later_version_that_served_earlier_on_another_partition_counts() -> None:
    meter = FreshnessMeter([(1, {0: 5}), (2, {0: 8})], {1: 12_000, 2: 11_000})
    meter.observe(0, 0, engaged(10_000))
    assert meter.result().median_ms == 1_000


def test_what_no_served_model_learned_is_waiting_and_not_in_the_median() -> None:
    meter = FreshnessMeter([(1, {0: 5}), (2, {0: 9})], {1: 10_000})
    meter.observe(0, 7, engaged(1, 2))  # learned by version 2, which never served
    meter.observe(0, 9, engaged(3))  # learned by none
    meter.observe(3, 0, engaged(4))  # of a partition that no publication names
    result = meter.result()
    assert (result.median_ms, result.completed, result.waiting) == (None, 0, 4)


def test_examples_without_engagement_are_not_counted() -> None:
    meter = FreshnessMeter([(1, {0: 5})], {1: 10_000})
    meter.observe(0, 0, engaged(0, 0, 9_500, 0))
    result = meter.result()
    assert (result.median_ms, result.completed, result.waiting) == (500, 1, 0)


def test_without_models_everything_waits() -> None:
    meter = FreshnessMeter([], {})
    meter.observe(0, 0, engaged(5))
    assert meter.result().waiting == 1


def test_agrees_with_the_definition_applied_one_example_at_a_time() -> None:
    rng = np.random.default_rng(7)
    publications, offsets = [], np.zeros(4, np.int64)
    for version in range(1, 30):
        offsets += rng.integers(0, 40, 4)
        publications.append((version, {p: int(at) for p, at in enumerate(offsets)}))
    first_served = {
        v: int(1_000_000 + v * 5_000 + rng.integers(0, 20_000)) for v in range(1, 28) if rng.random() < 0.7
    }
    meter = FreshnessMeter(publications, first_served)
    latencies = []
    for _ in range(500):
        partition, offset = int(rng.integers(0, 4)), int(rng.integers(0, 700))
        appended = int(rng.integers(900_000, 1_000_000))
        meter.observe(partition, offset, engaged(appended))
        learned = next((v for v, through in publications if through[partition] > offset), None)
        served = [at for v, at in first_served.items() if learned is not None and v >= learned]
        if served:
            latencies.append(min(served) - appended)
    result = meter.result()
    assert result.completed == len(latencies)
    assert result.waiting == 500 - len(latencies)
    assert result.median_ms is not None
    assert abs(result.median_ms - np.median(latencies)) <= 1_000
