"""The summary: what is counted, what is shown, and what is never shown."""

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.records import Provenance, RankedTimeline, RankedTweet, Reason
from driftline.demo.freshness import Freshness
from driftline.demo.quality import Quality
from driftline.demo.report import show
from driftline.demo.report_data import (
    SHOWN_TIMELINES,
    Report,
    Served,
    TimelineScan,
    TopicFlow,
    most_moved_bins,
    without_texts,
    without_token_texts,
)
from driftline.demo.run import Options, texts_shown
from driftline.demo.truth import BestPossible
from driftline.inspect.backfill_report import Parity
from driftline.inspect.bins import BinsAt, BinsSummary, distance
from driftline.inspect.timelines import Place, ShownTimeline
from driftline.inspect.vocab import Movers, Token
from driftline.inspect.vocab_log import Growth
from sources import open_source

AT_MS = 1_767_225_600_000


def timeline(number: int, *, explained: bool, version: int | None = 7) -> RankedTimeline:
    reasons = [Reason(feature="tags", log_odds=0.5)] if explained else []
    return RankedTimeline(
        request_id=f"r-{number}", viewer_id="42", at_ms=AT_MS + number * 1_000,
        ranker="model" if version else "recency", tweets=[RankedTweet(id="71", probability=0.25, reasons=reasons)],
        model="timeline", model_version=version, provenance=Provenance.SIMULATED_VIEWERS,
    )  # fmt: skip


def bins(feature: str, first: list[float], newest: list[float]) -> BinsSummary:
    return BinsSummary(
        feature=feature, versions=4, first=BinsAt(feature=feature, version=10, edges=first, moved=0.0),
        newest=BinsAt(feature=feature, version=20, edges=newest, moved=0.1), moved=distance(first, newest),
    )  # fmt: skip


def quality(log_loss: float) -> Quality:
    return Quality(
        evaluations=5,
        examples=25_000,
        base_rate=0.1,
        log_loss=log_loss,
        pr_auc=0.31,
        rce=12.34,
        calibration_error=0.01,
    )


def token(spelled: str, velocity: float) -> Token:
    return Token(namespace="hashtag", token=spelled, key="00ff", count=12.0, velocity=velocity, score=velocity / 2)


