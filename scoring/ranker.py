"""Pure ranking: takes candidates with their features; returns timelines and records of what was served.

A batch has the candidates of many requests; those of one request are adjacent. All are encoded, scored and sorted at
once, then sliced by request. The served record holds the features that were scored and the versions in the snapshot
that scored them. So a trainer or an offline check sees exactly what the model saw.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from contracts.arrays import F32, I32, I64, U64
from contracts.columnar import CandidatesServed
from contracts.columns import FeatureColumns
from contracts.records import RankedTimeline, RankedTweet, Reason, TimelineRequest, Timings
from featurestore.store.reader import FeaturesRead
from scoring import fallback
from scoring.served_log import ServedLog

if TYPE_CHECKING:
    from model.snapshot import Manifest
    from vocab.replica.vocabulary import FrozenVocabulary

MODEL = "model"  # `ranker` of a timeline that needed no fallback
EXPLAINED = 5  # first places of a timeline that get reasons; each costs one score per feature


class Model(Protocol):
    """The parts of a model that ranking needs (`model.serving.Predictor`). It must not change while it is in use."""

    @property
    def manifest(self) -> "Manifest":
        """Its name and versions."""
        ...

    @property
    def vocabulary(self) -> "FrozenVocabulary":
        """Its vocabulary. Words without a slot in it are served by their n-grams."""
        ...

    def score(self, features: FeatureColumns) -> F32:
        """float32[n]: the calibrated probability of each candidate."""
        ...

    def explain(self, features: FeatureColumns, rows: NDArray[np.integer]) -> list[list[Reason]]:
        """For each candidate of `rows`, the reasons for its score, strongest first."""
        ...


@dataclass(frozen=True, slots=True)
class _Places:
    """The s served places of a batch of m requests, request by request.

    rows: int64[s], the batch's row at each place. starts: m + 1 numbers: where each request's places begin, then
    where the last request's places end.
    """

    rows: I64
    starts: list[int]

    def of(self, request: int) -> slice:
        return slice(self.starts[request], self.starts[request + 1])


def rank(
    requests: Sequence[TimelineRequest],
    read: FeaturesRead,
    model: Model | None,
    fetch_us: int,
    clock_us: Callable[[], int],
) -> list[tuple[RankedTimeline, CandidatesServed]]:
    """For each request, in order: its timeline and the record of what was served.

    read: what the store knows about these requests. fetch_us: how long reading it took. clock_us: any clock, in
    microseconds. Tweets are ordered by probability, then by ascending id. Without a model they are ordered by
    `fallback.by_recency`. Probabilities and versions are then None (NaN and 0 in the record), and the features are
    those of vocabulary version 0, which has admitted no word.
    """
    began = clock_us()
    features = read.at(None if model is None else model.vocabulary)
    rows = features.viewer_row
    if model is None:
        probabilities = np.full(len(rows), np.nan, np.float32)
        order = fallback.by_recency(rows, read.created_ms, read.tweet_ids)
    else:
        probabilities = model.score(features)
        order = np.lexsort((read.tweet_ids, -probabilities, rows))
    places = _within_limits(order, rows, requests)
    scored = clock_us()

    served = features.take(places.rows)
    log = ServedLog(
        served,
        read.tweet_ids[places.rows],
        read.author_ids[places.rows],
        probabilities[places.rows],
        ranker=fallback.RECENCY if model is None else MODEL,
        versions=_versions(model),
    )
    reasons = _reasons(requests, places, served, model)
    share = max(len(requests), 1)
    timings = Timings(
        fetch_us=fetch_us // share, score_us=(scored - began) // share, answer_us=(clock_us() - scored) // share
    )
    answers = []
    for i, request in enumerate(requests):
        record = log.record(request, i, places.of(i))
        timeline = _timeline(request, record, model, read.missing[i], reasons[places.of(i)], timings, read.whole)
        answers.append((timeline, record))
    return answers


def _versions(model: Model | None) -> tuple[int, int, int]:
    if model is None:
        return 0, 0, 0
    manifest = model.manifest
    return manifest.version, manifest.vocab_version, manifest.bins_version


def _within_limits(order: I64, rows: I32, requests: Sequence[TimelineRequest]) -> _Places:
    """The first `limit` places of each request. order: int64[n], request by request, best candidate first."""
    counts = np.bincount(rows, minlength=len(requests))
    limits = np.array([request.limit for request in requests], np.int64)
    first = np.cumsum(counts) - counts
    place = np.arange(len(order)) - np.repeat(first, counts)
    starts = np.concatenate([[0], np.cumsum(np.minimum(counts, limits))])
    return _Places(order[place < np.repeat(limits, counts)], starts.tolist())


def _reasons(
    requests: Sequence[TimelineRequest], places: _Places, served: FeatureColumns, model: Model | None
) -> list[list[Reason]]:
    """A list of reasons for each served place. Only the first places of requests with `explain` have any."""
    reasons: list[list[Reason]] = [[] for _ in range(len(served))]
    asked = [
        place
        for i, request in enumerate(requests)
        if request.explain
        for place in range(places.starts[i], min(places.starts[i] + EXPLAINED, places.starts[i + 1]))
    ]
    if model is not None and asked:
        for place, found in zip(asked, model.explain(served, np.array(asked)), strict=True):
            reasons[place] = found
    return reasons


def _timeline(
    request: TimelineRequest,
    served: CandidatesServed,
    model: Model | None,
    missing: U64,
    reasons: Sequence[list[Reason]],
    timings: Timings,
    whole: bool,
) -> RankedTimeline:
    manifest = model.manifest if model else None
    probabilities = served.probabilities.tolist() if model else [None] * len(served.tweet_ids)
    return RankedTimeline(
        request_id=request.request_id,
        viewer_id=str(request.viewer_id),
        at_ms=request.at_ms,
        ranker=served.ranker,
        tweets=[
            RankedTweet(id=str(tweet_id), probability=probability, reasons=why)
            for tweet_id, probability, why in zip(served.tweet_ids.tolist(), probabilities, reasons, strict=True)
        ],
        missing=[str(tweet_id) for tweet_id in missing.tolist()],
        store_incomplete=not whole,
        model=manifest.name if manifest else None,
        model_version=manifest.version if manifest else None,
        vocab_version=manifest.vocab_version if manifest else None,
        bins_version=manifest.bins_version if manifest else None,
        timings=timings,
        provenance=request.provenance,
    )
