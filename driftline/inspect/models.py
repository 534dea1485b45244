"""The log of published models."""

from collections.abc import Iterator

from contracts.codec import Codec
from contracts.errors import DriftlineError
from contracts.records import ModelPublished
from contracts.settings import Settings
from contracts.topics import MODELS
from driftline.inspect.logs import LogReader, read_records

_codec = Codec(ModelPublished)


class NoSuchModel(DriftlineError):
    """The model, or this version of it, was never published."""


def read_models(settings: Settings, name: str | None = None) -> Iterator[ModelPublished]:
    """Every published version of the model `name`, or of all models, in the order published."""
    for _, model in read_records(settings, MODELS, _codec):
        if name is None or model.name == name:
            yield model


def newest_model(logs: LogReader, name: str) -> ModelPublished | None:
    """The newest published version of the model `name`; None if there is none."""
    newest = None
    for _, model in logs.records(MODELS, _codec):
        if model.name == name:
            newest = model
    return newest


def find_model(settings: Settings, name: str, version: int | None = None) -> ModelPublished:
    """One version of a model; None is the newest. Raises `NoSuchModel`."""
    found = None
    for model in read_models(settings, name):
        if version is None or model.version == version:
            found = model
    if found is None:
        wanted = name if version is None else f"{name} version {version}"
        raise NoSuchModel(f"{wanted} was never published; `driftline models list` shows what was")
    return found
