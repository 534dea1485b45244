"""A value of the topic of tweets to the tweet in it, whoever wrote it."""

import contextlib

from contracts.codec import Codec
from contracts.errors import BadRecord
from contracts.records import Tweet
from contracts.text_ids import EventCodec
from sources.foreign import tweet_from_foreign_json

_OWN_MARK = b'"created_ms"'
_deserialize_own_tweet = Codec(Tweet).deserialize
_deserialize_with_text_ids = EventCodec(Tweet).deserialize


def decode_tweet(value: bytes) -> Tweet:
    """The tweet in our own record, or in an X API v2 or v1.1 object that a producer put on the topic unchanged.

    Raises `BadRecord`.
    """
    try:
        return _deserialize_own_tweet(value)
    except BadRecord as error:
        if error.reason != "malformed":
            raise
    if _OWN_MARK in value:  # our own record, probably with ids as strings
        with contextlib.suppress(BadRecord):
            return _deserialize_with_text_ids(value)
    return tweet_from_foreign_json(value)  # tells what is wrong with it, if anything