def report(**changes: Any) -> Report:
    shown = ShownTimeline(
        answer=timeline(1, explained=True),
        places=[
            Place(
                tweet_id="71", author="ann", text="good [bold]morning[/bold]", probability=0.25,
                reasons=[Reason(feature="tags", log_odds=0.5)],
            )
        ],
    )  # fmt: skip
    made = Report(
        description="2,800 real tweets of press.csv.gz",
        provenance=Provenance.SIMULATED_VIEWERS,
        wall_s={"feeding": 150.2},
        began_ms=AT_MS,
        ended_ms=AT_MS + 3_600_000,
        flows=[
            TopicFlow(topic="tweets", offsets=3_000, events=2_800, of="tweets"),
            TopicFlow(topic="vocab-counts", offsets=900, events=None, of="VocabCounts"),
        ],
        lags={"ingest": 0, "trainer": 3},
        vocabulary=Growth(
            version=20, deltas=640, admitted=1_234, capacity=32_768, admissions=1_300, evictions=66,
            namespaces={"word": 1_200, "hashtag": 34},
        ),
        movers=Movers(
            version=20, namespace="hashtag", rising=[token("sunrise", 3.5)], falling=[token("sunset", -2.25)]
        ),
        movers_ms=AT_MS,
        bins=[bins("tweet.age_s", [1.0, 2.0, 4.0], [10.0, 20.0, 40.0])],
        early=quality(0.5),
        late=quality(0.25),
        best_possible=BestPossible(all=0.21, early=0.22, late=0.2),
        published=16,
        served=Served(timelines=560, rankers={"model": 500, "recency": 60}, versions={1: 200, 2: 300}),
        freshness=Freshness(median_ms=5_100, p90_ms=12_700, completed=900, waiting=20),
        parity=Parity(version=2, served=1_300, same_bits=1_300, others=0, differences=[]),
        examples=7_000,
        engaged=920,
        timelines=[shown],
        texts_shown=True,
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def rendered(shown: Report) -> str:
    """What is printed, each run of spaces as one; no line is padded."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        show(shown)
    assert [line for line in printed.getvalue().splitlines() if line != line.rstrip()] == []
    return re.sub(" +", " ", printed.getvalue())


@pytest.mark.parametrize(
    "said",
    [
        "2,800 real tweets of press.csv.gz",
        "real tweets, simulated viewers",
        "tweets 2,800",
        "trainer 3",
        "1,234 tokens of 32,768 slots",
        "#sunrise 12.0 +3.5 +1.8",
        "#sunset 12.0 -2.2 -1.1",
        "bins of tweet.age_s: 4 at window 20",
        "first: 1 < 2 < 4",
        "newest: 10 < 20 < 40",
        "log-loss (nats) 0.5000 0.2500",
        "best possible log-loss 0.2200 0.2000 0.2100",
        "RCE (%)",
        "PR-AUC",
        "calibration error",
        "16 versions published, 2 swapped in",
        "5.1 s in the median",
        "1,300 of 1,300 scores that version 2 served have the same bits",
        "@ann",
        "good [bold]morning[/bold]",
        "tags +0.50",
        "ranked by timeline 7",
    ],
)
def test_the_summary_says(said: str) -> None:
    assert said in rendered(report())


def test_a_run_too_short_for_anything_is_still_summed_up() -> None:
    nothing = BestPossible(all=None, early=None, late=None)
    fresh = Freshness(median_ms=None, p90_ms=None, completed=0, waiting=4)
    text = rendered(
        report(
            movers=None, movers_ms=None, bins=[], early=None, late=None, best_possible=nothing, freshness=fresh,
            parity=None, timelines=[],
        )
    )  # fmt: skip
    assert "no engagement came full circle" in text
    assert "no window was decided" in text
    assert "no snapshot that ranked is left" in text


def test_without_texts_nothing_of_them_is_left_in_text_or_json() -> None:
    shown = report()
    assert shown.movers is not None
    hidden = msgspec.structs.replace(
        shown, timelines=without_texts(shown.timelines), movers=without_token_texts(shown.movers), texts_shown=False
    )
    for said in (rendered(hidden), msgspec.json.encode(hidden).decode()):
        assert "71" in said
        assert not [word for word in ("morning", "ann", "sunrise", "sunset") if word in said]


def test_the_json_is_the_report() -> None:
    assert msgspec.json.decode(msgspec.json.encode(report()), type=Report) == report()


TROLLS = """publish_date,author,account_category,followers,content
2016-02-06 20:24:00,someone,Commercial,4,"one, two"
2016-02-06 20:25:00,someone else,RightTroll,4,three
"""


@pytest.mark.parametrize(
    ("name", "rows", "shown"),
    [
        ("ira_en_public.csv", TROLLS, False),
        ("renamed.csv", TROLLS, False),
        ("miracle.csv", TROLLS.replace("RightTroll", "Unknown"), True),
        ("ira_en_public.csv", "date,author,text\n2016-02-06,someone,RightTroll\n", True),
    ],
)
def test_texts_of_troll_accounts_are_never_shown_whatever_their_file_is_called(
    tmp_path: Path, name: str, rows: str, shown: bool
) -> None:
    path = tmp_path / name
    path.write_text(rows)
    source = open_source(path)
    assert texts_shown(Options(source=path), source) is shown
    assert not texts_shown(Options(source=path, texts=False), source)
    assert texts_shown(Options(), None)


def test_late_explained_timelines_are_shown_and_all_are_counted() -> None:
    scan = TimelineScan()
    for number in range(40):
        version = None if number < 5 else number // 10
        scan.observe(AT_MS + 40 - number, timeline(number, explained=number % 10 == 0, version=version))
    assert [shown.request_id for shown in scan.shown()] == ["r-10", "r-20", "r-30"][-SHOWN_TIMELINES:]
    served = scan.served()
    assert served.rankers == {"recency": 10, "model": 30}  # numbers 5 to 9 are of version 0, which is none
    assert served.timelines == 40
    assert scan.first_served_ms[3] == AT_MS + 40 - 39


def test_the_liveliest_bins_are_those_that_moved_furthest() -> None:
    still = bins("a", [1.0, 2.0], [1.0, 2.0])
    moved = bins("b", [1.0, 2.0, 3.0], [7.0, 8.0, 9.0])
    some = bins("c", [1.0, 2.0, 3.0], [1.5, 2.5, 3.5])
    gone = bins("d", [1.0, 2.0, 3.0], [])
    assert [summary.feature for summary in most_moved_bins([still, some, gone, moved])] == ["b", "c"]


def test_where_hashtags_are_few_words_are_shown_and_the_summary_says_so() -> None:
    words = [msgspec.structs.replace(token(word, 1.0), namespace="word") for word in ("rain", "sun")]
    made = report(movers=Movers(version=20, namespace="word", rising=words, falling=[]))
    text = rendered(made)
    assert "hardly any hashtag was frequent enough for a slot, so these are words:" in text
    assert "fastest rising words" in text
    assert "#rain" not in text
    assert "no word is falling" in text
