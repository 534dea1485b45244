"""Settings: environment before file before defaults, and every mistake named with its source."""

from pathlib import Path

import pytest

from contracts.errors import SettingsError
from contracts.settings import SECTIONS, Settings, load, masked, to_environ


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_defaults_stand_without_environment_and_file() -> None:
    assert load({}) == Settings()


def test_environment_goes_before_the_file_and_the_file_before_defaults(tmp_path: Path) -> None:
    file = tmp_path / "some.toml"
    file.write_text('kafka = "file:1"\nredis = "redis://file"\n[vocab]\ncapacity = 640\nrare_slots = 64\n')
    settings = load({"DRIFTLINE_CONFIG": str(file), "DRIFTLINE_KAFKA": "env:2", "DRIFTLINE_VOCAB_CAPACITY": "128"})
    assert (settings.kafka, settings.redis) == ("env:2", "redis://file")
    assert (settings.vocab.capacity, settings.vocab.rare_slots) == (128, 64)
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
        {"DRIFTLINE_VOCAB_ADMIT_AT": "7.25", "DRIFTLINE_JOIN_NEGATIVE_KEEP": "0.1", "DRIFTLINE_PREFIX": "a-"}
    )
    assert settings.vocab.admit_at == 7.25
    assert load(to_environ(settings)) == settings


def test_every_field_has_one_variable() -> None:
    fields = sum(len(section.__struct_fields__) for section in SECTIONS.values())
    assert len(to_environ(Settings())) == fields + len(Settings.__struct_fields__) - len(SECTIONS)


def test_wrong_type_names_the_field() -> None:
    with pytest.raises(SettingsError, match=r"(?s)environment.*\$\.vocab\.capacity"):
        load({"DRIFTLINE_VOCAB_CAPACITY": "many"})


@pytest.mark.parametrize("text", ["speed = 1", "[vocab]\ncapcity = 1", "[vocabulary]\ncapacity = 1"])
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
