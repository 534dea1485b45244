"""Whatever lies on the input topics: what is good counts once, the rest is set aside exactly, the stream goes on."""

import base64
import collections
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from contracts.codec import Codec, serialize
from contracts.columnar import COUNTERS, VIEWER
from contracts.errors import BadRecord
from contracts.records import Action, DeadLetter, Engagement, Tick, Tweet
from contracts.settings import Settings
from contracts.settings_sources import to_environ
from contracts.topics import ENGAGEMENTS, TWEETS, Topic, dead_letters
from eventtime.ticks import TICK_KEY, read_tick
from featurestore.store.redis_layout import COUNTERS_RECORD, Keys, unpack_records
from sources.foreign import tweet_from_foreign_json
from tests.support.pipeline_runs import BEGIN_MS, END_MS, INPUTS, counted_tokens, drained, read_all, worker
from transport.installation import install
from transport.kafka import clients as kafka_clients
from transport.ports.kafka_records import LogRecord
from transport.redis.connection import connect_blocking
from vocab.tokens.tokenizer import Tokenizer

WINDOW_MS = 60_000
FIRST = BEGIN_MS // WINDOW_MS + 1
START_MS = FIRST * WINDOW_MS  # all times below are ms after it
DECADES_MS = 60 * 365 * 86_400_000  # no broker's clock is so far
VIEWER_ID = 7


@dataclass(frozen=True)
class Sent:
    """A record and what is to become of it. window: that it counts in, after FIRST; reason: of its dead letter."""

    value: bytes | None
    key: bytes | None = b"1"
    window: int | None = None
    reason: str | None = None


def tweet(number: int, at_ms: int, **fields) -> Tweet:
    text = fields.pop("text", f"only{number} #tag{number}")
    return Tweet(id=number, created_ms=START_MS + at_ms, author_id=number, author=f"a{number}", text=text, **fields)


def altered(record, **fields) -> bytes:
    """The record's JSON with other values; a field of None is left out."""
    values = {**msgspec.json.decode(serialize(record)), **fields}
    return json.dumps({name: value for name, value in values.items() if value is not None}).encode()


def bad(value: bytes | None, reason: str = "malformed", key: bytes | None = b"1") -> Sent:
    return Sent(value, key, reason=reason)


V2 = b'{"id":"30","text":"from v2 #vtwo","author_id":"8","created_at":"%s"}'
V1 = b'{"id_str":"40","full_text":"from v1 #vone","user":{"id_str":"9","screen_name":"nine"},"created_at":"%s"}'
V2_TIME, V1_TIME = b"2025-10-09T08:54:20.000Z", b"Thu Oct 09 08:54:30 +0000 2025"

