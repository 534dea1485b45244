"""Entities are those of twitter-text: its conformance suite, and what docs/tokens.md says of it."""

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.support.data_files import data_file
from tests.support.paths import DOCS
from vocab.tokens.twitter_text import Entity, Kind, entities, host_of
from vocab.tokens.unicode_data import load_tlds

PAGE = (DOCS / "tokens.md").read_text()
OTHER_MATTERS = {"tweets", "json"}  # how long a tweet may be, and the display of entities that came as JSON


def spans(text: str, kind: Kind, with_lists: bool = True) -> list[tuple[str, list[int], Entity]]:
    """(what the suite calls the entity, its place, the entity) of a text's entities of one kind."""
    found = [entity for entity in entities(text) if entity.kind is kind]
    return [
        (text[e.begin : e.end] if kind is Kind.URL else text[e.name_begin : e.name_end], [e.begin, e.end], e)
        for e in found
        if with_lists or e.end == e.name_end
    ]


def extracted(section: str, text: str) -> object:
    """What the suite expects of a case of extract.yml or tlds.yml."""
    match section:
        case "replies":
            first = spans(text, Kind.MENTION)[:1]
            return next((name for name, (begin, _), _ in first if not text[:begin].strip(" \u3000")), None)
        case "mentions":
            return [name for name, _, _ in spans(text, Kind.MENTION, with_lists=False)]
        case "mentions_with_indices":
            found = spans(text, Kind.MENTION, with_lists=False)
            return [{"screen_name": name, "indices": indices} for name, indices, _ in found]
        case "mentions_or_lists_with_indices":
            return [
                {"screen_name": name, "list_slug": text[e.name_end : e.end], "indices": indices}
                for name, indices, e in spans(text, Kind.MENTION)
            ]
    kind, name = next(
        (kind, kind.name.lower()) for kind in Kind if kind.name.lower() in section or kind is Kind.CASHTAG
    )
    if section.startswith(("url", "tco", "country", "generic")):
        kind, name = Kind.URL, "url"
    if section.endswith(("_with_indices", "_with_directional_markers")):
        return [{name: shown, "indices": indices} for shown, indices, _ in spans(text, kind)]
    return [shown for shown, _, _ in spans(text, kind)]


def is_valid(section: str, text: str) -> bool:
    """Whether a text is one entity from end to end, as validate.yml means it."""
    kind = {"usernames": Kind.MENTION, "lists": Kind.MENTION, "hashtags": Kind.HASHTAG}.get(section, Kind.URL)
    whole = [e for e in entities(text) if (e.kind, e.begin, e.end) == (kind, 0, len(text))]
    return len(whole) == 1 and (kind is not Kind.MENTION or (whole[0].name_end < len(text)) == (section == "lists"))


def linked(section: str, case: dict[str, Any]) -> tuple[list[str], list[str]]:
    """(what is found, what is linked in the expected HTML), of a case of autolink.yml, without signs."""
    kinds = {"hashtags": [Kind.HASHTAG], "urls": [Kind.URL], "cashtags": [Kind.CASHTAG], "all": list(Kind)}
    found = [
        case["text"][entity.begin : entity.end].lstrip("@＠")
        for entity in entities(case["text"])
        if entity.kind in kinds.get(section, [Kind.MENTION])
    ]
    links = re.findall(r"<a [^>]*>(.*?)</a>", case["expected"], re.DOTALL)
    return found, [html.unescape(re.sub("<[^>]*>", "", link)).lstrip("@＠") for link in links]


def outcomes() -> Iterator[tuple[str, str, bool]]:
    """(section, description, whether it comes out as expected) of every case."""
    for name in ("extract", "tlds", "validate", "autolink"):
        path = data_file(f"twitter-text/{name}.yml")
        sections = yaml.load(path.read_text(), yaml.CSafeLoader)["tests"]
        for section, cases in sections.items():
            if section in OTHER_MATTERS or section.endswith("CounterTest"):
                continue
            for case in cases:
                text, expected = case["text"], case["expected"]
                if name == "autolink":
                    found, expected = linked(section, case)
                elif name == "validate":
                    found = is_valid(section, text)
                else:
                    found = extracted(section, text)
                yield f"{name}.yml {section}", case["description"], found == expected


@pytest.mark.data
def test_what_fails_of_the_conformance_suite_is_what_the_page_lists():
    results = list(outcomes())
    failed = {(section, description) for section, description, passed in results if not passed}
    listed = re.findall(r"^\| (\w+\.yml \w+) \| (.+?) \| .+ \|$", PAGE, re.MULTILINE)
    assert failed == {(section, description.replace("\\|", "|")) for section, description in listed}
    assert len(listed) == len(failed)
    assert not [section for section, _ in failed if section.startswith(("extract", "tlds"))]
    assert f"{len(results):,} cases" in PAGE


@pytest.mark.data
def test_the_top_level_domains_are_those_of_the_suite():
    sections = yaml.load(data_file("twitter-text/tlds.yml").read_text(), yaml.CSafeLoader)["tests"]
    assert set(load_tlds()) == {case["text"].rpartition(".")[2] for cases in sections.values() for case in cases}


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://example.com/a", "example.com"),
        ("HTTPS://WWW.Example.Com:80", "WWW.Example.Com"),
        ("example.com", "example.com"),
        ("foo example.com", ""),
        ("http://localhost/", ""),
        ("", ""),
    ],
)
def test_the_host_of_a_url(url, host):
    assert host_of(url) == host


def test_of_two_entities_that_overlap_the_first_counts():
    found = [(entity.kind, entity.begin, entity.end) for entity in entities("#tag.com/@a http://b.com/#c @d/e.com")]
    assert found == [(Kind.HASHTAG, 0, 4), (Kind.MENTION, 9, 11), (Kind.URL, 12, 27), (Kind.MENTION, 28, 32)]
