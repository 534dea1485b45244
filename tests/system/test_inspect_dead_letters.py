"""A replay sends the original bytes, exact key and value, to where they came from; and whole logs are read."""

import contextlib

from kafka import KafkaProducer

from contracts.codec import serialize
from contracts.settings import Settings
from contracts.topics import ENGAGEMENTS, MODELS, TWEETS, prefixed
from contracts.topics import dead_letters as dead_letters_of
from driftline.inspect import dead_letter_log as dead_letters
from driftline.inspect.logs import newest_records, read_log
from eventtime.ticks import TICK_KEY
from featurestore.join.joiner import UNJOINED
from tests.support.inspect_samples import LETTERS, letter, write_all
from transport.installation import install
from transport.kafka import admin as kafka_admin
from transport.kafka.cluster import KafkaCluster
from transport.ports.kafka_records import Output


def test_a_replay_is_exact(settings: Settings) -> None:
    write_all(settings)
    done = dead_letters.replay(settings)
    assert done.sent == {"tweets: malformed": 1, "tweets: time_ahead": 1, "engagements: malformed": 1}
    assert done.not_replayable == 1
    found = {
        (topic.name, record.partition, record.key, record.value)
        for topic in (TWEETS, ENGAGEMENTS)
        for record in read_log(settings, topic)
    }
    assert found == {(x.topic, x.partition, x.key, x.value) for x in LETTERS if not x.topic.startswith("file:")}


def test_engagements_that_were_counted_are_not_counted_again(settings: Settings) -> None:
    """However many offsets ago that was: past `features.duplicate_horizon` nothing would recognize them."""
    install(settings)
    letters = [(ENGAGEMENTS, why) for why in UNJOINED] + [(TWEETS, "late")]
    with contextlib.closing(KafkaCluster(settings).producer()) as producer:
        producer.deliver(
            [
                Output(dead_letters_of(source).name, serialize(letter(why, source.name, 1, b"4", b"{}")))
                for source, why in letters
            ]
        )
    done = dead_letters.replay(settings)
    assert (done.sent, done.counted, done.not_replayable) == ({"tweets: late": 1}, 2, 0)
    assert list(read_log(settings, ENGAGEMENTS)) == []


def test_only_what_is_asked_for_is_replayed(settings: Settings) -> None:
    write_all(settings)
    assert dead_letters.replay(settings, topic="tweets", reason="time_ahead").sent == {"tweets: time_ahead": 1}
    assert dead_letters.replay(settings, dry_run=True, topic="engagements").sent == {"engagements: malformed": 1}
    assert list(read_log(settings, ENGAGEMENTS)) == []
    assert [record.value for record in read_log(settings, TWEETS)] == [b""]


def test_the_newest_records_are_found_behind_markers_aborted_records_and_ticks(settings: Settings) -> None:
    kafka_admin.apply(settings, [MODELS])
    name = prefixed(MODELS, settings.prefix).name
    with contextlib.closing(
        KafkaProducer(bootstrap_servers=settings.kafka, transactional_id=f"{settings.prefix}t")
    ) as writer:
        writer.init_transactions()
        for number in range(12):
            writer.begin_transaction()
            writer.send(name, key=None, value=b"%d" % number, partition=0)
            if number % 3:
                writer.abort_transaction()
            else:
                writer.send(name, key=TICK_KEY, value=b"", partition=0)
                writer.commit_transaction()
    assert [record.value for record in newest_records(settings, MODELS, 3)] == [b"3", b"6", b"9"]
    assert [record.value for record in newest_records(settings, MODELS, 99)] == [b"0", b"3", b"6", b"9"]
    assert newest_records(settings, MODELS, 0) == []
    assert len(list(read_log(settings, MODELS))) == 8
