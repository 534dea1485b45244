"""Runs a local single-node Kafka broker (KRaft) from a folder of jars."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from contracts.errors import ServerUnavailable
from driftline.servers.processes import ServerProcess, listening
from driftline.servers.settings_table import CLUSTER_ID, KAFKA, KAFKA_HEAP, KAFKA_VERSION, LOG4J_VERSION

START_TIMEOUT_S = 90.0
_HERE = Path(__file__).parent
DOWNLOAD_MB = 54


def cached_libs() -> Path:
    """The folder for the jars of this version, shared by all checkouts of a user."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "driftline" / "kafka-libs" / KAFKA_VERSION


def download_libs(maven: Path, say: Callable[[str], None]) -> Path:
    """Download the jars with Maven into `cached_libs()`, all or nothing, and return it.

    Raises `ServerUnavailable`.
    """
    libs = cached_libs()
    if libs.is_dir():
        return libs
    say(f"Kafka {KAFKA_VERSION}: Maven downloads its jars (about {DOWNLOAD_MB} MB) to {libs}")
    libs.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f"{KAFKA_VERSION}.", dir=libs.parent))
    versions = [f"-Dkafka.version={KAFKA_VERSION}", f"-Dlog4j.version={LOG4J_VERSION}"]
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={partial}"]
    command = [str(maven), "-q", "-B", "-f", str(_HERE / "pom.xml"), *versions, *goal]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        shutil.rmtree(partial)
        raise ServerUnavailable(f"Maven could not download Kafka's jars:\n{finished.stdout}{finished.stderr}")
    try:
        partial.rename(libs)
    except OSError:  # another process was faster
        shutil.rmtree(partial)
    return libs


def start(java: Path, libs: Path, folder: Path, port: int, controller_port: int, *, bound: bool) -> ServerProcess:
    """Start a broker with its data and log in `folder`. Returns before the broker answers.

    Formats the folder the first time. Raises `ServerUnavailable` if that fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    properties = folder / "server.properties"
    properties.write_text("".join(f"{k}={v}\n" for k, v in _properties(folder, port, controller_port).items()))
    base = [str(java), "-cp", f"{libs}/*", f"-Dlog4j2.configurationFile={_HERE / 'log4j2.yaml'}"]
    if not (folder / "data" / "meta.properties").exists():
        _format([*base, "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool"], properties)
    command = [*base, *KAFKA_HEAP.split(), "-Djava.awt.headless=true", "kafka.Kafka", str(properties)]
    return ServerProcess("Kafka", command, folder / "kafka.log", bound=bound)


def answers(port: int) -> bool:
    """Whether the broker is registered and serves metadata; listening is not enough."""
    address = f"127.0.0.1:{port}"
    if not listening(address):
        return False
    from transport.kafka import clients

    return clients.answers(address)


def _properties(folder: Path, port: int, controller_port: int) -> dict[str, str]:
    return {
        **KAFKA,
        "controller.quorum.voters": f"{KAFKA['node.id']}@127.0.0.1:{controller_port}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "log.dirs": str(folder / "data"),
    }


def _format(storage_tool: list[str], properties: Path) -> None:
    finished = subprocess.run(
        [*storage_tool, "format", "-t", CLUSTER_ID, "-c", str(properties)],
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        raise ServerUnavailable(f"Kafka's storage could not be formatted:\n{finished.stdout}{finished.stderr}")
