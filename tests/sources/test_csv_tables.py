"""CSV, compression and recognition of files."""

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from contracts.errors import BadSource
from contracts.records import PublicCounts, Tweet
from sources import Rejected, open_source
from sources.values import author_id_of, parse_time


def write(folder: Path, text: str, name: str = "t.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def tweets_of(path: Path, **options: object) -> list[Tweet]:
    found = list(open_source(path, **options))  # type: ignore[arg-type]
    assert all(isinstance(item, Tweet) for item in found), found
    return [item for item in found if isinstance(item, Tweet)]


def reasons_of(path: Path) -> list[tuple[int, str]]:
    return [(item.row, item.reason) for item in open_source(path) if isinstance(item, Rejected)]


def test_id_and_author_come_from_the_address_where_there_is_no_column(tmp_path: Path) -> None:
    text = "created_at,text,url,replies,retweets,favorites\n2014-08-14 16:50:00,a,https://twitter.com/bob/status/77,1,2,3\n"
    (tweet,) = tweets_of(write(tmp_path, text))
    assert (tweet.id, tweet.author, tweet.author_id) == (77, "bob", author_id_of("BOB"))
    assert tweet.public_counts == PublicCounts(likes=3, retweets=2, replies=1)
    assert tweet.created_ms == 1408035000000


def test_date_and_clock_columns_make_one_time(tmp_path: Path) -> None:
    text = "id_compte,id_tweet,date,heure_UTC0,text\n5,6,2022-01-11,14:34:57,bonjour\n"
    (tweet,) = tweets_of(write(tmp_path, text))
    assert (tweet.created_ms, tweet.author_id, tweet.author) == (1641911697000, 5, "5")


@pytest.mark.parametrize("header", ["time,text,user", "created_at,text,user,time"])
def test_a_column_named_time_is_the_time_unless_it_stands_beside_a_date(tmp_path: Path, header: str) -> None:
    row = "2022-01-11 14:34:57,a,b" + ",noon" * header.count(",time")
    assert tweets_of(write(tmp_path, f"{header}\n{row}\n"))[0].created_ms == 1641911697000


def test_missing_and_damaged_ids_get_stable_synthetic_ones(tmp_path: Path) -> None:
    header = "created_at,user,text,tweet_id\n"
    rows = [
        "2017-02-26 02:15:41,a,one,",
        "2017-02-26 02:15:41,a,two,835674666597376000",
        "2017-02-26 02:15:41,a,three,8.35674666597376E+17",
        "2017-02-26 02:15:41,a,four,835674666597376123",
    ]
    found = tweets_of(write(tmp_path, header + "\n".join(rows)))
    again = tweets_of(write(tmp_path, header + "\n".join(reversed(rows)), "again.csv"))
    assert found[3].id == 835674666597376123
    assert {tweet.id for tweet in found} == {tweet.id for tweet in again}
    assert len({tweet.id for tweet in found}) == 4
    assert 835674666597376000 not in {tweet.id for tweet in found}
    assert all(0 <= tweet.id < 2**63 for tweet in found)


def test_equal_rows_are_passed_on_once(tmp_path: Path) -> None:
    source = open_source(write(tmp_path, "created_at,user,text\n" + "2015-02-16 23:36:00,a,same\n" * 3))
    assert len(list(source)) == 1
    assert source.counts == {"tweets": 1, "duplicate": 2}


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_one_byte_outside_utf8_makes_the_whole_file_windows_1252(tmp_path: Path, encoding: str) -> None:
    text = "created_at,user,text\n2015-02-16 23:36:00,a,caf\xe9 &amp; cr\xe8me\n"
    (tweet,) = tweets_of(write(tmp_path, text, encoding=encoding))
    assert tweet.text == "café & crème"


def test_smart_quotes_are_quotes_and_undefined_bytes_stay(tmp_path: Path) -> None:
    row = "“smart quotes” — 5 €".encode("cp1252") + b" \x81"
    path = tmp_path / "t.csv"
    path.write_bytes(b"created_at,user,text\n2015-02-16 23:36:00,a," + row + b"\n")
    assert tweets_of(path)[0].text == "“smart quotes” — 5 € \x81"


def test_a_mark_of_byte_order_before_a_quoted_header_is_no_part_of_its_name(tmp_path: Path) -> None:
    text = '\ufeff"id","created_at","user","text"\n"77","2015-02-16 23:36:00","a","hello"\n'
    assert tweets_of(write(tmp_path, text))[0].id == 77


def test_lines_may_end_in_cr_alone(tmp_path: Path) -> None:
    rows = ["created_at,user,text,id", *(f"2015-02-16 23:36:00,a,tweet {i},{i}" for i in range(20_000))]
    found = tweets_of(write(tmp_path, "\r".join(rows) + "\r"))
    assert [tweet.id for tweet in found] == list(range(20_000))
    compressed = tmp_path / "t.csv.gz"
    compressed.write_bytes(gzip.compress("\r".join(rows).encode()))
    assert len(tweets_of(compressed)) == 20_000


SENTIMENT_140 = (
    '"0","1467810369","Mon Apr 06 22:19:45 PDT 2009","NO_QUERY","_TheSpecialOne_","@switchfoot Awww"\n'
    '"4","1467810672","Mon Apr 06 22:19:49 PDT 2009","NO_QUERY","scotthamilton","is upset"\n'
)


def test_a_file_without_a_header_is_read_by_the_places_of_its_columns(tmp_path: Path) -> None:
    path = write(tmp_path, SENTIMENT_140)
    first, second = tweets_of(path, columns={"text": "5", "time": "2", "author": "4", "id": "1"})
    assert (first.id, first.author, first.text) == (1467810369, "_TheSpecialOne_", "@switchfoot Awww")
    assert first.created_ms == parse_time("2009-04-07T05:19:45Z")
    assert second.id == 1467810672
    with pytest.raises(BadSource, match=r"if the first line is no header.*--columns text=5,time=2,author=4"):
        open_source(path)
    with pytest.raises(BadSource, match=r"no column text=6: the first row has 6 cells, counted from 0"):
        open_source(path, columns={"text": "6", "time": "2", "author": "4"})
    with pytest.raises(BadSource, match=r"must say the place of time too"):
        open_source(path, columns={"text": "5", "author": "4"})
    with pytest.raises(BadSource, match=r"must say the place of author, author_id or url too"):
        open_source(path, columns={"text": "5", "time": "2"})


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("Datetime,Tweet Id,Text,Username", "2021-01-01 00:00:00+00:00,77,hello,bob"),
        (
            "url,date,rawContent,renderedContent,id,user,replyCount,retweetCount,likeCount,quoteCount,lang",
            "https://x.com/bob/status/77,2021-01-01 00:00:00+00:00,hello,hello,77,\"{'username': 'x'}\",1,2,3,0,en",
        ),
        (
            "id,conversation_id,created_at,text,lang,public_metrics.like_count,author_id,author.username,"
            "author.public_metrics.followers_count",
            "77,77,2021-01-01T00:00:00.000Z,hello,en,3,5,bob,9",
        ),
        ("userid,username,followers,tweetid,tweetcreatedts,text", "5,bob,9,77,2021-01-01 00:00:00.000000,hello"),
        ("user_name,user_followers,date,text,tweet_id", "bob,9,2021-01-01 00:00:00,hello,77"),
    ],
)
def test_the_headings_of_known_scrapers_are_found(tmp_path: Path, header: str, row: str) -> None:
    (tweet,) = tweets_of(write(tmp_path, f"{header}\n{row}\n"))
    assert (tweet.id, tweet.author, tweet.text) == (77, "bob", "hello")
    assert tweet.created_ms == parse_time("2021-01-01T00:00:00Z")
    if "followers" in header:
        assert tweet.author_followers == 9


