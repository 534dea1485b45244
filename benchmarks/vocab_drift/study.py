"""The drift study, window by window: feeds all methods and tallies how keys share rows."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from benchmarks.vocab_drift.exact import Column, ExactCounter, Observed
from benchmarks.vocab_drift.method import Method
from benchmarks.vocab_drift.rows import Hashing, TwoHashes
from benchmarks.vocab_drift.tags import NewHashtags
from benchmarks.vocab_drift.vocabularies import Driftline, FirstMonth, Unbounded
from contracts.arrays import I64, U64, Bools
from contracts.columnar import VocabCounts
from contracts.records import Tweet
from contracts.settings import KindSettings, TimeSettings, VocabSettings
from vocab.keys import SHARDS
from vocab.namespaces import Namespace
from vocab.source_counter import SourceCounter
from vocab.tokens.tokenizer import TokenBatch, Tokenizer

DAY_MS = 86_400_000
SOURCE = ("tweets", 0)


RULES = KindSettings(capacity=0, rare_slots=0)  # the same rules for every kind, as in the exact counter


def scaled(capacity: int, window_ms: int) -> VocabSettings:
    """Settings with about `capacity` slots, divided among kinds as by default, and rare slots in proportion.

    All kinds have the same rules. Half-life and idle time are the same in event time for any window.
    """
    default, pace = VocabSettings(), TimeSettings().window_ms / window_ms
    share = capacity / sum(kind.capacity for kind in default.kinds.values())
    kinds = {
        name: msgspec.structs.replace(
            RULES,
            capacity=max(SHARDS, round(kind.capacity * share / SHARDS) * SHARDS) if kind.capacity else 0,
            rare_slots=max(1, int(kind.rare_slots * share)),
            half_life_windows=RULES.half_life_windows * pace,
            idle_windows=max(1, round(RULES.idle_windows * pace)),
        )
        for name, kind in default.kinds.items()
    }
    return msgspec.structs.replace(default, **kinds)


@dataclass(slots=True)
class Tally:
    """How keys share rows, summed over token occurrences; fields as in `Sharing`."""

    occurrences: float = 0
    own: float = 0
    alone: float = 0
    each_alone: float = 0
    others: float = 0
    clean: float = 0

    def add(self, method: Method, keys: I64, occurrences: I64) -> None:
        """Add a window's keys, with the rows that they have now."""
        sharing = method.sharing(keys)
        self.occurrences += float(occurrences.sum())
        self.own += float(occurrences @ sharing.own)
        self.alone += float(occurrences @ sharing.alone)
        self.each_alone += float(occurrences @ sharing.each_alone)
        self.others += float(occurrences @ sharing.others)
        self.clean += float(occurrences @ sharing.clean)


