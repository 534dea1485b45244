"""Servers are found in one order: what the machine has, packages where this user may install, else the choices."""

from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.errors import ServerUnavailable
from driftline.servers import discovery, kafka

Machine = Callable[..., Path]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """An empty machine of an ordinary user; calling it adds a program, a shell script, and returns its path."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for variable in ("JAVA_HOME", "KAFKA_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    def add(name: str, body: str = "", folder: Path = programs) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        program = folder / name
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
        return program

    return add


JAVA_17 = """echo 'openjdk version "17.0.15" 2025-04-15' >&2"""
MVN = """for word in "$@"; do case "$word" in -DoutputDirectory=*) : > "${word#*=}/kafka_2.13.jar";; esac; done"""


def installation(folder: Path) -> Path:
    (folder / "libs").mkdir(parents=True)
    (folder / "libs" / "kafka_2.13-4.2.0.jar").touch()
    return folder / "libs"


def test_nothing_at_all_lists_the_choices(machine: Machine) -> None:
    for provide in (discovery.provide_redis, discovery.provide_kafka):
        with pytest.raises(ServerUnavailable) as failure:
            provide(print, install=True)
        for choice in ("apt-get install", "KAFKA_HOME", "docker compose up", "DRIFTLINE_KAFKA", "DRIFTLINE_REDIS"):
            assert choice in str(failure.value)


def test_what_the_machine_has_comes_first(machine: Machine) -> None:
    redis = machine("redis-server")
    machine("apt-get", "exit 1")
    machine("sudo")
    assert discovery.provide_redis(print, install=True) == redis


@pytest.mark.parametrize(
    ("version", "found"), [("17.0.15", True), ("21", True), ("1.8.0_392", False), ("11.0.2", False)]
)
def test_only_a_jvm_that_runs_the_broker_counts(machine: Machine, version: str, found: bool) -> None:
    machine("java", f"""echo 'openjdk version "{version}"' >&2""")
    assert (discovery.find_java() is not None) == found


def test_java_home_goes_before_path(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine("java", JAVA_17)
    mine = machine("java", JAVA_17, folder=tmp_path / "jdk" / "bin")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    assert discovery.find_java() == mine


def test_an_installation_goes_before_maven(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = machine("java", JAVA_17)
    machine("mvn", "exit 1")
    libs = installation(tmp_path / "kafka")
    monkeypatch.setenv("KAFKA_HOME", str(tmp_path / "kafka"))
    assert discovery.provide_kafka(print, install=True) == discovery.KafkaPrograms(java, libs)


def test_an_installation_is_found_by_its_script_on_path(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    libs = installation(tmp_path / "kafka")
    script = machine("kafka-server-start.sh", folder=tmp_path / "kafka" / "bin")
    (tmp_path / "bin" / script.name).symlink_to(script)
    assert discovery.find_installation({}) == libs


def test_kafka_home_without_jars_is_an_error_not_a_fallback(machine: Machine, tmp_path: Path) -> None:
    with pytest.raises(ServerUnavailable, match="KAFKA_HOME is"):
        discovery.find_installation({"KAFKA_HOME": str(tmp_path)})


def test_maven_brings_the_jars_once_and_says_how_much(machine: Machine) -> None:
    machine("java", JAVA_17)
    machine("mvn", MVN)
    said: list[str] = []
    first = discovery.provide_kafka(said.append, install=False)
    assert first.libs == kafka.cached_libs()
    assert [path.name for path in first.libs.iterdir()] == ["kafka_2.13.jar"]
    assert "54 MB" in said[0]
    machine("mvn", "exit 1")
    assert discovery.provide_kafka(said.append, install=False) == first
    assert len(said) == 1


def test_maven_that_fails_leaves_no_half_filled_folder(machine: Machine) -> None:
    machine("java", JAVA_17)
    machine("mvn", f"{MVN}; echo 'no route'; exit 1")
    with pytest.raises(ServerUnavailable, match="no route"):
        discovery.provide_kafka(print, install=False)
    assert list(kafka.cached_libs().parent.iterdir()) == []


def installing_apt(tmp_path: Path) -> str:
    """An apt-get that notes its arguments and "installs" redis-server."""
    redis = tmp_path / "bin" / "redis-server"
    return f"""
echo "$@" >> {tmp_path}/apt.log
case "$*" in *install*) echo '#!/bin/sh' > {redis}; /bin/chmod +x {redis};; esac
"""


@pytest.mark.parametrize("user", ["root", "sudo"])
def test_packages_are_installed_by_whoever_may_after_saying_so(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    machine("apt-get", installing_apt(tmp_path))
    machine("env", 'shift; exec "$@"')
    if user == "root":
        monkeypatch.setattr("os.geteuid", lambda: 0)
    else:
        machine("sudo", 'shift; exec "$@"')
        machine("true")
    said: list[str] = []
    assert discovery.provide_redis(said.append, install=True) == tmp_path / "bin" / "redis-server"
    assert "apt-get" in said[0]
    assert "redis-server" in said[0]
    log = (tmp_path / "apt.log").read_text().splitlines()
    assert [line.split()[1] for line in log] == ["update", "install"]


def test_nothing_is_installed_for_a_user_whose_sudo_asks(machine: Machine, tmp_path: Path) -> None:
    machine("apt-get", installing_apt(tmp_path))
    machine("sudo", "exit 1")
    with pytest.raises(ServerUnavailable, match="no redis-server"):
        discovery.provide_redis(print, install=True)
    assert not (tmp_path / "apt.log").exists()


def test_nothing_is_installed_unasked(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine("apt-get", installing_apt(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(ServerUnavailable):
        discovery.provide_redis(print, install=False)
    assert not (tmp_path / "apt.log").exists()


def test_packages_that_fail_say_why(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine("apt-get", "echo 'no such package' >&2; exit 100")
    machine("env", 'shift; exec "$@"')
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(ServerUnavailable, match=r"(?s)apt-get update failed.*no such package.*docker compose up"):
        discovery.provide_redis(lambda message: None, install=True)