@pytest.mark.parametrize("count", ["lots", "-1", "3.5", "nan"])
def test_a_count_that_is_none_is_not_known(tmp_path: Path, count: str) -> None:
    text = f"created_at,user,text,likes,followers_count\n2015-02-16 23:36:00,a,hello,{count},{count}\n"
    (tweet,) = tweets_of(write(tmp_path, text))
    assert (tweet.public_counts, tweet.author_followers) == (None, None)


def test_utf8_file_with_a_byte_order_mark_and_semicolons_is_read(tmp_path: Path) -> None:
    (tweet,) = tweets_of(write(tmp_path, "\ufefftext;created_at;user\n\u00e9t\u00e9;2015-02-16;a\n"))
    assert tweet.text == "été"


def test_own_columns_and_time_format_go_first(tmp_path: Path) -> None:
    path = write(tmp_path, "when,message,who,text\n16.02.2015 23h36,hello,ann,not this\n")
    columns = {"text": "message", "time": "when", "author": "who"}
    (tweet,) = tweets_of(path, columns=columns, time_format="%d.%m.%Y %Hh%M")
    assert (tweet.text, tweet.author, tweet.created_ms) == ("hello", "ann", parse_time("16-02-2015 23:36"))


def test_bad_rows_are_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    rows = [
        "created_at,user,text,tweet_id,retweet_count",
        "2015-02-16 23:36:00,a,good,1,0",
        "2015-02-16 23:36:00,a,,2,0",
        "1970-01-01 00:00:00,a,old,3,0",
        "soon,a,when,4,0",
        "2015-02-16 23:36:00,a,overflow,99999999999999999999,0",
        "2015-02-16 23:36:00,a,few cells",
        "2015-02-16 23:36:00,,nobody,5,0",
        "2015-02-16 23:36:00,a,count,6,lots",
        "",
        '2015-02-16 23:36:00,a,"' + "x" * 140_000 + '",7,0',
        "2015-02-16 23:36:00,a," + "y" * 400_000 + ",8,0",
        "2015-02-16 23:36:00,a,good too,9,",
    ]
    path = write(tmp_path, "\n".join(rows))
    assert [item.id for item in open_source(path) if isinstance(item, Tweet)] == [1, 6, 9]
    assert reasons_of(path) == [
        (2, "missing_field"),
        (3, "bad_time"),
        (4, "bad_time"),
        (5, "bad_id"),
        (6, "malformed"),
        (7, "missing_field"),
        (10, "malformed"),
        (11, "too_large"),
    ]


