"""What a token is: the pattern that finds tokens in a text, and the canonical form that is hashed.

One pass of one pattern over the raw text gives *surfaces* (`"Soooo"`, `"#Ｔａｇ"`, `"https://t.co/x"`);
`canonical_surface` says what a surface means. Normalizing surfaces rather than texts costs nothing for a
surface that was met before. Texts of ASCII alone take a smaller pattern that finds the same in them.

Hashtags, mentions and cashtags follow twitter-text's boundaries. `docs/vocabulary.md` lists what is dropped.
"""

import re
import unicodedata

import regex

from vocab.namespaces import Namespace

MAX_WORD_CHARS = 64  # a longer run of letters is no word that comes again: dropped
MAX_DOMAIN_CHARS = 253

# Letters, marks, digits, underscore, and the joiners that twitter-text lets a hashtag hold.
_TAG = (
    r"\p{L}\p{M}\p{Nd}_"
    r"\u200c\u200d\ua67e\u05be\u05f3\u05f4\uff5e\u301c\u309b\u309c\u30a0\u30fb\u3003\u0f0b\u0f0c\u00b7"
)
_LINK = r"(?i:https?://|www\.)(?:[\w\-]+\.)+(?:[a-zA-Z]{2,63}|xn--[a-zA-Z0-9\-]+)(?::\d+)?(?:[/?#][!-~]*)?"
_WORD = r"(?![hHwW](?i:ttps?://|ww\.))\w+(?:['’]\w+)*"
_AFTER_RT = r"(?<=(?<![\w+~.\-])[rR][tT])|(?<=(?<![\w+~.\-])[rR][tT]:)"
_CASHTAG = r"(?<!\S)\$[a-zA-Z]{1,6}(?:[._][a-zA-Z]{1,2})?(?![^\W_])"
_PICTURE = r"(?![©®™])\p{Extended_Pictographic}(?:\p{EMod}|\ufe0f)*"
_EMOJI = rf"\p{{RI}}{{2}}|{_PICTURE}(?:\u200d{_PICTURE})*"

_ASCII = re.compile(
    r"(?=[\w#@$])(?:"  # skips what begins no token, which is most of what is no word
    rf"{_WORD.replace('’', '')}"
    r"|#(?=[0-9_]*[a-zA-Z])(?<![\w&]#)\w++(?!#|://)"
    rf"|(?:(?<![\w!#$%&*@])|{_AFTER_RT})@\w{{1,20}}+(?!@|://)"
    rf"|{_CASHTAG}|{_LINK})",
    re.ASCII,
)
_UNICODE = regex.compile(
    rf"{_WORD}"
    rf"|[#＃](?=[\p{{Nd}}_]*[\p{{L}}\p{{M}}])(?:(?<=[\ufe0e\ufe0f][#＃])|(?<![{_TAG}&][#＃]))[{_TAG}]++(?![#＃]|://)"
    rf"|(?:(?<![a-zA-Z0-9_!#$%&*@＠])|{_AFTER_RT})[@＠][a-zA-Z0-9_]{{1,20}}+(?![@＠\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff]|://)"
    rf"|{_CASHTAG}|{_LINK}|{_EMOJI}"
)
_DOMAIN = regex.compile(r"(?i)(?:https?://)?(?:www\.)?((?:[\w\-]+\.)+(?:[a-z]{2,63}|xn--[a-z0-9\-]+))")
_WORD_PARTS = regex.compile(r"\w+(?:'\w+)*")
_WORD_STARTS = regex.compile(r"\w")
_ELONGATED = regex.compile(r"([^\W\d_])\1{2,}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{1,8})*", re.ASCII)


def surfaces(text: str) -> list[str]:
    """The surfaces of a text, in its order."""
    return _ASCII.findall(text) if text.isascii() else _UNICODE.findall(text)


def surfaces_by_unicode_pattern(text: str) -> list[str]:
    """`surfaces` without the pattern for ASCII: what that one is tested against."""
    found: list[str] = _UNICODE.findall(text)
    return found


def fold(text: str) -> str:
    """NFKC and case folding, such that folding twice changes nothing more."""
    if text.isascii():
        return text.lower()
    normal = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", normal).casefold()


def canonical_surface(surface: str) -> tuple[Namespace, str] | None:
    """What a surface means; None where it is dropped."""
    sign = surface[0]
    if sign in "#＃":
        return Namespace.HASHTAG, fold(surface[1:])
    if sign in "@＠":
        return Namespace.MENTION, surface[1:].lower()
    if sign == "$":
        return Namespace.CASHTAG, surface[1:].lower()
    if is_link(surface):
        domain = domain_of(surface)
        return (Namespace.DOMAIN, domain) if domain else None
    if not _WORD_STARTS.match(surface):
        return Namespace.EMOJI, surface.replace("\ufe0f", "")
    word = canonical_word(surface)
    return (Namespace.WORD, word) if word else None


def canonical_word(surface: str) -> str:
    """Folded, of word characters and inner apostrophes only, elongations squeezed to two; "" where dropped."""
    if len(surface) > MAX_WORD_CHARS:
        return ""
    word = _ELONGATED.sub(r"\1\1", fold(surface).replace("’", "'"))
    if not word.isalnum():
        word = "".join(_WORD_PARTS.findall(word))
    return word if len(word) <= MAX_WORD_CHARS else ""


def canonical(namespace: Namespace, token: str) -> str:
    """The token as it is hashed, from how a person writes it: with or without its sign, in any case."""
    match namespace:
        case Namespace.WORD:
            return canonical_word(token)
        case Namespace.BIGRAM:
            return " ".join(canonical_word(word) for word in token.split())
        case Namespace.HASHTAG:
            return fold(token.lstrip("#＃"))
        case Namespace.MENTION | Namespace.CASHTAG:
            return token.lstrip("@＠$").lower()
        case Namespace.DOMAIN:
            return domain_of(token)
        case Namespace.EMOJI:
            return token.replace("\ufe0f", "")
        case Namespace.LANG:
            return canonical_language(token)
        case Namespace.AUTHOR | Namespace.VIEWER:
            return token


def canonical_language(lang: str) -> str:
    """A lower-case language tag; `und`, undetermined, for what is none."""
    lowered = lang.lower()
    return lowered if _LANGUAGE.fullmatch(lowered) else "und"


def is_link(surface: str) -> bool:
    """Whether a surface is a URL, which no word begins like."""
    return surface[0] in "hHwW" and surface[:8].lower().startswith(("http://", "https://", "www."))


def domain_of(url: str) -> str:
    """The folded host name of a URL, without `www.` and port; "" where there is none."""
    found = _DOMAIN.match(url)
    return fold(found[1]) if found and len(found[1]) <= MAX_DOMAIN_CHARS else ""
