"""Positions that a hop would give its processors."""

from collections.abc import Iterable

from contracts.topics import Topic
from transport.processor import Position, Processor


def begun(processor: Processor, topics: Iterable[Topic]) -> dict[str, Position]:
    """Those of a hop that has never run: the beginning of its topics, with the metadata of a new processor."""
    words = processor.metadata()
    return {topic.name: Position(0, words) for topic in topics}
