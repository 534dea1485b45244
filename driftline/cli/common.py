"""What commands share: the settings of this process, and output for machines."""

import sys
from typing import Any

import msgspec

from contracts.settings import Settings, load
from driftline.servers.background import resolve


def current_settings() -> Settings:
    """Environment, file and defaults, pointed at what `driftline up` started where no address is configured."""
    return resolve(load())


def print_json(value: Any) -> None:
    """One JSON document on standard output, indented."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def serve_metrics(settings: Settings) -> None:
    """Show this process's counters at `metrics_port`, if it is set; compose.yaml's health checks ask there."""
    if settings.metrics_port:
        from prometheus_client import start_http_server

        start_http_server(settings.metrics_port)
