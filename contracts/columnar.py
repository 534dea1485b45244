"""The columnar records between Driftline's own processes, in MessagePack: one record carries many rows.

Layout of every column: one little-endian numpy array, one element a row, unless the field says `rows x width`
(row-major, flattened). `docs/topics.md` documents every field.

A *source* of counts is one input partition, `(source_topic, source_partition)`. It closes event-time windows by
its own watermark: `closed_through` = c promises that it never again counts into a window <= c.
A *window* is the number `event time // window_ms`, which is also the version of what is decided when it closes.

The range of every field and column that has one is declared here; the codec checks it whenever a record is written or
read, so that no processor has to.
"""

from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from contracts.arrays import F32, I32, I64, U8, U16, U32, U64
from contracts.codec import Frame, Within
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
Probabilities = Annotated[F32, Within(0, 1)]  # NaN under a fallback order


class VocabCounts(Frame, frozen=True, kw_only=True):
    """How often each key occurred in one window, as one source read it. Topic `vocab-counts`.

    Row i: `counts[i]` times `keys[i]` in tweets of language `languages[i]` (`vocab/languages.py`). Rows add up, in
    one frame and over the frames of a window.
    `token_keys`/`tokens` spell keys of this frame that may be new to the owner; a source spells each key at least
    once a window.
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

    `version` is the window; `sequence` counts this shard's deltas from 1; the empty vocabulary is version 0.
    Admitted and evicted are disjoint; eviction comes first, so a slot may be freed and given away in one delta.
    `settings`: those that took effect with this version, alike in all shards; the first delta of a shard has them.
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

    Row i: `counts[i]` values of feature `features[i]` (its index in the feature set) in bucket `buckets[i]`; of
    labelled values, `positives[i]` are of examples that were engaged with. Of values without labels the column is
    empty.
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
    """What the scorer saw of every tweet that it served for one request. Topic `candidates-served`.

    Row i is place i of the timeline. Dense values are raw, or `columns.MISSING`. Keys of a row stand field after
    field, `*_lengths` (rows x fields) says how many of each; `*_weights` belong to the keys of those fields that have
    weights, in their order. Vectors of a row stand one after another. `feature_set` names the order of all of it.
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
    viewer_weights: F32
    viewer_vectors: F32
    candidate_weights: F32
    candidate_vectors: F32


def empty(dtype: Any) -> NDArray[Any]:
    """A column of no rows."""
    return np.empty(0, dtype)
