"""Settings for compressed time."""

import numpy as np
import pytest

from contracts.settings import Settings
from contracts.settings_sources import load, to_environ
from driftline.demo import compressed_time
from vocab.rules import rules_of
from vocab.slot_layout import SlotLayout

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
BEGIN_MS = 1_700_000_000_000


def evenly(length_ms: int, n: int = 10_000) -> np.ndarray:
    return np.linspace(BEGIN_MS, BEGIN_MS + length_ms, n).astype(np.int64)


def test_a_source_is_thinned_only_as_far_as_the_time_demands() -> None:
    assert compressed_time.every_nth(1, 150) == 1
    assert compressed_time.every_nth(150 * compressed_time.MOST_TWEETS_PER_S, 150) == 1
    assert compressed_time.every_nth(150 * compressed_time.MOST_TWEETS_PER_S + 1, 150) == 2
    assert compressed_time.every_nth(947_890, 150) == 6


def test_viewers_of_short_files_ask_more_often() -> None:
    assert compressed_time.requests_per_tweet(2_800) == 1.0
    assert compressed_time.requests_per_tweet(30_000) == pytest.approx(0.2)
    assert compressed_time.requests_per_tweet(10_000_000) == compressed_time.FEWEST_REQUESTS_PER_TWEET


def test_derived_settings_fit_each_other_and_survive_the_environment() -> None:
    settings = compressed_time.settings_for(Settings(prefix="d-"), evenly(4 * HOUR_MS), requests=6_000)
    assert settings.prefix == "d-"
    assert settings.time.lateness_ms < settings.time.window_ms
    assert settings.join.label_window_ms == compressed_time.REACTION_MS
    assert settings.features.pane_ms % settings.time.window_ms == 0
    rules_of(settings.vocab)  # raises for settings that contradict each other
    assert SlotLayout.of(settings.vocab).num_slots < SlotLayout.of(Settings().vocab).num_slots / 3
    assert (
        compressed_time.VERSIONS_WANTED
        <= 6_000 * compressed_time.SEEN_PER_REQUEST / settings.trainer.publish_every_examples
        < 20
    )
    assert load(to_environ(settings)) == settings


def test_a_few_requests_still_make_versions_worth_their_figures() -> None:
    assert (
        compressed_time.settings_for(Settings(), evenly(HOUR_MS), requests=10).trainer.publish_every_examples == 500
    )
