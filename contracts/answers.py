"""Reads `timelines-ranked`: each record is the timeline that a request asked for, or says why there is none."""

from contracts.codec import Codec
from contracts.errors import BadRecord
from contracts.records import RankedTimeline, RequestRefused

Answer = RankedTimeline | RequestRefused

_timeline = Codec(RankedTimeline)
_refused = Codec(RequestRefused)


class AnswerCodec:
    """Decodes both kinds of records."""

    def deserialize(self, value: bytes) -> Answer:
        """The record in one message's value. Raises as `Codec` does; a value of neither kind is no timeline."""
        try:
            return _timeline.deserialize(value)
        except BadRecord as no_timeline:
            try:
                return _refused.deserialize(value)
            except BadRecord:
                raise no_timeline from None
