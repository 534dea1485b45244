"""The public feature store on a real Redis: what it answers is what the models are served."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from contracts.errors import ServerUnavailable, SettingsError
from contracts.records import TimelineRequest
from contracts.settings import Settings
from contracts.settings_sources import to_environ
from driftline.feature_store import AsyncFeatureStore, FeatureStore
from featurestore.features import CANDIDATE_DENSE, CONTINUOUS, VIEWER_DENSE
from featurestore.store.errors import QueryRefused
from featurestore.store.reader import FeatureReader
from tests.support import inspect_samples
from tests.support.inspect_samples import AT_MS, TWEET
from tests.support.paths import python_blocks
from transport import identity
from transport.redis.connection import connect, connect_blocking

NAMES = [feature.name for feature in CONTINUOUS]


@pytest.fixture(scope="module")
def filled(kafka: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = inspect_samples.filled(kafka, redis_url, tmp_path_factory.mktemp("filled"))
    return msgspec.structs.replace(settings, partitions=0)  # as a command has them: Redis says how many


async def served(settings: Settings, tweets: Sequence[int], viewer: int) -> dict[str, np.ndarray]:
    """The dense features that a scorer would read for these candidates."""
    reader = FeatureReader(client := connect(settings), settings)
    request = TimelineRequest(request_id="r", viewer_id=viewer, at_ms=AT_MS)
    read = await reader.read([request], [np.array(tweets, np.uint64)])
    await client.aclose()
    features = read.features
    columns = {feature.name: features.candidate_dense[:, i] for i, feature in enumerate(CANDIDATE_DENSE)}
    rows = features.viewer_row
    return columns | {feature.name: features.viewer_dense[rows, i] for i, feature in enumerate(VIEWER_DENSE)}


async def test_the_answer_has_the_bits_that_are_served(filled: Settings) -> None:
    of_scorer = await served(msgspec.structs.replace(filled, partitions=4), [TWEET.id], 42)
    with FeatureStore.open(filled) as store:
        found = store.get(NAMES, tweet=[TWEET.id], viewer=42, at_ms=AT_MS)  # blocking, within a running loop
    async with await AsyncFeatureStore.open(filled) as awaited:
        same = await awaited.get(NAMES, tweet=[TWEET.id], viewer=42, at_ms=AT_MS)
    for name in NAMES:
        assert found[name].tobytes() == of_scorer[name].tobytes() == same[name].tobytes(), name
    assert found.at_ms == AT_MS


async def test_many_ask_at_once(filled: Settings) -> None:
    async with await AsyncFeatureStore.open(filled) as store:
        answers = await asyncio.gather(
            *(store.get(["tweet.text_length", "viewer.seen"], tweet=[TWEET.id, n], viewer=42) for n in range(32))
        )
    for answer in answers:
        assert answer["tweet.text_length"][0] == len(TWEET.text)
        assert answer.missing("tweet.text_length").tolist() == [False, True]


def test_it_finds_the_servers_as_commands_do_and_imports_neither_torch_nor_faust(
    filled: Settings, tmp_path: Path
) -> None:
    program = (
        "import sys\n"
        "from driftline.feature_store import FeatureStore\n"
        "with FeatureStore.open() as store:\n"
        f"    print(store.get(['tweet.text_length'], tweet={TWEET.id})['tweet.text_length'].tolist())\n"
        "print(sorted({'torch', 'faust', 'kafka', 'numba'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | to_environ(filled), cwd=tmp_path,
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.splitlines() == [f"[{float(len(TWEET.text))}]", "[]"]


@pytest.mark.parametrize("block", range(len(python_blocks("docs/feature_store.md"))))
def test_the_code_of_the_page_runs_as_it_stands(filled: Settings, tmp_path: Path, block: int) -> None:
    code = python_blocks("docs/feature_store.md")[block]
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | to_environ(filled), cwd=tmp_path,
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_command_reads_features_by_name(filled: Settings, tmp_path: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "driftline", "features", "get", *words],
            env=os.environ | to_environ(filled),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    asked = ("tweet.text_length", "viewer.rate", "--tweet", str(TWEET.id), "--tweet", "72", "--viewer", "42")
    done = run(*asked, "--at", "2026-01-01T00:00", "--json")
    length = float(len(TWEET.text))
    assert msgspec.json.decode(done.stdout) == [
        {"tweet": str(TWEET.id), "viewer": "42", "tweet.text_length": length, "viewer.rate": 1.0},
        {"tweet": "72", "viewer": "42", "tweet.text_length": None, "viewer.rate": 1.0},
    ]
    assert "being rewritten" in done.stderr
    shown = run(*asked).stdout.splitlines()
    assert shown[-1].split() == ["72", "42", "-", "1"]
    refused = run("tweet.likez", "--tweet", "1")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("driftline: no feature 'tweet.likez': there is tweet.likes")


def test_another_installations_redis_is_refused(filled: Settings) -> None:
    other = msgspec.structs.replace(filled, installation="another")
    with pytest.raises(SettingsError, match="holds installation"):
        FeatureStore.open(other)


def test_a_redis_that_is_away_is_said_so(filled: Settings) -> None:
    away = msgspec.structs.replace(filled, redis="redis://127.0.0.1:1/0")
    with pytest.raises(ServerUnavailable, match=r"127\.0\.0\.1:1"):
        FeatureStore.open(away)


def test_what_cannot_be_answered_is_refused_before_anything_is_read(filled: Settings) -> None:
    with FeatureStore.open(filled) as store, pytest.raises(QueryRefused, match="need viewer"):
        store.get(["viewer.seen"], tweet=1)


def test_a_store_without_its_marks_is_not_whole(filled: Settings) -> None:
    with connect_blocking(filled) as redis:
        assert redis.get(identity.redis_key(filled))
    with FeatureStore.open(filled) as store:
        assert not store.get(["viewer.seen"], viewer=42).whole  # no worker has run to set them
