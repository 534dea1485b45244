"""The order over partitions is a function of the log wherever the log is known."""

from hypothesis import given
from hypothesis import strategies as st

from trainer.interleave import Interleave

Log = dict[int, list[tuple[int, str]]]


def _drain(log: Log, arrivals: list[int]) -> list[str]:
    """Offer items in the order that `arrivals` (draws) says, taking whatever can be taken in between."""
    merged: Interleave[str] = Interleave(log)
    left = {partition: list(items) for partition, items in log.items()}
    taken = []
    while any(left.values()):
        open_partitions = [partition for partition, items in left.items() if items]
        draw = arrivals.pop(0) if arrivals else 0
        partition = open_partitions[draw % len(open_partitions)]
        merged.offer(partition, *left[partition].pop(0))
        at_end = {partition for partition, items in left.items() if not items}
        while (item := merged.take(at_end)) is not None:
            taken.append(item)
    return taken


@given(
    st.lists(st.lists(st.integers(0, 20), max_size=6), min_size=1, max_size=4),
    st.lists(st.integers(0, 3), max_size=30),
)
def test_a_known_log_is_merged_alike_whatever_arrived_first(times: list[list[int]], arrivals: list[int]) -> None:
    log = {p: [(at_ms, f"{p}:{i}") for i, at_ms in enumerate(of_p)] for p, of_p in enumerate(times)}
    order = _drain(log, list(arrivals))
    assert order == _drain(log, [])
    assert sorted(order) == sorted(item for items in log.values() for _, item in items)


def test_the_earliest_head_goes_first_and_ties_go_by_partition() -> None:
    merged: Interleave[str] = Interleave([0, 1])
    merged.offer(1, 5, "b")
    merged.offer(0, 5, "a")
    merged.offer(0, 1, "a, later in its log")
    assert [merged.take({0, 1}) for _ in range(4)] == ["a", "a, later in its log", "b", None]


def test_a_partition_that_is_not_read_to_its_end_holds_the_others_up() -> None:
    merged: Interleave[str] = Interleave([0, 1])
    merged.offer(0, 1, "a")
    assert merged.take(()) is None
    assert merged.take({1}) == "a"