GOOD_TWEETS = [
    Sent(serialize(tweet(1, 0)), window=0),
    Sent(serialize(tweet(2, 10_000)), window=0),
    Sent(V2 % V2_TIME, window=0),
    Sent(V1 % V1_TIME, window=0, key=None),
    Sent(serialize(tweet(3, 70_000)), window=1),
    Sent(serialize(tweet(4, 45_000)), window=0),  # out of order, within the lateness
    Sent(serialize(tweet(5, 200_000)), window=3),  # windows 0 and 1 are closed now
    Sent(serialize(tweet(6, 5_000)), window=2),  # later than that: the oldest open window takes it
    Sent(serialize(tweet(1, 0))),  # a producer's second try: neither counted nor a fault
    Sent(serialize(tweet(2, 199_000, text="an edit of a tweet that was counted"))),
    Sent(serialize(tweet(7, 201_000, text="nul \x00 and \u202e and \U0001f600")), window=3),
    Sent(serialize(tweet(8, 202_000, text="")), window=3),
    Sent(serialize(tweet(9, 203_000, text="x" * 25_000)), window=3),
]
LONELY = tweet(50, DECADES_MS)
BAD_TWEETS = [
    bad(None),
    bad(b""),
    bad(b'{"id": 1,'),
    bad(b"\x00\x01"),
    bad(b"[]"),
    bad(b"[" * 100_000),
    bad(b"{}", key=TICK_KEY),
    bad(b'{"hello": 1}', "not_a_tweet"),
    bad(altered(tweet(20, 0), text=None)),
    bad(altered(tweet(20, 0), id="abc")),
    bad(altered(tweet(20, 0), id=1.5)),
    bad(altered(tweet(20, 0), author_id=-1)),
    bad(altered(tweet(20, 0), id=2**63)),
    bad(altered(tweet(20, 0), id=2**70)),
    bad(altered(tweet(20, 0), text="\ud83d half a pair of surrogates")),
    bad(altered(tweet(20, 0), text="x" * 25_001)),
    bad(serialize(tweet(20, 0)).replace(b"only20", b"\xff\xfe"), "invalid_utf8"),
    bad(altered(tweet(20, 0), created_ms=0)),
    bad(altered(tweet(20, 0), v=2, shape="of the future"), "unknown_version"),
    bad(serialize(LONELY), "time_ahead"),
    bad(V2.replace(b"30", b"9223372036854775808") % V2_TIME, "bad_id"),
    bad(b'{"data": [%b, %b]}' % (V2 % V2_TIME, V2 % V2_TIME), "not_one_tweet"),
    bad(V1 % b"Thu Jan 01 00:00:00 +0000 1970", "bad_time"),
]


def engagement(tweet_id: int, at_ms: int) -> Engagement:
    return Engagement(viewer_id=VIEWER_ID, tweet_id=tweet_id, author_id=1, action=Action.LIKE, at_ms=START_MS + at_ms)


ODD = engagement(20, 0)
GOOD_ENGAGEMENTS = [
    Sent(serialize(engagement(1, 0)), window=0),
    Sent(serialize(engagement(2, 200_000)), window=0),
    Sent(serialize(engagement(3, 190_000)), window=0),
    Sent(serialize(engagement(4, 5_000)), window=0),  # later than the lateness: it counts all the same
    Sent(serialize(engagement(1, 0))),  # a producer's second try
    Sent(serialize(engagement(1, 210_000)), window=0),  # the same action again, later
]
BAD_ENGAGEMENTS = [
    bad(None),
    bad(b""),
    bad(b"{"),
    bad(V2 % V2_TIME),
    bad(altered(ODD, viewer_id=None)),
    bad(altered(ODD, tweet_id="7x")),
    bad(altered(ODD, action="poke")),
    bad(altered(ODD, viewer_id=2**63)),
    bad(altered(ODD, at_ms=0)),
    bad(serialize(ODD).replace(b'"like"', b'"\xff"')),
    bad(altered(ODD, v=2), "unknown_version"),
    bad(serialize(engagement(21, DECADES_MS)), "time_ahead"),
]


