"""The columnar records between Driftline's own processes, in MessagePack: one record carries many rows.

Layout of every column: one little-endian numpy array, one element a row, unless the field says `rows x width`
(row-major, flattened). `docs/topics.md` documents every field.

A *source* of counts is one input partition, `(source_topic, source_partition)`. It closes event-time windows by
its own watermark: `closed_through` = c promises that it never again counts into a window <= c.
A *window* is the number `event time // window_ms`, which is also the version of what is decided when it closes.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.arrays import F32, I32, I64, U8, U16, U32, U64
from contracts.codec import Frame
from contracts.records import Provenance, VocabConfigured

# What an entity's counters count, in the order of their columns: append, never reorder.
COUNTERS = ("seen", "like", "retweet", "reply", "quote", "click", "negative", "posted")

# Kinds of entity that own counters; the number is on the wire.
TWEET, AUTHOR, VIEWER, PAIR = range(4)
ENTITY_KINDS = ("tweet", "author", "viewer", "pair")


class VocabCounts(Frame, frozen=True, kw_only=True):
    """How often each key occurred in one window, as one source read it. Topic `vocab-counts`.

    Row i: `counts[i]` times `keys[i]` in tweets of language `languages[i]` (`vocab/languages.py`). Rows add up, in
    one frame and over the frames of a window.
    `token_keys`/`tokens` spell keys of this frame that may be new to the owner; a source spells each key at least
    once a window.
    """

    source_topic: str
    source_partition: int
    closed_through: int
    window: int
    keys: U64
    namespaces: U8
    counts: U32
    token_keys: U64
    tokens: list[str]
    languages: U16


class VocabDelta(Frame, frozen=True, kw_only=True):
    """What one virtual shard decided when a window closed. Topic `vocab-deltas`.

    `version` is the window; `sequence` counts this shard's deltas from 1; the empty vocabulary is version 0.
    Admitted and evicted are disjoint; eviction comes first, so a slot may be freed and given away in one delta.
    `settings`: those that took effect with this version, alike in all shards; the first delta of a shard has them.
    """

    vocabulary: str
    shard: int
    base_version: int
    version: int
    sequence: int
    admitted_keys: U64
    admitted_slots: I32
    admitted_generations: U32
    admitted_namespaces: U8
    admitted_tokens: list[str]
    evicted_keys: U64
    evicted_slots: I32
    settings: VocabConfigured | None = None


class BinCounts(Frame, frozen=True, kw_only=True):
    """Values of continuous features in one window, counted in log-spaced buckets. Topic `bin-counts`.

    Row i: `counts[i]` values of feature `features[i]` (its index in the feature set) in bucket `buckets[i]`; of
    labelled values, `positives[i]` are of examples that were engaged with. Of values without labels the column is
    empty.
    """

    source_topic: str
    source_partition: int
    closed_through: int
    window: int
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

    kinds: U8
    entities: U64
    panes: U32
    counts: U32
    history_viewers: U64
    history_at_ms: I64
    history_tweets: U64


class CandidatesServed(Frame, frozen=True, kw_only=True):
    """What the scorer saw of every tweet that it served for one request. Topic `candidates-served`.

    Row i is place i of the timeline. Dense values are raw, or `columns.MISSING`. Keys of a row stand field after
    field, `*_lengths` (rows x fields) says how many of each; `*_weights` belong to the keys of those fields that have
    weights, in their order. Vectors of a row stand one after another. `feature_set` names the order of all of it.
    """

    request_id: str
    viewer_id: int
    at_ms: int
    ranker: str
    model_version: int
    vocab_version: int
    bins_version: int
    tokenizer: int
    feature_set: str
    provenance: Provenance
    tweet_ids: U64
    author_ids: U64
    probabilities: F32
    viewer_dense: F32
    viewer_lengths: U8
    viewer_keys: U64
    candidate_dense: F32
    candidate_lengths: U8
    candidate_keys: U64
    viewer_weights: F32
    viewer_vectors: F32
    candidate_weights: F32
    candidate_vectors: F32


def empty(dtype: Any) -> NDArray[Any]:
    """A column of no rows."""
    return np.empty(0, dtype)
