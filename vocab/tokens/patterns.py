"""What a token is: the canonical form that is hashed, from what stands in a text.

Plain Python on the pinned tables. `native` does the same for most tokens, and calls this for the few whose characters
compose (`é` written as two). `docs/tokens.md` lists what is dropped.
"""

import re

from vocab.namespaces import Namespace
from vocab.tokens import twitter_text
from vocab.tokens import unicode_data as u
from vocab.tokens.folding import ascii_lower, fold
from vocab.tokens.twitter_text import MAX_HOST_CHARS, Kind
from vocab.tokens.unicode_data import FLAGS
from vocab.tokens.words import segments

MAX_WORD_CHARS = 64  # a longer run of letters is no word that comes again: dropped
MAX_TAG_CHARS = 100

Token = tuple[Namespace, str]  # with its canonical form, which is "" where the token is dropped

_ELONGATED = re.compile(r"(.)\1{2,}", re.DOTALL)
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{1,8})*")
_NO_EMOJI = "©®™"
_KEYCAP = "\u20e3"
APOSTROPHES = "’‘ʼ"  # written for a straight one; that of full width folds to it
_NAMESPACE = {
    Kind.URL: Namespace.DOMAIN,
    Kind.HASHTAG: Namespace.HASHTAG,
    Kind.MENTION: Namespace.MENTION,
    Kind.CASHTAG: Namespace.CASHTAG,
}


def tokens_of(text: str) -> list[Token]:
    """The tokens of a text in its order: entities, and words and emoji of what stands between them."""
    found: list[Token] = []
    at = 0
    for entity in twitter_text.entities(text):
        found += _between(text[at : entity.begin])
        namespace = _NAMESPACE[entity.kind]
        found.append((namespace, canonical_segment(namespace, text[entity.name_begin : entity.name_end])))
        at = entity.end
    return found + _between(text[at:])


def _between(text: str) -> list[Token]:
    found = [_segment(segment) for segment in segments(text)]
    return [token for token in found if token is not None]


def _segment(segment: str) -> Token | None:
    """The token of what stands between two word boundaries; None for spaces, punctuation and lone symbols."""
    first = int(FLAGS[ord(segment[0])])
    is_word = any(int(FLAGS[ord(c)]) & u.WORDLIKE for c in segment[1:])
    if (
        (first & u.PICTOGRAPH and segment[0] not in _NO_EMOJI and not is_word)
        or len(_regionals(segment)) > 1
        or (segment[0] in "#*0123456789" and _without_selectors(segment)[1:] == _KEYCAP)
    ):
        return Namespace.EMOJI, canonical_emoji(segment)
    if is_word or first & u.WORDLIKE:
        return Namespace.WORD, canonical_word(segment)
    return None


def canonical_word(segment: str) -> str:
    """Folded, apostrophes straight, without keycaps, letters repeated more than twice squeezed to two; "" where
    dropped."""
    if len(segment) > MAX_WORD_CHARS or "\ud800" <= segment[:1] <= "\udfff":
        return ""
    word = fold(segment).translate(_STRAIGHT)
    if " " in word:  # a few compatibility characters are whole phrases
        word = fold(word.replace(" ", ""))
    word = _ELONGATED.sub(lambda run: run[1] * (2 if _is(run[1], u.LETTER) else len(run[0])), word)
    kept = len(word) <= MAX_WORD_CHARS and any(_is(c, u.WORDLIKE) for c in word)
    return word if kept else ""


def canonical_emoji(segment: str) -> str:
    """As it stands, without the selectors of a picture or a plain sign; of a flag the two letters alone."""
    if len(segment) > MAX_WORD_CHARS:
        return ""
    return _regionals(segment) or _without_selectors(segment)


def canonical_tag(name: str) -> str:
    """A hashtag without its sign, folded."""
    folded = "" if len(name) > MAX_TAG_CHARS else fold(name)
    return folded if len(folded) <= MAX_TAG_CHARS else ""


def canonical_host(host: str) -> str:
    """A host folded, without `www.`."""
    if len(host) > 4 and ascii_lower(host[:4]) == "www." and "." in host[4:]:
        host = host[4:]
    folded = fold(host)
    return folded if len(folded) <= MAX_HOST_CHARS else ""


def canonical_language(lang: str) -> str:
    """A lower-case language tag; `und`, undetermined, for anything else."""
    lowered = ascii_lower(lang)
    return lowered if _LANGUAGE.fullmatch(lowered) else "und"


def canonical_segment(namespace: Namespace, surface: str) -> str:
    """The form of what stands in a text as a token of this namespace, without its sign; "" where it is dropped."""
    return _CANONICAL[namespace](surface)


def canonical(namespace: Namespace, token: str) -> str:
    """The token as it is hashed, from how a person writes it: with or without its sign, in any case."""
    match namespace:
        case Namespace.BIGRAM:
            return " ".join(canonical_word(word) for word in token.split(" ") if word)
        case Namespace.DOMAIN:
            return canonical_host(twitter_text.host_of(token))
        case Namespace.AUTHOR | Namespace.VIEWER:
            return token
        case _:
            return canonical_segment(namespace, token.lstrip("#＃@＠$") if namespace in _SIGNED else token)


def canonical_surface(surface: str) -> Token | None:
    """What a person means by this: one token, or two words for a bigram; None for anything else."""
    match tokens_of(surface):
        case [(namespace, token)] if token:
            return namespace, token
        case [(Namespace.WORD, first), (Namespace.WORD, second)] if first and second:
            return Namespace.BIGRAM, f"{first} {second}"
        case _:
            return None


def _regionals(segment: str) -> str:
    """The regional indicators of a segment that begins with one: a flag's two letters."""
    found = [c for c in segment if int(FLAGS[ord(c)]) & u.WB_MASK == u.REGIONAL]
    return "".join(found) if found and segment[0] == found[0] else ""


def _without_selectors(segment: str) -> str:
    return segment.replace("\ufe0f", "").replace("\ufe0e", "")


def _is(c: str, flag: int) -> bool:
    return int(FLAGS[ord(c)]) & flag != 0


_STRAIGHT = {**dict.fromkeys(map(ord, APOSTROPHES), "'"), ord(_KEYCAP): None}
_SIGNED = (Namespace.HASHTAG, Namespace.MENTION, Namespace.CASHTAG)
_CANONICAL = {
    Namespace.WORD: canonical_word,
    Namespace.HASHTAG: canonical_tag,
    Namespace.MENTION: ascii_lower,
    Namespace.CASHTAG: ascii_lower,
    Namespace.DOMAIN: canonical_host,
    Namespace.EMOJI: canonical_emoji,
    Namespace.LANG: canonical_language,
}