def mixed(good: Sequence[Sent], bad: Sequence[Sent]) -> list[Sent]:
    """The good ones in their order, the bad ones spread behind them."""
    share = -(-len(bad) // len(good))
    return [sent for i, each in enumerate(good) for sent in (each, *bad[i * share : (i + 1) * share])]


def send(settings: Settings, inputs: dict[Topic, list[Sent]]) -> list[tuple]:
    """Send all to partition 0 of each topic, and the last tick everywhere; returns the letters to expect."""
    letters = []
    with contextlib.closing(kafka_clients.producer(settings)) as client:
        for topic, stream in inputs.items():
            name = settings.prefix + topic.name
            placed = [(sent, client.send(name, key=sent.key, value=sent.value, partition=0)) for sent in stream]
            letters += [
                (sent.reason, topic.name, 0, delivery.get(30).offset, sent.key, sent.value)
                for sent, delivery in placed
                if sent.reason
            ]
        for topic in INPUTS:
            for partition in range(topic.partitions(settings)):
                client.send(
                    settings.prefix + topic.name,
                    key=TICK_KEY,
                    value=serialize(Tick(tick_ms=END_MS)),
                    partition=partition,
                )
        client.flush()
    return sorted(letters, key=repr)


def letters_of(settings: Settings) -> list[tuple]:
    """All dead letters, sorted; each in the partition and under the key of its source."""
    found = []
    for topic in (TWEETS, ENGAGEMENTS):
        for record in read_all(settings, dead_letters(topic)):
            letter = Codec(DeadLetter).deserialize(record.value)
            assert (record.partition, record.key) == (letter.partition, letter.key)
            found.append((letter.reason, letter.topic, letter.partition, letter.offset, letter.key, letter.value))
    return sorted(found, key=repr)


def driftline(settings: Settings, *arguments: str):
    """What `driftline ARGUMENTS --json` prints."""
    command = [sys.executable, "-m", "driftline", *arguments, "--json"]
    done = subprocess.run(command, env={**os.environ, **to_environ(settings)}, capture_output=True, check=True)
    return json.loads(done.stdout)


def records_of(settings: Settings, topics: Iterable[Topic]) -> dict[tuple, tuple]:
    """(topic, partition, offset) -> (topic, partition, key, value) of all that the topics hold.

    Without the ticks that the worker writes to idle partitions.
    """
    return {
        (topic.name, record.partition, record.offset): (topic.name, record.partition, record.key, record.value)
        for topic in topics
        for record in read_all(settings, topic)
        if not is_tick(record)
    }


def is_tick(record: LogRecord) -> bool:
    try:
        return record.key == TICK_KEY and read_tick(record.value) is not None
    except BadRecord:
        return False


def unpacked(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


def test_good_events_count_once_and_bad_ones_are_set_aside_exactly(settings, tmp_path):
    install(settings)
    inputs = {TWEETS: mixed(GOOD_TWEETS, BAD_TWEETS), ENGAGEMENTS: mixed(GOOD_ENGAGEMENTS, BAD_ENGAGEMENTS)}
    expected = send(settings, inputs)

    with worker(settings, tmp_path / "worker.log") as running:
        running.drain(settings)
        assert letters_of(settings) == expected
        assert_counted_once(settings)

        listed = driftline(settings, "dead-letters", "list", "--count", "1000")
        shown = [
            (
                row["reason"],
                row["topic"],
                row["partition"],
                row["offset"],
                unpacked(row["key"]),
                unpacked(row["value"]),
            )
            for row in (newest["letter"] for newest in listed["newest"])
        ]
        assert sorted(shown, key=repr) == expected
        assert sum(total["letters"] for total in listed["counts"]) == len(expected)

        before = records_of(settings, inputs)
        sent = driftline(settings, "dead-letters", "replay")["sent"]
        assert sum(sent.values()) == len(expected)
        again = [place_and_bytes for at, place_and_bytes in records_of(settings, inputs).items() if at not in before]
        assert sorted(again, key=repr) == sorted(
            ((topic, partition, key, value) for _, topic, partition, _, key, value in expected), key=repr
        )
        running.wait_until(lambda: drained(settings))
        # Bad once more, every one of them: nothing vanishes.
        assert [letter[0] for letter in letters_of(settings)] == sorted(2 * [letter[0] for letter in expected])
        assert_counted_once(settings)
        assert "Traceback" not in running.said()
        running.terminate()


def assert_counted_once(settings: Settings) -> None:
    tokens = collections.Counter()
    for sent in GOOD_TWEETS:
        if sent.window is not None:
            keys = Tokenizer().tokenize([tweet_from_foreign_json(sent.value)]).keys.tolist()
            tokens.update((FIRST + sent.window, key) for key in keys)
    assert counted_tokens(settings) == tokens

    (key,) = Keys(settings).counters(VIEWER, np.array([VIEWER_ID], np.uint64))
    with connect_blocking(settings) as redis:
        totals = unpack_records(COUNTERS_RECORD, [redis.get(key)])["totals"][0]
    good = sum(sent.window is not None for sent in GOOD_ENGAGEMENTS)
    assert dict(zip(COUNTERS, totals.tolist(), strict=True)) == dict.fromkeys(COUNTERS, 0) | {"like": good}
