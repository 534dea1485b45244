"""What commands share: the settings of this process, JSON output, and the metrics of a service."""

import sys
from typing import Any, Literal

import msgspec

from contracts.errors import SettingsError
from contracts.settings import Settings
from contracts.settings_sources import load
from driftline.servers.background import assumed, resolve
from transport.identity import of_folder

ServerName = Literal["kafka", "redis"]


def current_settings(*used: ServerName) -> Settings:
    """The settings from environment, file and defaults; where no address is set, the servers of `driftline up`.

    Says so where it is the default address that is used. used: the servers that the command uses; none means both.
    """
    settings = of_folder(resolve(load()))
    for name in (name for name in assumed(settings) if name in used or not used):
        address = getattr(settings, name)
        sys.stderr.write(f"driftline: {name.title()} is taken to be at {address}, as nothing here says otherwise\n")
    return settings


def installed_settings(*used: ServerName) -> Settings:
    """`current_settings` with the installation's number of partitions; raises as `transport.installation` does."""
    from transport.installation import installed_blocking

    return installed_blocking(current_settings(*used))


def print_json(value: Any) -> None:
    """One JSON document on standard output, indented."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def serve_metrics(settings: Settings) -> None:
    """Serve the metrics of this process on `metrics_port`, if that is set; compose.yaml's health checks read them."""
    if settings.metrics_port:
        from prometheus_client import start_http_server

        try:
            start_http_server(settings.metrics_port)
        except OSError as error:
            raise SettingsError(
                f"metrics_port (DRIFTLINE_METRICS_PORT) is {settings.metrics_port}: {error.strerror}; give each "
                "process of this machine a port of its own"
            ) from error
