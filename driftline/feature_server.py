"""The feature store over HTTP: names and ids in, named columns out, with an OpenAPI description at `/schema`.

JSON, or an Arrow IPC stream where the client accepts `application/vnd.apache.arrow.stream`. Loopback unless told.
"""

import asyncio
import io
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec
import numpy as np
import pyarrow as pa
import uvicorn
from litestar import Litestar, MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.params import FromPath, JSONBody
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from msgspec import Meta
from prometheus_client import Histogram

from contracts.arrays import F32, Bools
from contracts.errors import BadRecord, DriftlineError, ServerUnavailable, SettingsError
from contracts.settings import Settings
from driftline.feature_store import AsyncFeatureStore
from driftline.inspect.declared import Described, NoSuchFeature, describe, described
from featurestore.store.errors import QueryRefused
from featurestore.store.feature_table import FeatureTable

ARROW = "application/vnd.apache.arrow.stream"
MOST_BODY_BYTES = 4 << 20
MOST_FEATURES = 1_000
DRAIN_S = 10  # how long requests that have begun may take once it is to stop

Id = Annotated[int, Meta(ge=0, le=2**63 - 1)] | Annotated[str, Meta(pattern=r"^\d{1,19}$")]
Ids = list[Id] | Id
ANSWERED = Histogram(
    "driftline_feature_queries_seconds",
    "Time from a question at POST /get to its answer",
    ["status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 10),
)
_MEANT_BY = "ids of rows, as numbers or strings, or one for all rows"


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Features by name, for rows of ids. A feature needs ids of its entity, the part of its name before the dot."""

    features: Annotated[list[str], Meta(min_length=1, max_length=MOST_FEATURES, examples=[["tweet.likes"]])]
    tweet: Annotated[Ids | None, Meta(description=_MEANT_BY)] = None
    author: Annotated[Ids | None, Meta(description=f"{_MEANT_BY}; by default the tweets' authors")] = None
    viewer: Annotated[Ids | None, Meta(description=_MEANT_BY)] = None
    at_ms: Annotated[
        int | None, Meta(description="event time that ages and sliding counts are as of, ms since 1970; default: now")
    ] = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Columns of equal length. ids: what was asked for, as strings. features: null where nothing is known.

    whole: whether the store held all that it should; else it is being rewritten, values may be missing and counts too
    low.
    """

    at_ms: int
    whole: bool
    ids: dict[str, list[str]]
    features: dict[str, list[float | None]]


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no answer."""

    status_code: int
    detail: str


@get("/features", summary="Every feature")
async def list_features() -> list[Described]:
    """Every feature, in wire order."""
    return described()


@get("/features/{name:str}", summary="One feature")
async def describe_feature(name: FromPath[str]) -> Described:
    """What a feature is, and where its value comes from."""
    return describe(name)


@post("/get", status_code=200, summary="Read features by name")
async def read_features(data: JSONBody[Query], request: Request[Any, Any, State], state: State) -> Response[Any]:
    """Read features by name, as a model is served them."""
    store: AsyncFeatureStore = state.store
    ids = {name: _numbers(getattr(data, name)) for name in ("tweet", "author", "viewer")}
    found = await store.get(data.features, at_ms=data.at_ms, **ids)
    if ARROW in request.headers.get("accept", ""):
        return Response(
            _stream(found),
            media_type=ARROW,
            headers={"x-at-ms": str(found.at_ms), "x-whole": str(found.whole).lower()},
        )
    return Response(_answer(found), media_type=MediaType.JSON)


@get("/health", summary="Whether the process answers")
async def health() -> dict[str, str]:
    """Whether the process answers; it asks nothing of Redis."""
    return {"status": "ok"}


@get("/ready", summary="Whether features can be read")
async def ready(state: State) -> dict[str, str]:
    """Whether Redis answers, and holds all that it should; else 503."""
    found = await state.store.get(["request.hour_of_day"])
    if not found.whole:
        raise HTTPException(
            "the store is being rewritten: values may be missing, and counts too low", status_code=503
        )
    return {"status": "ok"}


def make_app(store: AsyncFeatureStore) -> Litestar:
    """The application over an open store, which it closes when it shuts down."""
    return Litestar(
        [list_features, describe_feature, read_features, health, ready],
        state=State({"store": store}),
        on_shutdown=[store.aclose],
        middleware=[_timed],
        request_max_body_size=MOST_BODY_BYTES,
        exception_handlers={DriftlineError: _refused, HTTPException: _malformed},
        openapi_config=OpenAPIConfig(
            title="Driftline feature store",
            version="1",
            description="Features of tweets, authors, viewers and pairs, as models are served them.",
            render_plugins=[SwaggerRenderPlugin()],
        ),
    )


async def serve(settings: Settings, stop: asyncio.Event, host: str, port: int) -> None:
    """Serve until `stop` is set; requests that have begun are answered first.

    Raises `SettingsError` for an address that cannot be listened on, and as `AsyncFeatureStore.open`.
    """
    # Of a socket that is not said to be TCP's, asyncio does not turn off Nagle's algorithm: 40 ms an answer.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise SettingsError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; try another --port"
        ) from error
    app = make_app(await AsyncFeatureStore.open(settings))
    server = _Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=DRAIN_S))
    serving, stopped = asyncio.create_task(server.serve([listening])), asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await serving
    stopped.cancel()


class _Server(uvicorn.Server):
    """Leaves signals to the caller, who sets `should_exit`."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _timed(app: ASGIApp) -> ASGIApp:
    """Middleware that observes how long each question took, by the status of its answer."""

    async def timed(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["path"] != "/get":
            await app(scope, receive, send)
            return
        began, status = time.perf_counter(), "none"

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await app(scope, receive, sending)
        finally:
            ANSWERED.labels(status).observe(time.perf_counter() - began)

    return timed


def _numbers(ids: Any) -> list[int] | int | None:
    if ids is None:
        return None
    return [int(i) for i in ids] if isinstance(ids, list) else int(ids)


def _answer(found: FeatureTable) -> Answer:
    return Answer(
        at_ms=found.at_ms,
        whole=found.whole,
        ids={name: list(map(str, ids.tolist())) for name, ids in found.ids.items()},
        features={name: _with_nulls(values, found.missing(name)) for name, values in found.columns.items()},
    )


def _with_nulls(values: F32, missing: Bools) -> list[float | None]:
    listed: list[float | None] = values.tolist()
    for row in np.flatnonzero(missing).tolist():
        listed[row] = None
    return listed


def _stream(found: FeatureTable) -> bytes:
    written, table = io.BytesIO(), found.to_arrow()
    with pa.ipc.new_stream(written, table.schema) as stream:
        stream.write_table(table)
    return written.getvalue()


def _refused(request: Request[Any, Any, Any], error: DriftlineError) -> Response[Refused]:
    """400 for what cannot be asked, 404 for no such feature, 503 while Redis is away, 500 for another layout."""
    statuses = {QueryRefused: 400, NoSuchFeature: 404, ServerUnavailable: 503, BadRecord: 500}
    status = next((code for kind, code in statuses.items() if isinstance(error, kind)), 500)
    return Response(Refused(status_code=status, detail=str(error)), status_code=status)


def _malformed(request: Request[Any, Any, Any], error: HTTPException) -> Response[Refused]:
    """What Litestar itself refuses, with the field at fault: `extra` has one entry for each."""
    faults = error.extra if isinstance(error.extra, list) else []
    said = "; ".join(
        f"{fault.get('key', 'body')}: {fault.get('message')}" for fault in faults if isinstance(fault, dict)
    )
    return Response(
        Refused(status_code=error.status_code, detail=said or error.detail), status_code=error.status_code
    )
