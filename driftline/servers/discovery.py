"""What servers this machine can run: what it has, then what Debian's packages add, else a list of the choices."""

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

OLDEST_JAVA = 17  # what a broker of Kafka 4 runs on

# What has to be there -> Debian 12's package, and what it costs on disk without recommended extras.
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
    """A JVM, and the folder of jars of a broker."""

    java: Path
    libs: Path


def find_redis() -> Path | None:
    """The redis-server of this machine."""
    return _program("redis-server")


def find_maven() -> Path | None:
    """The Maven of this machine."""
    return _program("mvn")


def find_java() -> Path | None:
    """A JVM that is new enough for the broker, JAVA_HOME's before PATH's."""
    home = os.environ.get("JAVA_HOME")
    for java in (Path(home, "bin", "java") if home else None, _program("java")):
        if java is not None and java.exists() and java_version(java) >= OLDEST_JAVA:
            return java
    return None


def java_version(java: Path) -> int:
    """The JVM's feature release (17 of `17.0.15`, 8 of `1.8.0`), 0 if it does not say."""
    shown = subprocess.run([str(java), "-version"], capture_output=True, text=True, check=False).stderr
    match = re.search(r'version "(?:1\.)?(\d+)', shown)
    return int(match[1]) if match else 0


def find_installation(environ: Mapping[str, str]) -> Path | None:
    """The folder of jars of a Kafka installation: KAFKA_HOME's, or the one whose scripts are on PATH."""
    home = environ.get("KAFKA_HOME")
    if home:
        libs = Path(home) / "libs"
        if not any(libs.glob("kafka_*.jar")):
            raise ServerUnavailable(f"KAFKA_HOME names {home}, but {libs} holds no Kafka jars; mend or unset it")
        return libs
    script = _program("kafka-server-start.sh")
    beside = script.resolve().parent.parent / "libs" if script else None
    return beside if beside and any(beside.glob("kafka_*.jar")) else None


def find_libs() -> Path | None:
    """The folder of a broker's jars: an installation's, or what Maven brought before."""
    cached = kafka.cached_libs()
    return find_installation(os.environ) or (cached if cached.is_dir() else None)


def provide_redis(say: Callable[[str], None], *, install: bool) -> Path:
    """A redis-server, installed if `install` and that is possible. Raises `ServerUnavailable` with the choices."""
    if install and find_redis() is None:
        install_packages(["redis-server"], say)
    found = find_redis()
    if found is None:
        raise ServerUnavailable(f"no redis-server on this machine. {CHOICES}")
    return found


def provide_kafka(say: Callable[[str], None], *, install: bool) -> KafkaPrograms:
    """What runs a broker: a Kafka installation, or jars that Maven resolves once. Raises as `provide_redis`."""
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
    """Install the packages of `programs` by apt-get where this user may, after saying so."""
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
    """What goes before a command to run it as root without asking; None if this user may not, or has no apt-get."""
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
