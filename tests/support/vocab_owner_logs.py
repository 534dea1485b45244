"""Small logs of counts that trigger every rule of the vocabulary owner, and ways to run an owner over them."""

from collections.abc import Sequence

import msgspec
import numpy as np
from hypothesis import strategies as st

from contracts.codec import serialize
from contracts.columnar import VocabCounts, VocabDelta
from contracts.records import VocabConfigured
from contracts.settings import KindSettings, VocabSettings
from tests.support.vocab_frames import counts_frame
from vocab.keys import SHARDS, shard_of
from vocab.languages import language_code
from vocab.namespaces import Namespace
from vocab.owner.owner import VocabularyOwner
from vocab.owner.reference import ReferenceOwner
from vocab.rules import configured
from vocab.slot_layout import SlotLayout

PLAIN = VocabSettings.uniform(
    capacity=SHARDS,
    rare_slots=8,
    admit_at=3.0,
    evict_below=1.0,
    half_life_windows=2.0,
    candidates_per_slot=1.5,
)
# Two kinds that differ in every rule; one has as many slots as it can have keys.
SETTINGS = msgspec.structs.replace(
    PLAIN,
    word=msgspec.structs.replace(PLAIN.word, capacity=2 * SHARDS, half_life_windows=3.0, idle_windows=4),
    bigram=msgspec.structs.replace(PLAIN.bigram, admit_at=2.0, evict_below=0.5, hysteresis=0.0),
)
SOURCES = frozenset({("tweets", 0), ("tweets", 1)})
# Few keys in few shards, so that slots are scarce and every rule applies.
KEYS = [shard << 58 | i * 7 + 1 for shard in (0, 1, 5, 63) for i in range(6)]
FIRST = SlotLayout.of(SETTINGS).slots_of(Namespace.WORD, 0)[:1].tolist()
WORDS = [key for key in KEYS[:6] if key // 8 % 2 == 0]  # of shard 0


def frame(source: tuple[str, int], window: int, counts: dict[int, int], closed: int) -> VocabCounts:
    """A frame in which each key has a fixed namespace and spelling, and a language that depends on the window."""
    keys = sorted(counts)
    return counts_frame(
        window,
        closed,
        keys,
        [counts[key] for key in keys],
        [key // 8 % 2 for key in keys],
        source=source,
        tokens=[f"t{key}" for key in keys],
        languages=[language_code(("en", "de", "fr")[(key + window) % 3]) for key in keys],
    )


def only(
    counted: VocabCounts | VocabConfigured, shards: Sequence[int], of: int = SHARDS
) -> VocabCounts | VocabConfigured:
    """What a source sends to the owner of `shards`, of `of` shards in all: that owner's keys, and all settings."""
    if isinstance(counted, VocabConfigured):
        return counted
    mine = np.isin(shard_of(counted.keys, of), shards)
    return msgspec.structs.replace(
        counted,
        keys=counted.keys[mine],
        namespaces=counted.namespaces[mine],
        counts=counted.counts[mine],
        languages=counted.languages[mine],
        token_keys=counted.token_keys[mine],
        tokens=[token for token, here in zip(counted.tokens, mine.tolist(), strict=True) if here],
    )


@st.composite
def changes(draw: st.DrawFn) -> VocabSettings:
    """Random settings to change to."""
    kinds = {
        kind: KindSettings(
            capacity=SHARDS * draw(st.integers(0, 3)),
            rare_slots=draw(st.integers(1, 9)),
            admit_at=draw(st.sampled_from([1.5, 3.0, 5.0])),
            evict_below=draw(st.sampled_from([0.0, 1.0])),
            hysteresis=draw(st.sampled_from([0.0, 0.25, 1.0])),
            half_life_windows=draw(st.sampled_from([1.0, 2.0, 10.0])),
            idle_windows=draw(st.sampled_from([1, 3, 1_000])),
        )
        for kind in ("word", "bigram")
    }
    return msgspec.structs.replace(SETTINGS, candidates_per_slot=draw(st.sampled_from([0.0, 1.0, 4.0])), **kinds)


Log = dict[tuple[str, int], list[VocabCounts | VocabConfigured]]
ORDER = st.lists(st.booleans(), max_size=20)  # which source's frame comes next, or after which frames windows close


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """The frames of each source: ascending windows with gaps, each with one or more frames of counts, then closed.

    The log of the first source also has settings, for windows that it has not closed.
    """
    result: Log = {}
    for source in sorted(SOURCES):
        frames: list[VocabCounts | VocabConfigured] = []
        closed, window = 0, 100
        for _ in range(draw(st.integers(0, 7))):
            window += draw(st.sampled_from([0, 1, 1, 2, 3, 20, 70]))
            if window > closed:
                counts = draw(st.dictionaries(st.sampled_from(KEYS), st.integers(1, 6), max_size=12))
                frames.append(frame(source, window, counts, closed))
            if draw(st.booleans()):
                closed = max(closed, window - draw(st.integers(0, 2)))
                frames.append(frame(source, closed, {}, closed))
            if source == min(SOURCES) and draw(st.integers(0, 3)) == 0:
                frames.append(configured(draw(changes()), closed + 1 + draw(st.integers(0, 3))))
        frames.append(frame(source, 260, {}, 260))
        result[source] = frames
    return result


def interleaved(log: Log, order: list[bool]) -> list[VocabCounts | VocabConfigured]:
    """The frames of both sources, in one possible order."""
    first, second = (list(frames) for frames in log.values())
    mixed = []
    for pick in order:
        queue = (first if pick else second) or second or first
        if queue:
            mixed.append(queue.pop(0))
    return mixed + first + second


def by_shard(deltas: Sequence[VocabDelta]) -> dict[int, list[bytes]]:
    result: dict[int, list[bytes]] = {}
    for delta in deltas:
        result.setdefault(delta.shard, []).append(serialize(delta))
    return result


def take(owner: VocabularyOwner | ReferenceOwner, each: VocabCounts | VocabConfigured) -> None:
    if isinstance(each, VocabConfigured):
        owner.configure(each)
    else:
        owner.observe(each)


def run(
    owner: VocabularyOwner | ReferenceOwner, frames: Sequence[VocabCounts | VocabConfigured], close: Sequence[bool]
) -> list[VocabDelta]:
    deltas = []
    for i, each in enumerate(frames):
        take(owner, each)
        if i < len(close) and close[i]:
            deltas += owner.close_windows()
    return deltas + owner.close_windows()


def trend_rows(owner: VocabularyOwner) -> list[tuple[int, int, list[int]]]:
    """(key, language, counts) of an owner's trends."""
    trends = owner.state.trends
    return list(zip(trends.keys.tolist(), trends.languages.tolist(), trends.counts.T.tolist(), strict=True))


def of_shards(shards: int, settings: VocabSettings) -> VocabSettings:
    """The same settings with another number of shards, and equally many slots per shard."""
    kinds = {
        name: msgspec.structs.replace(kind, capacity=kind.capacity * shards // SHARDS)
        for name, kind in settings.kinds.items()
    }
    return msgspec.structs.replace(settings, shards=shards, **kinds)
