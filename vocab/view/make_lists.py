"""Makes the lists of one owner (`lists.py`)."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import nan

import numpy as np

from contracts.arrays import F32, U64
from vocab.languages import ALL
from vocab.namespaces import SPELLED
from vocab.owner.state import OwnerState
from vocab.trends.horizons import commonest_languages
from vocab.trends.spans import HORIZONS, LEAST_SCORE
from vocab.trends.velocity import movements
from vocab.view.lists import Lists, best

LIST_LENGTH = 100
LANGUAGES = 8
LANGUAGE_LIST_LENGTH = 20
_NO_KEYS = np.empty(0, np.uint64)


@dataclass(frozen=True, slots=True)
class _List:
    kind: int
    horizon: int
    namespace: int
    language: int
    keys: U64
    figures: F32  # [3, places]: counts, velocities, scores


def lists_of(state: OwnerState) -> Lists:
    """All lists of an owner that has decided a window, and its drift."""
    languages, all_languages = commonest_languages(state.trends, LANGUAGES)
    made = [each for language in (ALL, *languages) for each in _of_language(state, language)]
    keys, rows = np.unique(np.concatenate([_NO_KEYS, *(each.keys for each in made)]), return_inverse=True)
    figures = np.concatenate([np.empty((3, 0), np.float32), *(each.figures for each in made)], axis=1)
    measures = state.drift.measures(state.age)
    return Lists(
        shards=np.array(state.shards, np.uint8),
        of_shards=state.settings.shards,
        languages=np.array(languages, np.uint16),
        all_languages=all_languages,
        list_kinds=np.array([each.kind for each in made], np.uint8),
        list_horizons=np.array([each.horizon for each in made], np.uint8),
        list_namespaces=np.array([each.namespace for each in made], np.uint8),
        list_languages=np.array([each.language for each in made], np.uint16),
        list_lengths=np.array([len(each.keys) for each in made], np.uint16),
        rows=rows.astype(np.uint16),
        counts=figures[0],
        velocities=figures[1],
        scores=figures[2],
        keys=keys,
        tokens=state.spellings.of(keys),
        drift_admitted=measures.admitted,
        drift_changes_an_hour=measures.changes_an_hour,
        drift_occurrences=measures.occurrences,
        drift_outside=measures.outside,
        drift_window_distance=nan if measures.window_distance is None else measures.window_distance,
        drift_hour_distance=nan if measures.hour_distance is None else measures.hour_distance,
    )


def _of_language(state: OwnerState, language: int) -> Iterator[_List]:
    """All lists of one language that are not empty, by horizon, namespace and kind."""
    of_language = state.trends.languages == language
    keys, counts = state.trends.keys[of_language], state.trends.counts[:, of_language]
    namespaces = state.drift.namespaces[np.searchsorted(state.drift.keys, keys)]
    members = {namespace: np.flatnonzero(namespaces == namespace) for namespace in SPELLED}
    length = LIST_LENGTH if language == ALL else LANGUAGE_LIST_LENGTH
    for horizon in range(len(HORIZONS)):
        velocities, scores = movements(counts, horizon, state.window_ms, state.age)
        figures = np.stack([counts[horizon] * 2.0**-32, velocities, scores]).astype(np.float32)
        for namespace, rows in members.items():
            here, here_keys = figures[:, rows], keys[rows]
            for kind, merits in enumerate((here[0], here[2] - LEAST_SCORE, -here[2] - LEAST_SCORE)):
                some = np.flatnonzero(merits > 0)
                chosen = some[best(merits[some], here_keys[some], length)]
                if len(chosen):
                    yield _List(kind, horizon, namespace, language, here_keys[chosen], here[:, chosen])
