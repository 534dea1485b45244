"""The doctor names what is missing and how to mend it, and its exit status says whether that is needed."""

import json
import sys
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from contracts.settings import Settings
from contracts.settings_sources import to_environ
from driftline.cli.main import build
from driftline.inspect import doctor
from driftline.servers.local import VARIABLES
from driftline.servers.processes import free_port


@pytest.fixture
def nowhere(tmp_path: Path) -> Settings:
    """Settings at ports where nothing listens."""
    return Settings(
        kafka=f"127.0.0.1:{free_port()}", redis=f"redis://:secret@127.0.0.1:{free_port()}/0", data_dir=str(tmp_path)
    )


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Nothing configured, nothing installed."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for variable in ("JAVA_HOME", "KAFKA_HOME", *VARIABLES.values()):
        monkeypatch.delenv(variable, raising=False)
    return Settings(data_dir=str(tmp_path / "data"))


def by_name(checks: list[doctor.Check]) -> dict[str, doctor.Check]:
    return {check.name: check for check in checks}


def test_a_bare_machine_needs_what_starts_servers(bare_machine: Settings) -> None:
    checks = by_name(doctor.examine(bare_machine))
    for name in ("JVM", "Maven", "redis-server"):
        assert (checks[name].ok, checks[name].needed) == (False, True)
        assert "apt-get install" in checks[name].mend
    assert not checks["Kafka jars"].needed
    assert checks["Python"].ok
    assert checks["data folder"].ok


def test_configured_servers_are_needed_and_what_would_start_them_is_not(
    bare_machine: Settings, nowhere: Settings
) -> None:
    checks = by_name(doctor.examine(nowhere))
    for name in ("JVM", "Maven", "redis-server"):
        assert not checks[name].needed
    for name, address, variable in (
        ("Kafka answers", nowhere.kafka, "DRIFTLINE_KAFKA"),
        ("Redis answers", nowhere.redis.rpartition("@")[2].removesuffix("/0"), "DRIFTLINE_REDIS"),
    ):
        assert (checks[name].ok, checks[name].needed) == (False, True)
        assert address in checks[name].found
        assert "secret" not in checks[name].found
        assert variable in checks[name].mend
    assert "topics" not in checks


def test_a_data_folder_that_cannot_be_made_is_missing(nowhere: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    checks = by_name(doctor.examine(msgspec.structs.replace(nowhere, data_dir=str(tmp_path / "file" / "data"))))
    assert not checks["data folder"].ok
    assert "DRIFTLINE_DATA_DIR" in checks["data folder"].mend


def test_a_package_of_the_same_name_elsewhere_is_named(
    nowhere: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert by_name(doctor.examine(nowhere))["packages"].ok
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "model"]:
        monkeypatch.delitem(sys.modules, name)
    packages = by_name(doctor.examine(nowhere))["packages"]
    assert not packages.ok
    assert packages.found == f"model in {tmp_path}"
    assert "make setup" in packages.mend


def test_exit_status_is_1_where_something_needed_is_missing(
    nowhere: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in to_environ(nowhere).items():
        monkeypatch.setenv(name, value)
    table = CliRunner().invoke(build(), ["doctor"])
    assert table.exit_code == 1
    assert "missing: Kafka answers, Redis answers" in table.stdout
    listed = CliRunner().invoke(build(), ["doctor", "--json"])
    assert listed.exit_code == 1
    assert {check["name"] for check in json.loads(listed.stdout) if check["needed"] and not check["ok"]} == {
        "Kafka answers",
        "Redis answers",
    }
