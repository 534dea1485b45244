"""Settings: environment before file before defaults, and every mistake named with its source."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from contracts.errors import SettingsError
from contracts.settings import KINDS, Settings, VocabSettings, masked
from contracts.settings_sources import load, origins, to_environ, variable_of
from contracts.topics import ALL, ENGAGEMENTS, TWEETS, prefixed
from vocab.namespaces import Namespace
from vocab.owner.tracked_keys import MAX_WINDOW


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_defaults_stand_without_environment_and_file() -> None:
    assert load({}) == Settings()


def test_environment_goes_before_the_file_and_the_file_before_defaults(tmp_path: Path) -> None:
    file = tmp_path / "some.toml"
    file.write_text('kafka = "file:1"\nredis = "redis://file"\n[vocab.word]\ncapacity = 640\nrare_slots = 64\n')
    variables = {"DRIFTLINE_KAFKA": "env:2", "DRIFTLINE_VOCAB_WORD_CAPACITY": "128"}
    settings = load({"DRIFTLINE_CONFIG": str(file), **variables})
    assert (settings.kafka, settings.redis) == ("env:2", "redis://file")
    assert (settings.vocab.word.capacity, settings.vocab.word.rare_slots) == (128, 64)
    assert settings.vocab.word.half_life_windows == Settings().vocab.word.half_life_windows
    assert settings.vocab.hashtag == Settings().vocab.hashtag
    assert settings.trainer == Settings().trainer


def test_the_folder_s_own_file_is_read_unless_another_is_named(tmp_path: Path) -> None:
    (tmp_path / "driftline.toml").write_text('prefix = "here-"')
    other = tmp_path / "other.toml"
    other.write_text('prefix = "other-"')
    assert load({}).prefix == "here-"
    assert load({"DRIFTLINE_CONFIG": str(other)}).prefix == "other-"
    assert load({}, path=other).prefix == "other-"


def test_environment_round_trips() -> None:
    settings = load(
        {"DRIFTLINE_VOCAB_HASHTAG_ADMIT_AT": "7.25", "DRIFTLINE_JOIN_NEGATIVE_KEEP": "0.1", "DRIFTLINE_PREFIX": "a-"}
    )
    assert settings.vocab.hashtag.admit_at == 7.25
    assert load(to_environ(settings)) == settings


def test_every_field_has_one_variable() -> None:
    def fields(value: object) -> int:
        return sum(map(fields, value.values())) if isinstance(value, dict) else 1

    assert len(to_environ(Settings())) == fields(msgspec.to_builtins(Settings()))


def test_every_kind_of_tokens_has_a_table_of_settings_in_the_order_of_namespaces() -> None:
    assert [namespace.name.lower() for namespace in Namespace] == list(KINDS)
    assert list(VocabSettings.uniform(capacity=64, rare_slots=1).kinds) == list(KINDS)


def test_wrong_type_names_the_field() -> None:
    with pytest.raises(SettingsError, match=r"DRIFTLINE_VOCAB_WORD_CAPACITY is 'many'.*\$\.vocab\.word\.capacity"):
        load({"DRIFTLINE_VOCAB_WORD_CAPACITY": "many"})


@pytest.mark.parametrize("name", ["time.window_ms", "features.pane_ms"])
def test_windows_and_panes_too_short_to_be_numbered_are_refused_with_what_to_set(name: str) -> None:
    section, field = name.split(".")
    for value in ("999", "0", "-60000"):
        with pytest.raises(SettingsError, match=rf"Expected `int` >= 1000 - at `\$\.{name}`"):
            load({variable_of(name): value})
    assert getattr(getattr(load({variable_of(name): "1000"}), section), field) == 1_000
    last_ms = 2**32 * 1_000 - 1
    assert last_ms // 1_000 == MAX_WINDOW
    assert datetime.fromtimestamp(last_ms / 1_000, UTC).year == 2106


@pytest.mark.parametrize(
    "text",
    [
        "speed = 1",
        "[vocab.word]\ncapcity = 1",
        "[vocab]\ncapacity = 1",
        "[vocab]\nword = 1",
        "[vocabulary]\ncapacity = 1",
    ],
)
def test_unknown_name_in_the_file_is_refused_with_the_file(tmp_path: Path, text: str) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=r"wrong\.toml"):
        load({}, path=file)


def test_missing_named_file_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml, which does not exist"):
        load({"DRIFTLINE_CONFIG": "nowhere.toml"})


@pytest.mark.parametrize("content", [b"kafka =", b"\xff\xfe"])
def test_file_that_is_not_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "driftline.toml").write_bytes(content)
    with pytest.raises(SettingsError, match=r"driftline\.toml is not TOML"):
        load({})


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("redis://user:secret@host:1/0", "redis://user:***@host:1/0"),
        ("redis://:secret@host:1/0", "redis://:***@host:1/0"),
        ("redis://host:1/0", "redis://host:1/0"),
        ("host:9092,other:9092", "host:9092,other:9092"),
    ],
)
def test_passwords_are_not_shown(address: str, shown: str) -> None:
    assert masked(address) == shown


@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        ("DRIFTLINE_TRAINER_LEARNING_RATE", "nan", r"Expected `float` > 0.0 - at `\$\.trainer\.learning_rate`"),
        ("DRIFTLINE_VOCAB_WORD_ADMIT_AT", "inf", r"vocab\.word\.admit_at .* is inf: set it to a number"),
        ("DRIFTLINE_JOIN_NEGATIVE_KEEP", "1e-5", r"join\.negative_keep is 1e-05: set it to 0, or to 0\.0001 to 1"),
        ("DRIFTLINE_JOIN_NEGATIVE_KEEP", "-1", r"join\.negative_keep is -1\.0"),
        ("DRIFTLINE_JOIN_NEGATIVE_KEEP", "2", r"join\.negative_keep is 2\.0"),
    ],
)
def test_numbers_that_would_spoil_what_is_made_of_them_are_refused(variable: str, value: str, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        load({variable: value})
    load({"DRIFTLINE_JOIN_NEGATIVE_KEEP": "0"})


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("partitions", ["-1", "257"]),
        ("prefix", ["a b", "a/", "a\n", "x" * 201]),
        ("metrics_port", ["-1", "65536"]),
        ("time.window_ms", ["999", "2592000001"]),
        ("time.lateness_ms", ["-1", "172800001"]),
        ("hop.batch_records", ["0", "100001"]),
        ("hop.linger_ms", ["-1"]),
        ("hop.session_timeout_ms", ["5999", "1800001"]),
        ("vocab.name", ["", "a b", "../x", "x" * 101]),
        ("vocab.shards", ["0", "257"]),
        ("bins.rolling_windows", ["0"]),
        ("bins.minimum_values", ["0"]),
        ("bins.moved", ["-0.1", "1.1", "nan"]),
        ("features.pane_ms", ["999"]),
        ("features.tweet_ttl_s", ["0", "604801"]),
        ("features.entity_ttl_s", ["0"]),
        ("features.duplicate_horizon", ["-1"]),
        ("join.label_window_ms", ["-1", "172800001"]),
        ("join.max_open_requests", ["0"]),
        ("trainer.name", ["", ".", "a/b", "a\n"]),
        ("trainer.seed", ["-1"]),
        ("trainer.embedding_dim", ["0", "1025"]),
        ("trainer.batch_size", ["0"]),
        ("trainer.learning_rate", ["0", "11", "inf"]),
        ("trainer.publish_every_examples", ["0"]),
        ("trainer.keep_snapshots", ["0"]),
        ("scorer.model", ["", "a b"]),
        ("scorer.max_batch_candidates", ["0"]),
        ("scorer.linger_ms", ["-1", "60001"]),
        ("scorer.recent_candidates", ["0", "1501"]),
    ],
)
def test_a_setting_outside_its_range_is_refused_by_name(name: str, values: list[str]) -> None:
    for value in values:
        with pytest.raises(SettingsError, match=rf"at `\$\.{name}`"):
            load({variable_of(name): value})


def test_what_is_kept_for_a_wiped_redis_and_for_labels_is_longer_than_they_need() -> None:
    week_ms = TWEETS.retention_ms
    assert load({"DRIFTLINE_FEATURES_TWEET_TTL_S": str(week_ms // 1000)})
    longest = {"DRIFTLINE_JOIN_LABEL_WINDOW_MS": "172800000", "DRIFTLINE_TIME_LATENESS_MS": "172800000"}
    settings = load(longest)
    assert settings.join.label_window_ms + settings.time.lateness_ms < min(ENGAGEMENTS.retention_ms, week_ms)
    names = [prefixed(topic, "x" * 200).name for topic in ALL]
    assert max(map(len, names)) <= 249, "Kafka's longest name"


@pytest.mark.parametrize(
    ("text", "line", "complaint"),
    [
        ('kafka = "a:1"\nspeed = 1', 2, "there is no 'speed'"),
        ("[vocab.word]\n\ncapcity = 1", 3, "there is no 'vocab.word.capcity'; did you mean vocab.word.capacity?"),
        ("[time]\nwindow_ms = 1000\n[trainer]\nbatchsize = 1", 4, "did you mean trainer.batch_size?"),
        ("[tiem]\nwindow_ms = 1000", 2, "there is no 'tiem.window_ms'; did you mean time.window_ms?"),
        ("[trainer]\n# a remark\nlearning_rate = -5", 3, r"Expected `float` > 0.0 - at `$.trainer.learning_rate`"),
        ("vocab.word.capcity = 1", 1, "did you mean vocab.word.capacity?"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_line(tmp_path: Path, text: str, line: int, complaint: str) -> None:
    file = tmp_path / "driftline.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as refused:
        load({})
    assert f"settings (driftline.toml, line {line})" in str(refused.value)
    assert complaint in str(refused.value)


def test_a_variable_that_no_setting_has_is_refused_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match=r"DRIFTLINE_KAFAK; did you mean DRIFTLINE_KAFKA\?"):
        load({"DRIFTLINE_KAFAK": "a:1"})
    with pytest.raises(SettingsError, match=r"DRIFTLINE_XYZZY; docs/settings\.md lists all"):
        load({"DRIFTLINE_XYZZY": "1"})


def test_what_kubernetes_says_of_services_is_no_setting() -> None:
    assert (
        load(
            {
                "DRIFTLINE_SERVICE_HOST": "10.0.0.1",
                "DRIFTLINE_KAFKA_SERVICE_PORT": "9092",
                "DRIFTLINE_KAFKA_SERVICE_PORT_CLIENT": "9092",
                "DRIFTLINE_KAFKA_PORT": "tcp://10.0.0.1:9092",
                "DRIFTLINE_KAFKA_PORT_9092_TCP": "tcp://10.0.0.1:9092",
                "DRIFTLINE_KAFKA_PORT_9092_TCP_ADDR": "10.0.0.1",
            }
        )
        == Settings()
    )


def test_every_value_says_where_it_comes_from(tmp_path: Path) -> None:
    file = tmp_path / "some.toml"
    file.write_text('kafka = "file:1"\n[vocab.word]\ncapacity = 640\n[trainer]\nseed = 2\n')
    found = origins({"DRIFTLINE_TRAINER_SEED": "3"}, path=file)
    assert (found["kafka"], found["vocab.word.capacity"]) == (str(file), str(file))
    assert found["trainer.seed"] == "DRIFTLINE_TRAINER_SEED"
    assert found["redis"] == "default"


def test_a_folder_is_no_settings_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        load({"DRIFTLINE_CONFIG": str(tmp_path)})
