"""What commands share: the settings of this process, and output for machines."""

import gc
import sys
from typing import Any

import msgspec

from contracts.settings import Settings, load
from driftline.servers.background import resolve

COLLECT_AFTER = 50_000  # objects made and not freed; Python's 700 cost a worker and a scorer a fifth of their time


def current_settings() -> Settings:
    """Environment, file and defaults, pointed at what `driftline up` started where no address is configured."""
    return resolve(load())


def print_json(value: Any) -> None:
    """One JSON document on standard output, indented."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def begin_service(settings: Settings) -> None:
    """What a process that runs for months does first.

    Shows its counters at `metrics_port`, if that is set; compose.yaml's health checks ask there. Has Python look for
    cycles of garbage seldom: a batch makes thousands of records that no cycle holds.
    """
    gc.set_threshold(COLLECT_AFTER)
    if settings.metrics_port:
        from prometheus_client import start_http_server

        start_http_server(settings.metrics_port)
