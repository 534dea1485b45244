"""Finds the programs that run the servers, or installs their Debian packages; else raises with the choices."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import ServerUnavailable
from driftline.servers import kafka
from driftline.servers.settings_table import KAFKA_VERSION

OLDEST_JAVA = 17  # Kafka 4's broker needs it

# Program -> Debian 12's package, and its size on disk without recommended packages.
PACKAGES = {
    "redis-server": ("redis-server", "7 MB"),
    "java": ("openjdk-17-jre-headless", "190 MB"),
    "mvn": ("maven", "30 MB, and a JVM if there is none"),
    "docker-compose": ("docker-compose", "20 MB"),
}

CHOICES = f"""\
Choose one:
  - packages: apt-get install redis-server openjdk-17-jre-headless maven   (Maven then brings Kafka's jars, 54 MB)
  - a Kafka installation: set KAFKA_HOME to an unpacked Kafka {KAFKA_VERSION}, or have kafka-server-start.sh on PATH
  - containers: docker compose up -d kafka redis
  - servers of your own: set DRIFTLINE_KAFKA (host:port) and DRIFTLINE_REDIS (redis://host:port/0)"""


@dataclass(frozen=True, slots=True)
class KafkaPrograms:
    """A JVM, and the folder with the broker's jars."""

    java: Path
    libs: Path


def find_redis() -> Path | None:
    """The redis-server on PATH."""
    return _program("redis-server")


def find_maven() -> Path | None:
    """The Maven on PATH."""
    return _program("mvn")


def find_java() -> Path | None:
    """A JVM that is new enough for the broker: JAVA_HOME's first, then the one on PATH."""
    home = os.environ.get("JAVA_HOME")
    for java in (Path(home, "bin", "java") if home else None, _program("java")):
        if java is not None and java.exists() and java_version(java) >= OLDEST_JAVA:
            return java
    return None


def java_version(java: Path) -> int:
    """The JVM's feature release (17 for `17.0.15`, 8 for `1.8.0`), 0 if unknown."""
    shown = subprocess.run([str(java), "-version"], capture_output=True, text=True, check=False).stderr
    match = re.search(r'version "(?:1\.)?(\d+)', shown)
    return int(match[1]) if match else 0


def find_installation(environ: Mapping[str, str]) -> Path | None:
    """The folder with the jars of a Kafka installation: KAFKA_HOME's, or the one whose scripts are on PATH.

    Raises `ServerUnavailable` if KAFKA_HOME has no Kafka jars.
    """
    home = environ.get("KAFKA_HOME")
    if home:
        libs = Path(home) / "libs"
        if not any(libs.glob("kafka_*.jar")):
            raise ServerUnavailable(f"KAFKA_HOME is {home}, but {libs} has no Kafka jars; correct or unset it")
        return libs
    script = _program("kafka-server-start.sh")
    beside = script.resolve().parent.parent / "libs" if script else None
    return beside if beside and any(beside.glob("kafka_*.jar")) else None


def find_libs() -> Path | None:
    """The folder with a broker's jars: an installation's, or those that Maven has already downloaded."""
    cached = kafka.cached_libs()
    return find_installation(os.environ) or (cached if cached.is_dir() else None)


def provide_redis(say: Callable[[str], None], *, install: bool) -> Path:
    """A redis-server. With `install`, tries to install a missing one. Raises `ServerUnavailable` with the choices."""
    if install and find_redis() is None:
        install_packages(["redis-server"], say)
    found = find_redis()
    if found is None:
        raise ServerUnavailable(f"no redis-server on this machine. {CHOICES}")
    return found


def provide_kafka(say: Callable[[str], None], *, install: bool) -> KafkaPrograms:
    """A JVM and a broker's jars: a Kafka installation's, or downloaded once by Maven. Else as `provide_redis`."""
    libs = find_libs()
    missing = [] if find_java() else ["java"]
    if libs is None and find_maven() is None:
        missing.append("mvn")
    if missing and install:
        install_packages(missing, say)
    java, maven = find_java(), find_maven()
    if java is None:
        raise ServerUnavailable(f"no JVM {OLDEST_JAVA} or newer on this machine. {CHOICES}")
    if libs is None:
        if maven is None:
            raise ServerUnavailable(f"neither a Kafka installation nor Maven on this machine. {CHOICES}")
        libs = kafka.download_libs(maven, say)
    return KafkaPrograms(java, libs)


def install_packages(programs: Sequence[str], say: Callable[[str], None]) -> None:
    """Install the Debian packages of `programs`, after saying so; nothing if this user may not.

    Raises `ServerUnavailable` if apt-get fails.
    """
    prefix = _privilege()
    if prefix is None:
        return
    packages = [PACKAGES[program][0] for program in programs]
    sizes = "; ".join(f"{PACKAGES[program][0]} {PACKAGES[program][1]}" for program in programs)
    say(f"installing Debian packages by apt-get ({sizes})")
    environ = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        finished = subprocess.run([*environ, *arguments], capture_output=True, text=True, check=False)
        if finished.returncode != 0:
            output = finished.stdout + finished.stderr
            raise ServerUnavailable(f"apt-get {' '.join(arguments)} failed:\n{output}\n{CHOICES}")


def _privilege() -> list[str] | None:
    """The prefix that runs a command as root without a password; None if this user may not, or without apt-get."""
    if shutil.which("apt-get") is None:
        return None
    if os.geteuid() == 0:
        return []
    sudo = ["sudo", "-n"]
    if shutil.which("sudo") and subprocess.run([*sudo, "true"], capture_output=True, check=False).returncode == 0:
        return sudo
    return None


def _program(name: str) -> Path | None:
    found = shutil.which(name)
    return Path(found) if found else None
