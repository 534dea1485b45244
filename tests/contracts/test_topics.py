"""`docs/topics.md` says what the code does: every topic, every record, every field, and no others."""

import re

import msgspec
import pytest

from contracts import columnar as frames
from contracts import records
from contracts.examples import _FLAT
from contracts.frames import _DTYPES
from contracts.topics import ALL, DAY_MS, FOREVER_MS, MIB, WITH_DEAD_LETTERS, Topic, dead_letters, prefixed
from tests.support.paths import DOCS

PAGE = (DOCS / "topics.md").read_text()


def rows_under(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, its head left out."""
    section = re.split(rf"^#+ {re.escape(heading)}$", PAGE, flags=re.M)
    assert len(section) == 2, f"one heading {heading!r} expected"
    table = re.search(r"^\|.*(?:\n\|.*)*", re.split(r"^#", section[1], flags=re.M)[0], flags=re.M)
    assert table, f"no table under {heading!r}"
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[0].splitlines()[2:]]


STRUCTS = {
    name: value
    for module in (records, frames)
    for name, value in vars(module).items()
    if isinstance(value, type) and issubclass(value, msgspec.Struct) and value.__module__ == module.__name__
}


@pytest.mark.parametrize("name", STRUCTS)
def test_every_field_of_every_record_is_documented_in_its_order(name):
    documented = [cells[0].strip("`") for cells in rows_under(f"`{name}`")]
    assert documented == list(STRUCTS[name].__struct_fields__)


FROM_OUTSIDE = ("Tweet", "Entities", "PublicCounts", "Engagement", "TimelineRequest", "Tick", "TimeDeclared")


@pytest.mark.parametrize("name", FROM_OUTSIDE)
def test_what_comes_in_says_of_each_field_whether_it_may_be_left_out(name):
    documented = {cells[0].strip("`"): cells[3] for cells in rows_under(f"`{name}`")}
    required = [field.name for field in msgspec.structs.fields(STRUCTS[name]) if field.required]
    assert [field for field, left_out in documented.items() if left_out == "required"] == required
    for field in msgspec.structs.fields(STRUCTS[name]):
        if isinstance(field.default, int | str):  # said as it is; None and lists are said in words
            default = "false" if field.default is False else f"{field.default}"
            assert documented[field.name].replace("`", "").split(":")[0] == default


def test_nothing_is_documented_that_is_no_record():
    assert set(re.findall(r"^### `(\w+)`$", PAGE, flags=re.M)) == STRUCTS.keys() | {"Examples"}


def test_every_column_of_examples_is_documented():
    documented = {cells[0].strip("`"): cells[1] for cells in rows_under("`Examples`")}
    for name, (dtype, _) in _FLAT.items():
        assert documented.pop(name) == dtype.__name__
    assert set(documented) == {
        "request_ids", "provenances", "viewer_dense", "candidate_dense", "viewer_keys.*", "candidate_keys.*",
        "viewer_weights.*", "candidate_weights.*", "viewer_vectors.*", "candidate_vectors.*",
    }  # fmt: skip


def as_documented(topic: Topic) -> list[str]:
    """The row of a topic."""
    record = topic.record if topic.record in ("-", "Arrow IPC") else f"`{topic.record}`"
    retention = "for ever" if topic.retention_ms == FOREVER_MS else f"{topic.retention_ms // DAY_MS} days"
    return [
        f"`{topic.name}`", topic.key, record, "1" if topic.single else "N", topic.cleanup, retention,
        f"{topic.max_message_bytes // MIB} MiB", topic.compression,
    ]  # fmt: skip


def test_the_table_of_topics_is_the_codes():
    assert rows_under("The topics") == [as_documented(topic) for topic in ALL]


def test_the_table_of_column_codes_is_the_codecs():
    row = re.search(r"^  \| dtype \|(.*)\|$", PAGE, flags=re.M)
    assert [cell.strip() for cell in row[1].split("|")] == [dtype.name for dtype in _DTYPES]


def test_every_record_of_a_topic_exists():
    assert {topic.record for topic in ALL} <= STRUCTS.keys() | {"-", "Arrow IPC"}


def test_a_dead_letter_fits_where_the_largest_record_of_its_source_did():
    for source in WITH_DEAD_LETTERS:
        base64 = source.max_message_bytes * 4 / 3
        assert dead_letters(source).max_message_bytes > base64 + 64 * 1024
        assert dead_letters(source).single == source.single


def test_topic_names_are_unique_and_take_a_prefix():
    assert len({topic.name for topic in ALL}) == len(ALL)
    assert prefixed(ALL[0], "a.").name == "a." + ALL[0].name
    assert all(re.fullmatch(r"[a-z-]+", topic.name) for topic in ALL)


def test_replayed_topics_take_the_brokers_clock():
    assert all(topic.config()["message.timestamp.type"] == "LogAppendTime" for topic in ALL)
    assert ALL[0].config(**{"segment.ms": "1"})["segment.ms"] == "1"


def test_the_lists_that_bits_and_columns_count_by_are_documented_in_order():
    actions = {cells[0]: cells[2] for cells in rows_under("`Engagement`")}["`action`"]
    assert re.findall(r"`(\w+)`", actions) == list(records.ACTIONS)
    counts = {cells[0]: cells[2] for cells in rows_under("`FeatureUpdates`")}["`counts`"]
    assert counts.split(": ")[1].split(", ") == list(frames.COUNTERS)