def test_text_over_several_lines_is_one_row(tmp_path: Path) -> None:
    text = 'created_at,user,text\n2015-02-16 23:36:00,a,"one\n\ntwo ""quoted"""\n2015-02-16 23:37:00,a,three\n'
    assert [tweet.text for tweet in tweets_of(write(tmp_path, text))] == ['one\n\ntwo "quoted"', "three"]


def test_frames_of_zstd_end_to_end_are_one_file(tmp_path: Path) -> None:
    compress = zstandard.ZstdCompressor().compress
    path = tmp_path / "t.zst"
    path.write_bytes(compress(b"created_at,user,text\n2015-02-16,a,one\n") + compress(b"2015-02-16,a,two\n"))
    assert [tweet.text for tweet in tweets_of(path)] == ["one", "two"]


@pytest.mark.parametrize("suffix", ["gz", "zst", "tar.gz"])
def test_compressed_files_and_archives_are_recognized_by_content(tmp_path: Path, suffix: str) -> None:
    content = b"created_at,user,text\n2015-02-16 23:36:00,a,hello\n"
    path = tmp_path / "anything"
    if suffix == "gz":
        path.write_bytes(gzip.compress(content))
    elif suffix == "zst":
        path.write_bytes(zstandard.ZstdCompressor().compress(content))
    else:
        with tarfile.open(path, "w:gz") as archive:
            for name, data in (("a/one.csv", content), ("a/none.txt", b"just words\n")):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    found = list(open_source(path))
    assert isinstance(found[0], Tweet)
    assert [(item.reason, item.origin) for item in found[1:] if isinstance(item, Rejected)] == (
        [("not_a_source", "anything/a/none.txt")] if suffix == "tar.gz" else []
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"a,b,c\n1,2,3\n", "--columns text=COLUMN"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "not text"),
        (b"[\n{]\n", "does not parse"),
    ],
)
def test_what_is_no_source_is_refused_with_what_would_help(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(BadSource, match=message):
        list(open_source(path))


def test_missing_file_and_unknown_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadSource, match=r"nothing\.csv"):
        open_source(tmp_path / "nothing.csv")
    path = write(tmp_path, "created_at,user,text\n")
    with pytest.raises(BadSource, match="no column 'message'"):
        open_source(path, columns={"text": "message"})
    with pytest.raises(BadSource, match="no such field: txt"):
        open_source(path, columns={"txt": "text"})


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.ZstdCompressor().compress], ids=["gz", "zst"])
def test_compressed_file_that_is_cut_short_says_so(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    rows = b"".join(b"2015-02-16 23:36:00,a,hello %d\n" % (i * i) for i in range(100_000))
    path = tmp_path / "cut"
    path.write_bytes(compress(b"created_at,user,text\n" + rows)[:-20])
    with pytest.raises(BadSource, match="damaged"):
        list(open_source(path))


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2014-06-26 00:00:20+00:00", 1403740820000),
        ("2014-06-26T02:00:20.250+02:00", 1403740820250),
        ("26-06-2014 00:00", 1403740800000),
        ("6/26/2014 0:00", 1403740800000),
        ("1403740820", 1403740820000),
        ("1403740820123", 1403740820123),
        ("2014-06-26", 1403740800000),
    ],
)
def test_times_are_read_as_documented(text: str, ms: int) -> None:
    assert parse_time(text) == ms


def test_an_archive_has_offensive_texts_once_a_file_of_troll_accounts_was_reached(tmp_path: Path) -> None:
    path = tmp_path / "two.tar"
    with tarfile.open(path, "w") as archive:
        for name, category in (("first.csv", "Commercial"), ("second.csv", "LeftTroll")):
            content = f"publish_date,author,account_category,content\n2016-02-06,{name},{category},x\n".encode()
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    source = open_source(path)
    assert [source.offensive_texts for _ in source] == [False, True]
