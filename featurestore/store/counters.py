"""Counters of tweets, authors, viewers and (viewer, author) pairs: summing, routing, folding.

Folding is independent of order: a state depends only on the set of updates in it. Totals add up. `current` and
`previous` are the counts of panes P and P-1, where P is the newest pane seen; an older update adds to the totals
only. (A count of pane P-1 is never lost before P is seen, because no newer pane could push it out.) A history holds
the newest tweets by (time, id), each once, at its newest time. Sums saturate at 2^32-1, which is independent of order
too.
"""

from collections.abc import Sequence

import numpy as np

from contracts.arrays import F64, I64, U8, U32, U64, Records
from contracts.columnar import AUTHOR, COUNTERS, PAIR, TWEET, VIEWER, FeatureUpdates
from contracts.records import ACTIONS, ENGAGED, Action
from featurestore.features import HISTORY
from featurestore.store.grouping import group, place_in_group, sum_rows
from featurestore.store.redis_layout import HISTORY_RECORD, owner_of, pair_of

NEGATIVE = (Action.HIDE, Action.MUTE, Action.BLOCK, Action.REPORT)
_NAME_OF_ACTION = {**{action: action.value for action in ACTIONS}, **dict.fromkeys(NEGATIVE, "negative")}
# The column of COUNTERS that an action adds to, by its index in ACTIONS; -1 for none (dwell, follow).
_COLUMN = np.array([COUNTERS.index(n) if (n := _NAME_OF_ACTION[a]) in COUNTERS else -1 for a in ACTIONS], np.int64)
_IS_ENGAGED = np.array([action in ENGAGED for action in ACTIONS])

_POSTED = COUNTERS.index("posted")
_MOST = np.uint64(2**32 - 1)


