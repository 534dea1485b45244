"""Local servers: settings as the table says, and in the background until `driftline down`."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from driftline.servers import settings_table
from driftline.servers.processes import free_port
from tests.support.processes import gone, wait_for
from tests.support.terminal import Terminal


def test_the_broker_runs_with_the_table_s_settings(kafka: str) -> None:
    if "DRIFTLINE_KAFKA" in os.environ:
        pytest.skip("this run's broker is configured elsewhere")
    client = KafkaAdminClient(bootstrap_servers=kafka)
    try:
        node = settings_table.KAFKA["node.id"]
        found = client.describe_configs([ConfigResource(ConfigResourceType.BROKER, node)], config_filter="all")
    finally:
        client.close()
    values = {name: entry["value"] for name, entry in found["broker"][node].items()}
    assert {name: values[name] for name in settings_table.KAFKA} == settings_table.KAFKA


def test_redis_runs_with_the_table_s_settings(redis_url: str) -> None:
    if "DRIFTLINE_REDIS" in os.environ:
        pytest.skip("this run's Redis is configured elsewhere")
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        found = {name: client.config_get(name)[name] for name in settings_table.REDIS}
    assert found == settings_table.REDIS | {"maxmemory": str(4 << 30)}


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.run("down")


@pytest.mark.usefixtures("kafka", "redis_url")  # where those cannot run, this cannot either
def test_up_is_found_by_a_second_terminal_until_down(terminal: Terminal) -> None:
    ports = {"kafka": free_port(), "redis": free_port()}
    up = terminal.run("up", "--kafka-port", str(ports["kafka"]), "--redis-port", str(ports["redis"]))
    assert (up.returncode, up.stdout.count("\n")) == (0, 1), up.stderr
    servers = terminal.state()
    assert {name: server.port for name, server in servers.items()} == ports
    addresses = [server.address for server in servers.values()]
    for shown in (*addresses, str(terminal.folder / ".driftline"), "driftline down"):
        assert shown in up.stdout

    again = terminal.run("up")
    assert (again.returncode, again.stdout) == (0, up.stdout)
    assert terminal.state() == servers
    elsewhere = terminal.run("up", "--redis-port", str(free_port()))
    assert elsewhere.returncode == 1
    assert f"Redis of this folder runs at {servers['redis'].address}: `driftline down` first" in elsewhere.stderr
    assert terminal.state() == servers

    planned = terminal.run("topics", "plan")
    assert (planned.returncode, planned.stderr) == (2, "")
    assert "tweets" in planned.stdout
    assert terminal.run("topics", "apply").returncode == 0
    assert terminal.run("topics", "plan").stdout == "topics are as planned\n"

    checks = {check["name"]: check for check in json.loads(terminal.run("doctor", "--json").stdout)}
    for name in ("Kafka answers", "Redis answers", "topics", "data folder"):
        assert checks[name]["ok"], checks[name]
    with redis.Redis.from_url(servers["redis"].address) as client:
        client.set("kept", "yes")

    down = terminal.run("down")
    assert down.returncode == 0
    assert all(server.address in down.stdout for server in servers.values())
    assert all(gone(server.pid) for server in servers.values())
    assert terminal.run("down").stdout.startswith("nothing to stop")
    stopped = terminal.run("topics", "plan")
    assert stopped.returncode == 1
    for name, server in servers.items():
        assert f"{name.title()} of this folder ({server.address}" in stopped.stderr
    assert "`driftline up` starts it again" in stopped.stderr

    assert terminal.run("up").stdout == up.stdout, "at the same ports"  # the data is still there
    assert terminal.run("topics", "plan").stdout == "topics are as planned\n"
    with redis.Redis.from_url(terminal.state()["redis"].address) as client:
        assert client.get("kept") == b"yes"


@pytest.mark.usefixtures("redis_url")
def test_up_starts_only_what_is_not_configured_and_survives_its_server_being_killed(terminal: Terminal) -> None:
    only_redis = {"DRIFTLINE_KAFKA": "elsewhere:1"}
    assert terminal.run("up", "--redis-port", str(free_port()), **only_redis).returncode == 0
    first = terminal.state()
    assert set(first) == {"redis"}
    os.kill(first["redis"].pid, signal.SIGKILL)
    wait_for(lambda: gone(first["redis"].pid))
    assert terminal.state() == {}
    wait_for(lambda: free_port(first["redis"].port) == first["redis"].port)
    with socket.create_server(("127.0.0.1", first["redis"].port)):  # a stranger, where our server was
        refused = terminal.run("topics", "plan", **only_redis)
        assert refused.returncode == 1
        assert f"Redis of this folder ({first['redis'].address}" in refused.stderr
        checks = {check["name"]: check for check in json.loads(terminal.run("doctor", "--json").stdout)}
        assert not checks["Redis answers"]["ok"]
        assert checks["Redis answers"]["mend"] == "`driftline up` starts it again"
        taken = terminal.run("up", **only_redis)
        assert taken.returncode == 1
        assert f"port {first['redis'].port}, where Redis of this folder is to listen, is taken" in taken.stderr
        other = free_port()
        assert terminal.run("up", "--redis-port", str(other), **only_redis).returncode == 0
        assert terminal.state()["redis"].port == other
    assert terminal.run("down", **only_redis).returncode == 0
    assert terminal.run("up", **only_redis).returncode == 0
    assert terminal.state()["redis"].port == other
    assert terminal.state()["redis"].pid != first["redis"].pid


@pytest.mark.usefixtures("redis_url")
def test_up_is_all_or_nothing(terminal: Terminal) -> None:
    """A broker that cannot start takes the Redis that started before it down again."""
    failed = terminal.run("up", "--redis-port", str(free_port()), KAFKA_HOME=str(terminal.folder))
    assert failed.returncode == 1
    assert failed.stderr.startswith("driftline: KAFKA_HOME is")
    assert "Traceback" not in failed.stderr
    assert terminal.state() == {}
    assert not (terminal.folder / ".driftline" / "servers.json").exists()
