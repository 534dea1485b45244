"""What `replay` and `simulate` say."""

import pytest

from contracts.records import Provenance
from driftline.feeding import console
from driftline.feeding.console import FeedBar, _summary, late_warning
from driftline.feeding.loop import Progress

AT_MS = 1_393_632_000_000  # 2014-03-01
NOW_MS = 1_767_225_600_000  # 2026-01-01


@pytest.mark.parametrize(
    ("first_ms", "last_ms", "stands_ms", "said"),
    [
        (AT_MS, AT_MS + 5, None, ""),
        (AT_MS, AT_MS + 5, AT_MS, ""),
        (AT_MS, AT_MS + 5, NOW_MS, "all tweets of the file are late"),
        (AT_MS, NOW_MS + 5, NOW_MS, "the tweets before that are late"),
    ],
)
def test_old_tweets_on_a_newer_log_get_a_warning(
    first_ms: int, last_ms: int, stands_ms: int | None, said: str
) -> None:
    found = late_warning(first_ms, last_ms, stands_ms)
    assert said in found
    assert bool(found) == bool(said)
    assert not found or ("2026-01-01 00:00:00" in found and "2014-03-01 00:00:00" in found)
    assert not found or "DRIFTLINE_PREFIX" in found


@pytest.mark.parametrize(("event_ms", "final_ms"), [(0, 0), (AT_MS, 0), (AT_MS, AT_MS + 60_000)])
def test_a_feed_that_ended_early_names_no_time_of_1970(event_ms: int, final_ms: int) -> None:
    text = _summary(Progress(event_ms=event_ms, final_ms=final_ms), Provenance.REAL, interrupted=True)
    assert "1970" not in text
    assert ("closing ticks" in text) == bool(final_ms)
    assert ("has not begun" in text) == (not event_ms)


def test_progress_in_a_file_is_whole_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(1_000))
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    with FeedBar(Provenance.SIMULATED_WORLD) as bar:
        bar.span(AT_MS, AT_MS + 3_600_000)
        fed = Progress(event_ms=AT_MS + 1_000, tweets=1_234_567, engagements=7_654_321, answered=8, requests=9)
        for _ in range(45):
            bar.fed(fed)
    lines = capsys.readouterr().err.splitlines()
    assert set(lines) == {"2014-03-01 00:00:01  1,234,567 tweets  7,654,321 engagements  8/9 answered"}
    assert 3 <= len(lines) <= 20
