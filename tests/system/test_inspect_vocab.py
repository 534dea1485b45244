"""What the log of deltas and the view say of a vocabulary that drifted through many versions, on a real Kafka."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from prometheus_client import REGISTRY
from safetensors.numpy import load_file
from typer.testing import CliRunner

from contracts.codec import serialize
from contracts.columnar import VocabCounts, VocabDelta
from contracts.errors import VersionRetired
from contracts.settings import Settings, VocabSettings
from contracts.settings_sources import to_environ
from contracts.topics import VOCAB_COUNTS, VOCAB_DELTAS, prefixed
from driftline.cli.main import build
from driftline.inspect.vocab_log import difference, rebuild
from streams.vocabulary_processor import VocabularyProcessor, sources_of
from tests.support.installation import PARTITIONS
from tests.support.pipeline_runs import record_of
from tests.support.vocab_frames import SOURCE, counts_frame
from transport.installation import install
from transport.kafka.clients import producer
from transport.kafka.cluster import KafkaCluster
from transport.redis.connection import connect
from vocab.keys import SHARDS, key_of, shard_of
from vocab.languages import UND
from vocab.namespaces import Namespace
from vocab.owner.owner import VocabularyOwner
from vocab.replica.frozen_vocabulary import FrozenVocabulary
from vocab.replica.vocabulary import RETAINED, Vocabulary

WINDOWS = range(100, 100 + RETAINED + 40)
TAGS = [f"tag{i}" for i in range(100)]
KEYS = {tag: key_of(Namespace.HASHTAG, tag) for tag in TAGS}


def counted(window: int) -> Iterator[VocabCounts]:
    """Hashtags that come and go, and the marker of the window."""
    rng = np.random.default_rng(window)
    tags = [TAGS[i] for i in np.unique((window * 2 + rng.integers(0, 60, 40)) % len(TAGS)).tolist()]
    yield counts_frame(
        window, window - 1, [KEYS[tag] for tag in tags], rng.integers(1, 9, len(tags)), Namespace.HASHTAG,
        tokens=tags, languages=[UND] * len(tags),
    )  # fmt: skip
    yield counts_frame(window, window)


@pytest.fixture
def drifted(settings: Settings) -> tuple[Settings, list[VocabDelta]]:
    """A small vocabulary with its log on Kafka, of more versions than a replica retains."""
    settings = msgspec.structs.replace(
        settings,
        vocab=VocabSettings.uniform(
            capacity=SHARDS, rare_slots=16, admit_at=3.0, evict_below=1.0, half_life_windows=4.0
        ),
    )
    owner = VocabularyOwner.begin(settings.vocab, range(SHARDS), frozenset({SOURCE}))
    deltas = []
    for window in WINDOWS:
        for frame in counted(window):
            owner.observe(frame)
        deltas += owner.close_windows()
    install(settings)
    with producer(settings) as writer:
        for delta in deltas:
            topic = prefixed(VOCAB_DELTAS, settings.prefix).name
            writer.send(topic, value=serialize(delta), partition=delta.shard % PARTITIONS)
        writer.flush(timeout=30)
    return settings, deltas


def same_view(one: FrozenVocabulary, other: FrozenVocabulary) -> bool:
    ours, theirs = one.to_arrays(), other.to_arrays()
    return all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_any_logged_version_is_made_again_as_it_was_when_it_was_kept(drifted, monkeypatch, tmp_path):
    settings, deltas = drifted
    vocabulary, kept = Vocabulary(settings.vocab), {}
    for delta in deltas:
        vocabulary.apply(delta)
        kept[vocabulary.complete_through] = vocabulary.at(vocabulary.complete_through)
    assert sorted(kept) == [0, *WINDOWS]
    for version in (WINDOWS[0], WINDOWS[3], WINDOWS[-RETAINED - 5], WINDOWS[-RETAINED], WINDOWS[-1]):
        assert same_view(rebuild(settings, version), kept[version])

    with pytest.raises(VersionRetired) as retired:
        vocabulary.at(WINDOWS[3])
    [_, command, _] = str(retired.value).split("`")
    for name, value in to_environ(settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(build(), command.split()[1:], catch_exceptions=False)
    assert result.exit_code == 0
    [written] = Path(tmp_path).glob("*.safetensors")
    assert same_view(FrozenVocabulary.from_arrays(load_file(written)), kept[WINDOWS[3]])


def test_the_difference_of_two_versions_is_that_of_their_tables(drifted):
    settings, _ = drifted
    tokens = {key: tag for tag, key in KEYS.items()}
    for base, version in ((WINDOWS[2], WINDOWS[52]), (WINDOWS[-1], WINDOWS[2]), (WINDOWS[5], WINDOWS[6])):
        tables = [
            dict(
                zip(view.keys.tolist(), zip(view.slots.tolist(), view.generations.tolist(), strict=True), strict=True)
            )
            for view in (rebuild(settings, base), rebuild(settings, version))
        ]
        found = difference(settings, base, version)
        expected = {
            "admitted": sorted(tables[1].keys() - tables[0].keys()),
            "evicted": sorted(tables[0].keys() - tables[1].keys()),
            "moved": sorted(key for key in tables[0].keys() & tables[1].keys() if tables[0][key] != tables[1][key]),
        }
        for part, keys in expected.items():
            rows = getattr(found, part)
            assert [row.key for row in rows] == [f"{key:016x}" for key in keys]
            assert [row.token for row in rows] == [tokens[key] for key in keys]
            assert [(row.before, row.after) for row in rows] == [
                (tables[0].get(key), tables[1].get(key)) for key in keys
            ]
    moved = difference(settings, WINDOWS[2], WINDOWS[52]).moved
    assert moved, "a vocabulary in which nothing comes back would prove nothing"


async def test_a_worker_exports_drift_by_partition(settings):
    """The gauges say what the owner measured."""
    redis = connect(settings)
    processor = VocabularyProcessor(settings, KafkaCluster(settings), 1, redis)
    records = []
    for window in range(1, 4):
        for frame in counted(window):
            mine = shard_of(frame.keys, SHARDS) % PARTITIONS == 1
            tokens = [token for token, here in zip(frame.tokens, mine.tolist(), strict=True) if here]
            columns = {name: getattr(frame, name)[mine] for name in ("keys", "namespaces", "counts", "token_keys")}
            for topic, partition in sources_of(settings):
                records.append(
                    msgspec.structs.replace(
                        frame, **columns, tokens=tokens, languages=np.full(mine.sum(), UND, np.uint16),
                        source_topic=topic, source_partition=partition,
                    )
                )  # fmt: skip
    await processor.process([record_of(VOCAB_COUNTS, i, serialize(frame)) for i, frame in enumerate(records)])
    await redis.aclose()
    measures = processor.owner.state.drift.measures(3)
    assert measures.admitted > 0

    def gauge(name: str, **labels: str) -> float | None:
        return REGISTRY.get_sample_value(f"driftline_vocab_{name}", {"partition": "1", **labels})

    assert gauge("version") == 3
    assert gauge("admitted") == measures.admitted
    assert gauge("turnover") == measures.turnover
    assert gauge("outside", namespace="hashtag") == measures.outside_shares()[Namespace.HASHTAG]
    assert gauge("distance", between="windows") == measures.window_distance
    assert gauge("distance", between="hours") is None
