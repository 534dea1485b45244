"""The page of settings is that of the code, and its example is read as it stands."""

import re
from pathlib import Path

from contracts.settings_sources import load, names, variable_of
from scripts.write_settings_docs import PATH, text


def test_the_page_is_current() -> None:
    assert PATH.read_text() == text(), "run: .venv/bin/python scripts/write_settings_docs.py"


def test_every_setting_is_on_the_page() -> None:
    of_one_kind = [name for name in names() if not name.startswith("vocab.") or name.count(".") == 1]
    for name in [*of_one_kind, *(name for name in names() if name.startswith("vocab.word."))]:
        assert f"(`{variable_of(name)}`)" in text()


def test_the_example_is_read(tmp_path: Path) -> None:
    [example] = re.findall(r"```toml\n(.*?)```", text(), flags=re.S)
    file = tmp_path / "driftline.toml"
    file.write_text(example)
    settings = load({}, path=file)
    assert (settings.time.window_ms, settings.vocab.hashtag.capacity) == (30_000, 32_768)
