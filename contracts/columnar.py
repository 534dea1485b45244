"""The columnar records between Driftline's own processes, in MessagePack: one record carries many rows.

Layout of every column: one little-endian numpy array, one element a row, unless the field says `rows x width`
(row-major, flattened). `docs/topics.md` documents every field.

A *source* of counts is one input partition, `(source_topic, source_partition)`. Its own watermark closes its
event-time windows: `closed_through` = c promises that the source adds no more counts to any window <= c.
A *window* is the number `event time // window_ms`, which is also the version of what is decided when it closes.

Ranges of fields and columns are declared here. The codec checks them whenever it writes or reads a record, so
processors need not.
"""

from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from contracts.arrays import F32, I32, I64, U8, U16, U32, U64
from contracts.columns import MOST_MAGNITUDE
from contracts.frames import Frame, Within
from contracts.records import END_OF_TIME_MS, MAX_ID, TWITTER_BEGAN_MS, Id, Name, Provenance, TimeMs, VocabConfigured

# What an entity's counters count, in the order of their columns: append, never reorder.
COUNTERS = ("seen", "like", "retweet", "reply", "quote", "click", "negative", "posted")

# Kinds of entity that own counters; the number is on the wire.
TWEET, AUTHOR, VIEWER, PAIR = range(4)
ENTITY_KINDS = ("tweet", "author", "viewer", "pair")

Partition = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Window = Annotated[int, Meta(ge=0, le=2**32)]  # windows are a second long or more, and event time ends in 2100
Version = Annotated[int, Meta(ge=0, le=2**63 - 1)]

Ids = Annotated[U64, Within(0, MAX_ID)]
Kinds = Annotated[U8, Within(0, len(ENTITY_KINDS) - 1)]
Slots = Annotated[I32, Within(0, 2**31 - 1)]
Times = Annotated[I64, Within(TWITTER_BEGAN_MS, END_OF_TIME_MS)]
Probabilities = Annotated[F32, Within(0, 1, nan=True)]  # NaN under a fallback order
Magnitudes = Annotated[F32, Within(-MOST_MAGNITUDE, MOST_MAGNITUDE)]


class VocabCounts(Frame, frozen=True, kw_only=True):
    """How often one source saw each key in one window. Topic `vocab-counts`.

    Row i: `keys[i]` occurred `counts[i]` times in tweets of language `languages[i]` (`vocab/languages.py`). Rows for
    the same key add up, within a frame and over all frames of a window.
    `token_keys`/`tokens` give the spelling of keys that may be new to the owner. A source spells each key at least
    once per window.
    """

    source_topic: str
    source_partition: Partition
    closed_through: Annotated[int, Meta(ge=-1, le=2**32)]
    window: Window
    keys: U64
    namespaces: U8
    counts: U32
    token_keys: U64
    tokens: list[str]
    languages: U16


class VocabDelta(Frame, frozen=True, kw_only=True):
    """What one virtual shard decided when a window closed. Topic `vocab-deltas`.

    `version` is the window; `sequence` counts this shard's deltas from 1. The empty vocabulary is version 0.
    No key is both admitted and evicted. Evictions apply first, so one delta may free a slot and assign it again.
    `settings` are those that took effect with this version, the same in all shards. A shard's first delta has them.
    """

    vocabulary: str
    shard: Partition
    base_version: Version
    version: Version
    sequence: Version
    admitted_keys: U64
    admitted_slots: Slots
    admitted_generations: U32
    admitted_namespaces: U8
    admitted_tokens: list[str]
    evicted_keys: U64
    evicted_slots: Slots
    settings: VocabConfigured | None = None


class BinCounts(Frame, frozen=True, kw_only=True):
    """Values of continuous features in one window, counted in log-spaced buckets. Topic `bin-counts`.

    Row i: `counts[i]` values of feature `features[i]` (its index in the feature set) fell into bucket `buckets[i]`.
    If the values are labelled, `positives[i]` of them belong to examples that were engaged with; otherwise the column
    `positives` is empty.
    """

    source_topic: str
    source_partition: Partition
    closed_through: Annotated[int, Meta(ge=-1, le=2**32)]
    window: Window
    feature_set: str
    features: U16
    buckets: I32
    counts: U32
    positives: U32


class FeatureUpdates(Frame, frozen=True, kw_only=True):
    """Partial aggregates on their way to the one owner of each entity. Topic `feature-updates`.

    Row i adds `counts[i, :]` (rows x len(COUNTERS)) to entity `entities[i]` of kind `kinds[i]` in pane
    `panes[i]` (event time // pane_ms). History rows name tweets that a viewer engaged with, and when.
    """

    kinds: Kinds
    entities: U64
    panes: U32
    counts: U32
    history_viewers: Ids
    history_at_ms: Times
    history_tweets: Ids


class CandidatesServed(Frame, frozen=True, kw_only=True):
    """The features that the scorer used for every tweet that it served for one request. Topic `candidates-served`.

    Row i is place i of the timeline. Dense values are raw, or `columns.MISSING`. A row's keys are concatenated field
    by field; `*_lengths` (rows x fields) gives the number of keys of each field. `*_weights` has one weight for each
    key of a weighted field, in the same order. A row's vectors are concatenated too. `feature_set` identifies the
    order of features, fields and vectors.
    """

    request_id: Name
    viewer_id: Id
    at_ms: TimeMs
    ranker: str
    model_version: Version
    vocab_version: Version
    bins_version: Version
    tokenizer: Version
    feature_set: str
    provenance: Provenance
    tweet_ids: Ids
    author_ids: Ids
    probabilities: Probabilities
    viewer_dense: F32
    viewer_lengths: U8
    viewer_keys: U64
    candidate_dense: F32
    candidate_lengths: U8
    candidate_keys: U64
    viewer_weights: Magnitudes
    viewer_vectors: Magnitudes
    candidate_weights: Magnitudes
    candidate_vectors: Magnitudes


def empty(dtype: Any) -> NDArray[Any]:
    """A column without rows."""
    return np.empty(0, dtype)
