"""Single values of foreign files: text, times, ids and counts, each parsed by one rule or refused with a reason.

Every refusal is a `BadRecord`; dead letters are counted by its `reason`.
"""

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import xxhash

from contracts.errors import BadRecord
from contracts.records import END_OF_TIME_MS, MAX_ID, MAX_TWEET_BYTES, TWITTER_BEGAN_MS, Tweet

# Ids since November 2010 contain their time: milliseconds since this moment, shifted left by 22 bits.
SNOWFLAKE_EPOCH_MS = 1_288_834_974_657
FIRST_SNOWFLAKE = 29_700_859_247
SPREADSHEET_DIGITS = 15  # what a spreadsheet keeps of a number; it writes zeros for the rest


# English, whatever the locale.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_V1_TIME = re.compile(r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) (\d\d) (\d\d):(\d\d):(\d\d) (\+0000|UTC|GMT|PST|PDT) (\d{4})")
_HOURS_BEHIND = {"PST": 8, "PDT": 7}  # the zones of Sentiment140
_DAY_FIRST = re.compile(r"(\d{1,2})-(\d{1,2})-(\d{4}) (\d{1,2}):(\d\d)(?::(\d\d))?")
_MONTH_FIRST = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}) (\d{1,2}):(\d\d)(?::(\d\d))?")
_STATUS_URL = re.compile(r"(?:twitter|x)\.com/([^/]+)/status(?:es)?/(\d+)")


def clean_text(text: str) -> str:
    """The text as people read it: HTML entities unescaped once, NULs dropped. U+FFFD and mojibake stay."""
    if "&" in text:
        text = html.unescape(text)
    return text.replace("\x00", "") if "\x00" in text else text


def parse_time(text: str, time_format: str | None = None) -> int:
    """Milliseconds since 1970 UTC. A time without a zone is UTC.

    Reads ISO 8601, v1.1's `Wed Mar 18 13:46:38 +0000 2009`, `16-02-2015 23:36` (day first), `2/16/2015 23:36`
    (month first), and digits alone (seconds, or milliseconds from 10^11 on). `time_format` is for `strptime`.
    Raises `BadRecord` (`bad_time`) for anything else and for a time before Twitter or after 2100.
    """
    try:
        found = _parse_time(text.strip(), time_format)
    except (ValueError, OverflowError) as error:
        raise BadRecord("bad_time", f"{text[:60]!r} is no time that is understood") from error
    if not TWITTER_BEGAN_MS <= found <= END_OF_TIME_MS:
        raise BadRecord("bad_time", f"{text[:60]!r} is before Twitter began or after 2100")
    return found


def _parse_time(text: str, time_format: str | None) -> int:
    if time_format is not None:
        return _to_ms(datetime.strptime(text, time_format))
    if match := _V1_TIME.fullmatch(text):
        month, day, hour, minute, second, zone, year = match.groups()
        local = datetime(int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second))
        return _to_ms(local + timedelta(hours=_HOURS_BEHIND.get(zone, 0)))
    if match := _DAY_FIRST.fullmatch(text):
        day, month, year, hour, minute, second = match.groups()
        return _to_ms(datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0)))
    if match := _MONTH_FIRST.fullmatch(text):
        month, day, year, hour, minute, second = match.groups()
        return _to_ms(datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0)))
    if text.isascii() and text.isdigit() and len(text) >= 9:
        return int(text) if len(text) >= 12 else int(text) * 1000
    return _to_ms(datetime.fromisoformat(text))


def _to_ms(moment: datetime) -> int:
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000


def parse_id(value: object, what: str = "id") -> int:
    """An id from its digits or an integer. Raises `BadRecord` (`bad_id`) for anything else and past 63 bits."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 19:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_ID:
        return value
    raise BadRecord("bad_id", f"{what} {str(value)[:40]!r} is no integer of 0 .. 2^63-1")


def lost_digits(text: str) -> bool:
    """Whether an id went through a spreadsheet: `8.35E+17`, or zeros from the 16th digit on.

    One true id in 1,000 (18 digits) or 10,000 (19 digits) also ends in such zeros; it gets a synthetic id too.
    """
    if text.isascii() and text.isdigit():
        return len(text) > SPREADSHEET_DIGITS + 2 and not text[SPREADSHEET_DIGITS:].strip("0")
    return bool(re.fullmatch(r"\d([.,]\d+)?[eE]\+?\d+", text))


def synthetic_id(*content: str) -> int:
    """A stable 63-bit id made from `content`: the same content gives the same id in every run."""
    return xxhash.xxh3_64_intdigest("\x1f".join(content).encode("utf-8", "surrogatepass")) >> 1


def author_id_of(handle: str) -> int:
    """A stable id for an author known only by handle. Case does not matter."""
    return synthetic_id("author", handle.casefold())


def parse_count(text: str) -> int | None:
    """The count in a cell, also as `1203.0` or `1,203`. None for anything else: it is not known."""
    plain = text.strip().replace(",", "").removesuffix(".0")
    return int(plain) if plain.isascii() and plain.isdigit() and len(plain) < 16 else None


def known_count(value: object) -> int | None:
    """A count as JSON has it: an integer, or a whole number such as `3.0`. None for anything else: not known."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None


def status_of_url(url: str) -> tuple[str, str] | None:
    """(handle, id) from a tweet's URL, or None for any other URL."""
    match = _STATUS_URL.search(url)
    return (match[1], match[2]) if match else None


def time_of_snowflake(tweet_id: int) -> int | None:
    """The time in an id, or None for an id from before ids contained it."""
    return (tweet_id >> 22) + SNOWFLAKE_EPOCH_MS if tweet_id >= FIRST_SNOWFLAKE else None


def checked_tweet(fields: dict[str, Any]) -> Tweet:
    """A `Tweet` with every field in its range. Raises `BadRecord`: `malformed`, or `too_large` past the limit."""
    try:
        tweet = msgspec.convert(fields, Tweet)
    except msgspec.ValidationError as error:
        raise BadRecord("malformed", f"Tweet: {error}") from error
    if tweet.entities is not None:  # all else together cannot pass the limit
        size = len(msgspec.json.encode(tweet))
        if size > MAX_TWEET_BYTES:
            raise BadRecord("too_large", f"{size} bytes as a record, more than {MAX_TWEET_BYTES}")
    return tweet