def aggregate_engagements(
    viewer_ids: U64, tweet_ids: U64, author_ids: U64, actions: U8, at_ms: I64, pane_ms: int
) -> FeatureUpdates:
    """The updates from n engagements to their tweets, authors, viewers and pairs. `actions[i]`: index in ACTIONS."""
    columns = _COLUMN[actions]
    kept = columns >= 0
    viewers, tweets, authors, times = viewer_ids[kept], tweet_ids[kept], author_ids[kept], at_ms[kept]
    engaged = _IS_ENGAGED[actions]
    first, index = group(viewer_ids[engaged], tweet_ids[engaged])
    newest = np.zeros(len(first), np.int64)
    np.maximum.at(newest, index, at_ms[engaged])
    return _updates(
        np.repeat(np.array([TWEET, AUTHOR, VIEWER, PAIR], np.uint8), len(viewers)),
        np.concatenate([tweets, authors, viewers, pair_of(viewers, authors)]),
        np.tile(times // pane_ms, 4),
        np.tile(columns[kept], 4),
        history=(viewer_ids[engaged][first], newest, tweet_ids[engaged][first]),
    )


def aggregate_posts(author_ids: U64, created_ms: I64, pane_ms: int) -> FeatureUpdates:
    """The updates from n tweets to their authors."""
    n = len(author_ids)
    nothing = np.empty(0, np.uint64)
    return _updates(
        np.full(n, AUTHOR, np.uint8),
        author_ids,
        created_ms // pane_ms,
        np.full(n, _POSTED, np.int64),
        history=(nothing, np.empty(0, np.int64), nothing),
    )


def _updates(kinds: U8, entities: U64, panes: I64, columns: I64, *, history: tuple[U64, I64, U64]) -> FeatureUpdates:
    first, index = group(kinds, entities, panes)
    width = len(COUNTERS)
    counts = np.bincount(index * width + columns, minlength=len(first) * width)
    return FeatureUpdates(
        kinds=kinds[first],
        entities=entities[first],
        panes=panes[first].astype(np.uint32),
        counts=counts.astype(np.uint32),
        history_viewers=history[0],
        history_at_ms=history[1],
        history_tweets=history[2],
    )


def route(updates: FeatureUpdates, owners: int) -> list[tuple[int, FeatureUpdates]]:
    """The updates by owner, as (partition of `feature-updates`, its rows), for those of `owners` that have any."""
    by_owner = _rows_by_owner(updates.entities, owners)
    histories_by_owner = _rows_by_owner(updates.history_viewers, owners)
    counts = updates.counts.reshape(-1, len(COUNTERS))
    routed = []
    for owner, (rows, history_rows) in enumerate(zip(by_owner, histories_by_owner, strict=True)):
        if len(rows) or len(history_rows):
            part = FeatureUpdates(
                kinds=updates.kinds[rows],
                entities=updates.entities[rows],
                panes=updates.panes[rows],
                counts=counts[rows].reshape(-1),
                history_viewers=updates.history_viewers[history_rows],
                history_at_ms=updates.history_at_ms[history_rows],
                history_tweets=updates.history_tweets[history_rows],
            )
            routed.append((owner, part))
    return routed


def _rows_by_owner(entities: U64, owners: int) -> list[I64]:
    """The rows of each owner's entities, ascending."""
    of_row = owner_of(entities, owners)
    return np.split(np.argsort(of_row, kind="stable"), np.cumsum(np.bincount(of_row, minlength=owners))[:-1])


def fold_counters(states: Records, index: I64, panes: U32, counts: U32, versions: U64) -> Records:
    """New COUNTERS_RECORDs with r update rows folded in.

    states: [n]. index: [r], the state of each row. counts: uint32[r, len(COUNTERS)]. versions: [r], offset + 1 of the
    row's frame. Rows whose version is already in the state are skipped, so re-delivery changes nothing.
    """
    news = versions > states["version"][index]
    index, panes, counts, versions = index[news], panes[news], counts[news], versions[news]
    result, n = states.copy(), len(states)
    newest = states["pane"].astype(np.int64)
    np.maximum.at(newest, index, panes.astype(np.int64))
    moved = (newest - states["pane"])[:, None]
    current = np.where(moved == 0, states["current"], 0).astype(np.uint64)
    previous = np.where(moved == 0, states["previous"], np.where(moved == 1, states["current"], 0)).astype(np.uint64)
    age = newest[index] - panes
    result["totals"] = np.minimum(states["totals"] + sum_rows(index, n, counts), _MOST)
    result["current"] = np.minimum(current + sum_rows(index[age == 0], n, counts[age == 0]), _MOST)
    result["previous"] = np.minimum(previous + sum_rows(index[age == 1], n, counts[age == 1]), _MOST)
    result["pane"] = newest
    result["version"] = _newest_versions(states, index, versions)
    return result


def fold_history(states: Records, index: I64, at_ms: I64, tweets: U64, versions: U64) -> Records:
    """New HISTORY_RECORDs with r engagements folded in; arguments as for `fold_counters`."""
    news = versions > states["version"][index]
    index, at_ms, tweets, versions = index[news], at_ms[news], tweets[news], versions[news]
    n = len(states)
    rows = np.concatenate([np.repeat(np.arange(n), HISTORY), index])
    times = np.concatenate([states["at_ms"].reshape(-1), at_ms])
    ids = np.concatenate([states["tweets"].reshape(-1), tweets])
    some = times > 0
    rows, times, ids = rows[some], times[some], ids[some]
    first, same = group(rows, ids)
    newest = np.zeros(len(first), np.int64)
    np.maximum.at(newest, same, times)
    rows, ids = rows[first], ids[first]
    order = np.lexsort((~ids, -newest, rows))
    rows, times, ids = rows[order], newest[order], ids[order]
    place = place_in_group(rows)
    kept = place < HISTORY
    result = np.zeros(n, HISTORY_RECORD)
    result["at_ms"][rows[kept], place[kept]] = times[kept]
    result["tweets"][rows[kept], place[kept]] = ids[kept]
    result["version"] = _newest_versions(states, index, versions)
    return result


def _newest_versions(states: Records, index: I64, versions: U64) -> U64:
    newest = states["version"].astype(np.uint64)
    np.maximum.at(newest, index, versions)
    return newest


def recent(states: Records, at_ms: I64, pane_ms: int) -> F64:
    """float64[n, len(COUNTERS)]: approximate counts over the pane_ms before `at_ms` (int64[n]).

    The count of the present pane, plus the share of the previous pane that is still within pane_ms. A state ahead of
    `at_ms` is read as of the beginning of its own pane.
    """
    pane = states["pane"].astype(np.int64)
    at_ms = np.maximum(at_ms, pane * pane_ms)
    passed = at_ms // pane_ms - pane
    remaining = 1.0 - (at_ms % pane_ms) / pane_ms
    same, next_one = (passed == 0)[:, None], (passed == 1)[:, None]
    now = np.where(same, states["current"], 0)
    before = np.where(same, states["previous"], np.where(next_one, states["current"], 0))
    return np.asarray(now + before * remaining[:, None], np.float64)


def concatenate(frames: Sequence[tuple[int, FeatureUpdates]]) -> tuple[FeatureUpdates, U64, U64]:
    """(all rows of frames at their offsets, version of each counter row, version of each history row)."""
    updates = [frame for _, frame in frames]
    versions = np.array([offset + 1 for offset, _ in frames], np.uint64)
    joined = FeatureUpdates(
        kinds=np.concatenate([update.kinds for update in updates]),
        entities=np.concatenate([update.entities for update in updates]),
        panes=np.concatenate([update.panes for update in updates]),
        counts=np.concatenate([update.counts for update in updates]),
        history_viewers=np.concatenate([update.history_viewers for update in updates]),
        history_at_ms=np.concatenate([update.history_at_ms for update in updates]),
        history_tweets=np.concatenate([update.history_tweets for update in updates]),
    )
    return (
        joined,
        np.repeat(versions, [len(update.entities) for update in updates]),
        np.repeat(versions, [len(update.history_viewers) for update in updates]),
    )
