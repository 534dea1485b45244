"""The feature store over HTTP, on a real Redis."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from litestar.testing import TestClient
from prometheus_client import REGISTRY

from contracts.settings import Settings
from contracts.settings_sources import to_environ
from driftline.feature_server import ARROW, make_app
from driftline.feature_store import AsyncFeatureStore
from driftline.servers.local import running, start_redis
from driftline.servers.processes import free_port
from featurestore.features import CONTINUOUS
from featurestore.store.redis_layout import Keys
from tests.support import inspect_samples
from tests.support.inspect_samples import AT_MS, TWEET
from tests.support.paths import DOCS
from tests.support.processes import wait_for
from transport.redis.connection import connect_blocking

LENGTH = float(len(TWEET.text))


@pytest.fixture(scope="module")
def filled(kafka: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return inspect_samples.filled(kafka, redis_url, tmp_path_factory.mktemp("filled"))


@pytest.fixture(scope="module")
def client(filled: Settings) -> Iterator[TestClient]:
    with TestClient(make_app(AsyncFeatureStore(filled)), raise_server_exceptions=False) as client:
        yield client


def test_features_are_read_by_name(client: TestClient) -> None:
    asked = {
        "features": ["tweet.text_length", "viewer.rate"],
        "tweet": [TWEET.id, 72],
        "viewer": "42",
        "at_ms": AT_MS,
    }
    answer = client.post("/get", json=asked)
    assert answer.status_code == 200
    assert answer.json() == {
        "at_ms": AT_MS,
        "whole": False,
        "ids": {"tweet": [str(TWEET.id), "72"], "viewer": ["42", "42"]},
        "features": {"tweet.text_length": [LENGTH, None], "viewer.rate": [1.0, 1.0]},
    }


def test_the_page_shows_a_question_and_its_answer(client: TestClient) -> None:
    page = (DOCS / "feature_store.md").read_text()
    [asked] = re.findall(r"--json '(.*)'", page)
    [shown] = re.findall(r"```json\n(.*)\n```", page)
    answer = client.post("/get", content=asked, headers={"content-type": "application/json"}).json()
    assert json.loads(shown) == {**answer, "at_ms": AT_MS, "whole": True}  # asked now, of a store without its marks


def test_ids_are_read_as_numbers_and_as_strings(client: TestClient) -> None:
    answers = [
        client.post("/get", json={"features": ["tweet.text_length"], "tweet": tweet}).json()["features"]
        for tweet in (TWEET.id, str(TWEET.id), [TWEET.id], [str(TWEET.id)])
    ]
    assert answers == [{"tweet.text_length": [LENGTH]}] * 4


def test_arrow_comes_where_it_is_accepted(client: TestClient) -> None:
    asked = {"features": ["tweet.text_length"], "tweet": [TWEET.id, 72], "at_ms": AT_MS}
    answer = client.post("/get", json=asked, headers={"accept": ARROW})
    assert answer.headers["content-type"].startswith(ARROW)
    assert (answer.headers["x-at-ms"], answer.headers["x-whole"]) == (str(AT_MS), "false")
    table = pa.ipc.open_stream(answer.content).read_all()
    assert table.to_pydict() == {"tweet": [TWEET.id, 72], "tweet.text_length": [LENGTH, None]}


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ({"features": ["tweet.likez"], "tweet": 1}, 400, "there is tweet.likes"),
        ({"features": ["tweet.likes"]}, 400, "tweet.likes need tweet"),
        ({"features": [], "tweet": 1}, 400, "features"),
        ({"features": ["tweet.likes"], "tweet": -1}, 400, "tweet"),
        ({"features": ["tweet.likes"], "tweet": "x"}, 400, "tweet"),
        ({"features": ["tweet.likes"], "tweet": "9999999999999999999"}, 400, "expected ids"),
        ({"features": ["tweet.likes"], "tweets": 1}, 400, "tweets"),
        ({"features": ["tweet.likes"], "tweet": list(range(100_001))}, 400, "100,001 rows"),
        ({"features": ["tweet.likes"], "tweet": 1, "at_ms": -1}, 400, "at is -1"),
        ([], 400, ""),
    ],
)
def test_a_bad_question_is_answered_with_what_is_wrong(
    client: TestClient, asked: object, status: int, said: str
) -> None:
    answer = client.post("/get", json=asked)
    assert (answer.status_code, answer.json()["status_code"]) == (status, status)
    assert said in answer.json()["detail"]


def test_a_body_beyond_bounds_or_not_json_is_refused(client: TestClient) -> None:
    assert client.post("/get", content=b"x" * (5 << 20)).status_code == 413
    broken = client.post("/get", content=b"{", headers={"content-type": "application/json"})
    assert broken.status_code == 400
    assert broken.json()["detail"]


def test_questions_are_counted_by_status_and_timed(client: TestClient) -> None:
    def seen(status: str) -> float:
        return REGISTRY.get_sample_value("driftline_feature_queries_seconds_count", {"status": status}) or 0

    before = {status: seen(status) for status in ("200", "400")}
    client.post("/get", json={"features": ["request.hour_of_day"]})
    client.post("/get", json={"features": ["tweet.likes"]})
    client.get("/health")
    assert {status: seen(status) - before[status] for status in before} == {"200": 1, "400": 1}


def test_features_are_described(client: TestClient) -> None:
    assert [of["name"] for of in client.get("/features").json()] == [feature.name for feature in CONTINUOUS]
    assert client.get("/features/tweet.rate").json()["entity"] == "tweet"
    unknown = client.get("/features/tweet.rte")
    assert unknown.status_code == 404
    assert "there is tweet.rate" in unknown.json()["detail"]


def test_the_schema_has_every_path_and_field(client: TestClient) -> None:
    schema = client.get("/schema/openapi.json").json()
    assert set(schema["paths"]) == {"/features", "/features/{name}", "/get", "/health", "/ready"}
    assert {"Query", "Described"} <= set(schema["components"]["schemas"])


def test_it_is_ready_once_the_store_is_whole(filled: Settings, client: TestClient) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    early = client.get("/ready")
    assert (early.status_code, "being rewritten" in early.json()["detail"]) == (503, True)
    marks = Keys(filled).wholes()
    with connect_blocking(filled) as redis:
        redis.mset(dict.fromkeys(marks, b"1"))
        assert client.get("/ready").json() == {"status": "ok"}
        redis.delete(*marks)


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_until_it_is_told_to_stop(filled: Settings, tmp_path: Path, by: signal.Signals) -> None:
    port = free_port()
    command = [sys.executable, "-m", "driftline", "features", "serve", "--port", str(port)]
    environ = os.environ | to_environ(filled)
    with subprocess.Popen(command, env=environ, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as serving:
        wait_for(lambda: answers(port, "/health") == {"status": "ok"})
        taken = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert taken.returncode == 1
        assert f"cannot listen on 127.0.0.1:{port}" in taken.stderr
        assert "Traceback" not in taken.stderr
        assert len(answers(port, "/features")) == len(CONTINUOUS)
        serving.send_signal(by)
        _, said = serving.communicate(timeout=60)
    assert (serving.returncode, "Traceback" in said) == (0, False), said


def answers(port: int, path: str) -> object:
    """What the server answers; None while it does not."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return json.load(answer)
    except OSError:
        return None


def test_a_redis_that_goes_away_is_said_so(filled: Settings, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("away")
    with running(start_redis(folder, print, bound=True, install=False)) as server:
        alone = msgspec.structs.replace(filled, redis=server.address)
        with TestClient(make_app(AsyncFeatureStore(alone)), raise_server_exceptions=False) as client:
            server.process.stop(0)
            answer = client.post("/get", json={"features": ["tweet.likes"], "tweet": 1})
            assert (answer.status_code, client.get("/health").status_code) == (503, 200)
            assert "Redis" in answer.json()["detail"]
