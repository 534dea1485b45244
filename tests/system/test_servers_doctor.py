"""What the doctor says of servers that answer."""

import pytest
from typer.testing import CliRunner

from contracts.settings import Settings
from contracts.settings_sources import to_environ
from driftline.cli.main import build
from transport.installation import install


def test_exit_status_is_0_once_topics_are_applied(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in to_environ(settings).items():
        monkeypatch.setenv(name, value)
    before = CliRunner().invoke(build(), ["doctor"])
    assert before.exit_code == 1
    assert "missing: topics" in before.stdout
    install(settings)
    after = CliRunner().invoke(build(), ["doctor"])
    assert after.exit_code == 0, after.stdout
    assert "nothing that is needed is missing" in after.stdout
