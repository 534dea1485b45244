"""The command groups against a real Kafka and Redis that hold a few records written by hand."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner, Result

from contracts.settings import Settings
from contracts.settings_sources import to_environ
from driftline.cli.main import build
from driftline.console_tables import plain
from tests.support.inspect_samples import AT_MS, LETTERS, WINDOW, write_all
from vocab.keys import key_of
from vocab.namespaces import Namespace
from vocab.replica.vocabulary import FrozenVocabulary


class Cli:
    """`driftline ...` with the settings of a test."""

    def __init__(self, settings: Settings, patch: pytest.MonkeyPatch) -> None:
        for name, value in to_environ(settings).items():
            patch.setenv(name, value)

    def text(self, *words: str) -> str:
        return self._run(*words).stdout

    def json(self, *words: str) -> Any:
        return json.loads(self._run(*words, "--json").stdout)

    def error(self, *words: str) -> str:
        return str(CliRunner().invoke(build(), words).exception)

    def _run(self, *words: str) -> Result:
        result = CliRunner().invoke(build(), words, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result


@pytest.fixture(scope="module")
def filled(kafka: str, redis_url: str) -> Settings:
    settings = Settings(kafka=kafka, redis=redis_url, prefix=f"cli-groups-{os.urandom(3).hex()}-", partitions=4)
    write_all(settings)
    return settings


@pytest.fixture
def cli(filled: Settings, monkeypatch: pytest.MonkeyPatch) -> Cli:
    return Cli(filled, monkeypatch)


def test_vocabulary_lists_what_rises_and_falls(cli: Cli) -> None:
    assert [token["token"] for token in cli.json("vocab", "top")] == ["rust", "old"]
    assert [token["token"] for token in cli.json("vocab", "top", "--namespace", "word")] == ["go"]
    assert {token["namespace"] for token in cli.json("vocab", "top", "--namespace", "all")} == {"hashtag", "word"}
    assert "no namespace" in cli.error("vocab", "top", "--namespace", "nosuch")
    assert [token["token"] for token in cli.json("vocab", "rising")] == ["rust"]
    assert [token["token"] for token in cli.json("vocab", "falling")] == ["old"]
    assert len(cli.json("vocab", "top", "-n", "1")) == 1
    assert "rust" in cli.text("vocab", "rising")


def test_vocabulary_lists_by_language_and_horizon(cli: Cli) -> None:
    german = cli.json("vocab", "top", "--language", "de-AT", "--over", "5m")
    assert [token["token"] for token in german] == ["old"]
    assert [token["token"] for token in cli.json("vocab", "rising", "--language", "en", "--over", "5m")] == ["rust"]
    assert cli.json("vocab", "top", "--language", "fr") == []  # all languages have lists: nobody spoke this one
    week, now = (cli.json("vocab", "top", "--over", over)[0]["count"] for over in ("7d", "5m"))
    assert week == pytest.approx(78, abs=0.1)  # of 6, 12 and 60
    assert 60 < now < week
    assert "language de, over 24h" in cli.text("vocab", "falling", "--language", "de", "--over", "24h")


def test_a_token_is_found_however_it_is_written(cli: Cli) -> None:
    shown = cli.json("vocab", "show", "#Rust")
    assert (shown["namespace"], shown["version"], shown["first_seen"]) == ("hashtag", WINDOW + 2, WINDOW)
    assert shown["counts"]["7d"] == pytest.approx(78, abs=0.1)
    assert shown["velocities"]["5m"] > 0
    assert "over 24h" in cli.text("vocab", "show", "#Rust")
    assert shown == cli.json("vocab", "show", "rust", "--namespace", "hashtag")
    assert "has no slot" in cli.error("vocab", "show", "#nosuch")
    assert "no namespace" in cli.error("vocab", "show", "x", "--namespace", "nosuch")
    history = cli.json("vocab", "history", "#rust")
    assert [(change["version"], change["admitted"]) for change in history] == [(WINDOW, True)]
    assert history[0]["slot"] == shown["slot"]
    assert cli.json("vocab", "history", "#nosuch") == []


def test_vocabulary_stats_count_the_log_and_tell_the_drift(cli: Cli) -> None:
    stats = cli.json("vocab", "stats")
    assert (stats["admitted"], stats["version"]) == (3, WINDOW + 2)
    assert stats["namespaces"] == {"hashtag": 2, "word": 1}
    drift = stats["drift"]
    assert drift["version"] == WINDOW + 2
    assert drift["turnover"] == pytest.approx(
        20, rel=0.05
    )  # three admissions in three minutes: 60 an hour for 3 tokens
    assert drift["outside"] == {"word": 0.0, "hashtag": 0.0}
    assert 0 < drift["window_distance"] < 1
    assert drift["hour_distance"] is None
    assert "turnover" in cli.text("vocab", "stats")


def test_what_two_versions_differ_in_is_told_from_the_log(cli: Cli) -> None:
    found = cli.json("vocab", "diff", "0", str(WINDOW))
    slot = cli.json("vocab", "show", "#rust")["slot"]
    admitted = {token["token"]: token for token in found["admitted"]}
    assert set(admitted) == {"old", "rust", "go"}
    assert (admitted["rust"]["before"], admitted["rust"]["after"]) == (None, [slot, 1])
    assert found["evicted"] == found["moved"] == []
    assert [token["token"] for token in cli.json("vocab", "diff", str(WINDOW), "0")["evicted"]] != []
    same = cli.json("vocab", "diff", str(WINDOW), str(WINDOW + 2))
    assert (same["admitted"], same["evicted"], same["moved"]) == ([], [], [])
    assert "admitted from 0" in cli.text("vocab", "diff", "0", str(WINDOW))
    assert "past the log" in cli.error("vocab", "diff", str(WINDOW), str(WINDOW + 9))


def test_a_version_of_the_vocabulary_is_made_again_from_the_log(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "vocabulary.safetensors"
    assert "admitted keys at version" in cli.text("vocab", "rebuild", str(WINDOW), "--out", str(out))
    view = FrozenVocabulary.from_arrays(load_file(out))
    slot = cli.json("vocab", "show", "#rust")["slot"]
    assert view.lookup(np.array([key_of(Namespace.HASHTAG, "rust")], np.uint64)).tolist() == [slot]
    assert "past the log" in cli.error("vocab", "rebuild", str(WINDOW + 9), "--out", str(out))


def test_bins_are_listed_with_how_far_they_moved(cli: Cli) -> None:
    assert [(b["feature"], b["versions"]) for b in cli.json("bins", "list")] == [("tweet.age_s", 2)]
    assert cli.json("bins", "show", "tweet.age_s")["edges"] == [10.0, 20.0, 40.0]
    assert [change["version"] for change in cli.json("bins", "history", "tweet.age_s")] == [WINDOW, WINDOW + 1]
    assert "|" in cli.text("bins", "history", "tweet.age_s")
    assert "bins of: tweet.age_s" in cli.error("bins", "show", "nosuch")
    assert "█" in cli.text("bins", "show", "tweet.age_s")


def test_bins_of_two_versions_are_compared(cli: Cli) -> None:
    assert cli.json("bins", "show", "tweet.age_s", "--version", str(WINDOW))["edges"] == [1.0, 2.0, 4.0]
    (move,) = cli.json("bins", "compare", str(WINDOW), str(WINDOW + 1))
    assert (move["before"], move["after"]) == ([1.0, 2.0, 4.0], [10.0, 20.0, 40.0])
    assert move["moved"] == pytest.approx(0.5)
    assert cli.json("bins", "compare", str(WINDOW), str(WINDOW)) == []
    (first,) = cli.json("bins", "compare", str(WINDOW - 1), str(WINDOW))
    assert first["before"] == []
    text = cli.text("bins", "compare", str(WINDOW), str(WINDOW + 1))
    assert "tweet.age_s" in text
    assert text.count("|") >= 6
    assert "past the log" in cli.error("bins", "compare", str(WINDOW), str(WINDOW + 9))
    assert "past the log" in cli.error("bins", "show", "tweet.age_s", "--version", str(WINDOW + 9))
    assert f"at version {WINDOW - 1}" in cli.error("bins", "show", "tweet.age_s", "--version", str(WINDOW - 1))


def test_features_tell_what_is_stored_from_what_is_not(cli: Cli) -> None:
    stored = cli.json("features", "tweet", "71")["tweet"]
    assert (stored["author"], stored["author_followers"], stored["provenance"]) == ("ann", 10.0, "simulated-world")
    assert len(stored["keys"]["author"]) == 1
    assert "\x1b" not in cli.text("features", "tweet", "71")
    assert cli.json("features", "author", "5")["ever"]["like"] == 4
    assert cli.json("features", "viewer", "42")["history"] == [{"at_ms": AT_MS, "tweet_id": "71"}]
    assert cli.json("features", "pair", "42", "5")["ever"]["like"] == 4
    assert "is empty" in cli.error("features", "tweet", "72")  # nobody has written the epoch of these views
    assert "counters" in cli.text("features", "author", "5")


def test_examples_are_shown_and_counted(cli: Cli) -> None:
    tail = cli.json("examples", "tail", "-n", "2")
    assert [(e["tweet_id"], e["actions"], e["probability"]) for e in tail] == [
        ("1", ["seen"], None),
        ("2", ["seen"], None),
    ]
    stats = cli.json("examples", "stats")
    assert (stats["examples"], stats["engaged"], stats["fallback"], stats["batches"]) == (3, 1, 2, 1)
    assert stats["base_rate"] == pytest.approx(1 / 3)
    assert stats["actions"] == {"seen": 3, "like": 1}
    assert "base rate" in cli.text("examples", "stats")


def test_dead_letters_are_counted_and_shown(cli: Cli) -> None:
    listed = cli.json("dead-letters", "list")
    assert {(c["topic"], c["reason"]): c["letters"] for c in listed["counts"]} == {
        ("tweets-dead-letters", "malformed"): 2,
        ("tweets-dead-letters", "time_ahead"): 1,
        ("engagements-dead-letters", "malformed"): 1,
    }
    assert len(cli.json("dead-letters", "list", "--topic", "engagements")["newest"]) == 1
    assert len(cli.json("dead-letters", "list", "--reason", "time_ahead")["newest"]) == 1
    shown = cli.text("dead-letters", "show", "tweets", "2", "0")
    assert "why it was malformed" in shown
    assert "{\\xfe" in shown
    assert "has no dead letter" in cli.error("dead-letters", "show", "tweets", "2", "99")
    assert "has no dead letters; these topics do" in cli.error("dead-letters", "list", "--topic", "nosuch")


def test_a_dry_replay_only_counts(cli: Cli) -> None:
    counted = cli.json("dead-letters", "replay", "--dry-run")
    assert sum(counted["sent"].values()) == len(LETTERS) - 1
    assert counted["not_replayable"] == 1
    assert "would send" in cli.text("dead-letters", "replay", "--dry-run")


def test_models_are_listed_in_order(cli: Cli) -> None:
    assert [m["version"] for m in cli.json("models", "list")] == [1, 2, 3]
    assert cli.json("models", "show")["version"] == 3
    assert cli.json("models", "show", "2")["path"] == "/models/2"
    assert "never published" in cli.error("models", "show", "9")
    assert "/models/3" in cli.text("models", "show")


def test_timelines_come_newest_last_without_ticks(cli: Cli) -> None:
    tail = cli.json("timelines", "tail", "-n", "3")
    assert {t["request_id"] for t in tail} <= {f"r-{n}" for n in range(1, 6)}
    assert len(tail) == 3
    assert len(cli.json("timelines", "tail", "-n", "50")) == 5
    assert "fallback order recency" in cli.text("timelines", "tail")


def test_a_timeline_is_shown_with_texts_unless_asked_not_to(cli: Cli) -> None:
    shown = cli.json("timelines", "show", "r-4")
    assert [(place["tweet_id"], place["author"]) for place in shown["places"]] == [("71", "ann"), ("99", None)]
    assert "#Rust" in cli.text("timelines", "show", "r-4")
    hidden = cli.text("timelines", "show", "r-4", "--no-text")
    assert "Rust" not in hidden
    assert "71" in hidden
    assert "Rust" not in json.dumps(cli.json("timelines", "show", "r-4", "--no-text"))
    assert "no answer" in cli.error("timelines", "show", "nosuch")


def test_a_cluster_without_topics_says_what_makes_them(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "driftline topics apply" in Cli(settings, monkeypatch).error("models", "list")


def test_a_redis_without_a_view_is_never_read_as_an_empty_vocabulary(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = Cli(settings, monkeypatch)
    for words in (("top",), ("rising",), ("falling",), ("show", "#rust")):
        assert "no view of vocabulary" in cli.error("vocab", *words)


def test_texts_cannot_move_the_cursor() -> None:
    assert plain("a\x1b[2Jb\r\nc\u202ed") == "a [2Jb c d"
