"""A step of `make setup`: provides the programs that run local servers, and the tool that validates compose.yaml."""

import shutil
import subprocess
import sys

from contracts.errors import DriftlineError
from contracts.settings_sources import load
from driftline.servers.discovery import install_packages, provide_kafka, provide_redis
from driftline.servers.local import configured


def main() -> None:
    """Install what is missing. A server whose address is configured needs no program here."""
    settings = load()
    if not configured("redis", settings):
        provide_redis(say, install=True)
    if not configured("kafka", settings):
        provide_kafka(say, install=True)
    if not has_compose():
        install_packages(["docker-compose"], say)


def has_compose() -> bool:
    """Whether this machine has `docker compose` or `docker-compose`."""
    if shutil.which("docker-compose"):
        return True
    docker = shutil.which("docker")
    if docker is None:
        return False
    return subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0


def say(message: str) -> None:
    print(f"setup: {message}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except DriftlineError as error:
        sys.exit(f"setup: {error}")