class Study:
    """Feed it tweets in order of time, in batches of whole windows; then call `finish`.

    The first month with at least `build_tweets` tweets makes the fixed vocabulary; the months after it are measured.
    Months are numbered from 1970 on. tallies, tags_stood, memory: lists in the order of `methods`.
    """

    def __init__(self, capacities: Sequence[int], window_ms: int, build_tweets: int) -> None:
        settings = [scaled(capacity, window_ms) for capacity in capacities]
        day, rules = DAY_MS // window_ms, settings[0].word
        self.settings, self.window_ms = settings, window_ms
        self.exact = ExactCounter(rules.admit_at, rules.evict_below, rules.half_life_windows)
        self.tags = NewHashtags(self.exact)
        self.unbounded = Unbounded(self.exact, day)
        self.driftlines = [Driftline(each, SOURCE, self.exact, day) for each in settings]
        self.first_months = [FirstMonth(each, self.exact) for each in settings]
        hashed: list[Method] = [kind(each) for kind in (Hashing, TwoHashes) for each in settings]
        self.methods: list[Method] = [*self.driftlines, self.unbounded, *self.first_months, *hashed]
        self.months: list[int] = []  # the measured months
        self.built_in = -1  # the month that made the fixed vocabulary
        self.tweets = self.windows = 0
        self.tallies: list[dict[int, Tally]] = [defaultdict(Tally) for _ in self.methods]
        # Key -> alone, each_alone, clean, when it had just crossed the threshold.
        self.tags_stood: list[dict[int, list[bool]]] = [{} for _ in self.methods]
        # Bytes of counting state and of table; the maximum over the ends of months.
        self.memory = [(0, 0)] * len(self.methods)
        self._build_tweets = build_tweets
        self._month = self._window = -1
        self._month_tweets = 0
        self._month_counts = Column(np.int64)
        self._crossed = np.empty(0, np.int64)  # new hashtags that crossed the threshold in the previous window
        self._tokenizer, self._counter = Tokenizer(), SourceCounter(*SOURCE, 1, SHARDS)

    def feed(self, tweets: Sequence[Tweet]) -> None:
        """Feed the next batch. It must not be empty, and later batches have no tweets of its last window."""
        times = np.array([tweet.created_ms for tweet in tweets], np.int64)
        windows = times // self.window_ms
        tokens = self._tokenizer.tokenize(tweets)
        frames = self._counter.count(tokens, windows, int(windows[-1]))
        begins = np.flatnonzero(np.diff(windows, prepend=-1))
        for (_, frame), begin, end in zip(frames, begins, [*begins[1:], len(tweets)], strict=True):
            self._observe(frame, tokens, times[begin:end], int(begin))

    def finish(self) -> None:
        """Close the last window."""
        for _, marker in self._counter.markers(self._window):
            self._decide(marker)
        self._end_month()

    def _observe(self, frame: VocabCounts, tokens: TokenBatch, times: I64, begin: int) -> None:
        """Observe one window: the batch's tweets from `begin` on. Keys have the rows of the windows before."""
        self._decide(frame)
        month = int(np.datetime64(int(times[0]), "ms").astype("datetime64[M]").astype(int))
        if month != self._month:
            self._end_month()
            self._month = month
        self._window = frame.window
        self.windows += 1
        self.tweets += len(times)
        self._month_tweets += len(times)
        offsets = tokens.offsets[begin : begin + len(times) + 1]
        token_keys = tokens.keys[offsets[0] : offsets[-1]]
        keys, at, occurrences = np.unique(token_keys, return_index=True, return_counts=True)
        known = len(self.exact.keys)
        observed = self.exact.observe(frame.window, keys, occurrences)
        new = observed.rows >= known
        self._add_keys(keys[new], tokens.namespaces[offsets[0] : offsets[-1]][at[new]] == Namespace.HASHTAG)
        for method in self.methods:
            method.update(observed)
        self._tally(observed)
        rows = self.exact.keys.number(token_keys)
        token_times = np.repeat(times, np.diff(offsets))
        self._crossed = self.tags.observe(observed, frame.window, month, rows, token_times)
        self.unbounded.admit(self.exact.admit(observed), frame.window)

    def _decide(self, frame: VocabCounts) -> None:
        """Let Driftline decide the windows before the frame's, then record the rows of hashtags that had crossed."""
        for driftline in self.driftlines:
            driftline.observe(frame)
        if not len(self._crossed):
            return
        for method, stood in zip(self.methods, self.tags_stood, strict=True):
            sharing = method.sharing(self._crossed)
            flags = np.stack([sharing.alone, sharing.each_alone, sharing.clean], axis=1)
            stood.update(zip(self._crossed.tolist(), flags.tolist(), strict=True))

    def _add_keys(self, keys: U64, hashtags: Bools) -> None:
        """Add the newly numbered keys to all methods, in the order of their numbers."""
        self.tags.add_keys(hashtags, self._month)
        for method in self.methods:
            method.add_keys(keys)
            if method.admissions is not None:
                method.admissions.add_keys(hashtags)

    def _tally(self, observed: Observed) -> None:
        if self.built_in >= 0:
            for method, tallies in zip(self.methods, self.tallies, strict=True):
                tallies[self._month].add(method, observed.rows, observed.occurrences)
        else:
            self._month_counts.fill_to(len(self.exact.keys), 0)
            self._month_counts.values[observed.rows] += observed.occurrences

    def _end_month(self) -> None:
        if self.built_in >= 0:
            self.months.append(self._month)
            for place, method in enumerate(self.methods):
                held, now = self.memory[place], method.memory()
                self.memory[place] = (max(held[0], now[0]), max(held[1], now[1]))
        elif self._month_tweets >= self._build_tweets:
            self.built_in = self._month
            occurred = np.flatnonzero(self._month_counts.values)
            for first_month in self.first_months:
                first_month.build(self.exact.keys.keys[occurred], self._month_counts.values[occurred])
        self._month_counts.values[:] = 0
        self._month_tweets = 0
