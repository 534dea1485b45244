"""compose.yaml is the system of local runs on containers: same settings, and every service guarded and bounded."""

import os
import shutil
import subprocess
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from driftline.cli.main import build
from driftline.servers import settings_table
from driftline.servers.settings_table import kafka_environment, redis_arguments
from tests.support.paths import ROOT

# What a place decides for itself: where the broker listens and keeps its data.
PLACE = {"KAFKA_LISTENERS", "KAFKA_ADVERTISED_LISTENERS", "KAFKA_CONTROLLER_QUORUM_VOTERS", "KAFKA_LOG_DIRS"}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    return services


def test_broker_settings_are_the_table(services: dict[str, Any]) -> None:
    kafka = services["kafka"]
    expected = kafka_environment() | {
        "CLUSTER_ID": settings_table.CLUSTER_ID,
        "KAFKA_HEAP_OPTS": settings_table.KAFKA_HEAP,
    }
    assert {name: value for name, value in kafka["environment"].items() if name not in PLACE} == expected
    assert set(kafka["environment"]) >= PLACE
    assert kafka["image"] == settings_table.KAFKA_IMAGE


def test_redis_settings_are_the_table(services: dict[str, Any]) -> None:
    assert services["redis"]["command"] == ["redis-server", *redis_arguments()]
    assert services["redis"]["image"] == settings_table.REDIS_IMAGE


def test_the_image_has_the_version_of_the_jars() -> None:
    assert settings_table.KAFKA_IMAGE.endswith(f":{settings_table.KAFKA_VERSION}")


def test_every_service_is_bounded_and_watched(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["mem_limit"], name
        assert service["cpus"], name
        assert service["restart"], name
        one_shot = name == "topics"
        assert service["healthcheck"].get("disable", False) == one_shot, name


def test_programs_wait_for_topics_and_redis(services: dict[str, Any]) -> None:
    programs = {name for name in services if name not in {"kafka", "redis", "topics"}}
    assert programs == {"worker-1", "worker-2", "trainer", "scorer", "features"}
    for name in programs:
        assert services[name]["depends_on"] == {
            "topics": {"condition": "service_completed_successfully"},
            "redis": {"condition": "service_healthy"},
        }
    assert services["topics"]["depends_on"] == {"kafka": {"condition": "service_healthy"}}


def test_every_program_is_a_command_with_these_options(services: dict[str, Any]) -> None:
    for name in ("topics", "worker-1", "trainer", "scorer", "features"):
        words = services[name]["command"]
        group = build([words[0]])
        assert CliRunner().invoke(group, [*words, "--help"]).exit_code == 0, words


def test_the_feature_server_is_watched_where_it_listens(services: dict[str, Any]) -> None:
    features = services["features"]
    port = features["command"][-1]
    assert features["ports"] == [f"127.0.0.1:{port}:{port}"]  # there is no authentication
    assert f"http://localhost:{port}/health" in features["healthcheck"]["test"][-1]


def test_the_image_does_not_run_as_root() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("USER ")][-1] == "USER driftline"


def test_one_uv_version_installs_everywhere() -> None:
    script = (ROOT / "scripts" / "venv.sh").read_text()
    version = script.split("uv_version=")[1].split()[0]
    assert f"uv=={version}\n" in (ROOT / "Dockerfile").read_text()


def test_compose_accepts_the_file() -> None:
    """By Debian's docker-compose 1.29 or compose v2, whichever is there; neither needs an engine for this."""
    commands = [["docker-compose"], ["docker", "compose"]]
    available = [
        command
        for command in commands
        if shutil.which(command[0]) and subprocess.run([*command, "version"], capture_output=True).returncode == 0
    ]
    if not available:
        message = "neither docker-compose nor docker compose is on this machine (apt-get install docker-compose)"
        if os.environ.get("REQUIRE_SERVICES") == "1":
            pytest.fail(message)
        pytest.skip(message)
    for command in available:
        checked = subprocess.run([*command, "config", "-q"], cwd=ROOT, capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr
