"""What `Tokenizer.tokenize` returns, slowly and plainly: the definition, which the compiled one is tested against."""

import itertools
from collections.abc import Iterator

from contracts.records import Entities, Tweet
from vocab.keys import key_of
from vocab.namespaces import Namespace
from vocab.tokens.patterns import Token, canonical, canonical_host, canonical_language, tokens_of
from vocab.tokens.twitter_text import Kind, entities, fold_each, host_of

MAX_TEXT_TOKENS = 256
MAX_CLAIMS = 64  # of a tweet's entities, of each kind
MAX_KEYS = 64

SHORTENER = "t.co"
_CLAIMED = (
    (Kind.HASHTAG, "#", Namespace.HASHTAG),
    (Kind.MENTION, "@", Namespace.MENTION),
    (Kind.CASHTAG, "$", Namespace.CASHTAG),
)
_RANK = {Namespace.AUTHOR: 0, Namespace.LANG: 0, Namespace.WORD: 2, Namespace.BIGRAM: 3}  # names have rank 1


def tokens(tweet: Tweet) -> list[Token]:
    """The tokens of a tweet, each once, in the order of `tokenizer.Tokenizer`."""
    found = tokens_of(tweet.text)[:MAX_TEXT_TOKENS]
    if tweet.entities is not None:
        found = _expanded(found, tweet.entities) + list(_claims(tweet.text, tweet.entities))
    whole = [(Namespace.AUTHOR, str(tweet.author_id)), (Namespace.LANG, canonical_language(tweet.lang)), *found]
    whole += [
        (Namespace.BIGRAM, f"{first[1]} {second[1]}")
        for first, second in itertools.pairwise(found)
        if first[0] == second[0] == Namespace.WORD and first[1] and second[1]
    ]
    once = list(dict.fromkeys(token for token in whole if token[1]))
    kept = set(sorted(range(len(once)), key=lambda at: (_RANK.get(once[at][0], 1), at))[:MAX_KEYS])
    return [token for at, token in enumerate(once) if at in kept]


def keys(tweet: Tweet) -> list[tuple[int, int]]:
    """(key, namespace) of each token of a tweet."""
    return [(key_of(*token), int(token[0])) for token in tokens(tweet)]


def _expanded(found: list[Token], claimed: Entities) -> list[Token]:
    """Shortened links replaced by the URLs of the entities, one for one in order."""
    hosts = (canonical_host(host_of(url)) for url in claimed.urls[:MAX_CLAIMS])
    expanded = iter([host for host in hosts if host not in ("", SHORTENER)])
    return [
        (Namespace.DOMAIN, next(expanded, SHORTENER)) if token == (Namespace.DOMAIN, SHORTENER) else token
        for token in found
    ]


def _claims(text: str, claimed: Entities) -> Iterator[Token]:
    """What the entities name and the text holds with its sign, whatever stands before the sign."""
    lists = (claimed.hashtags, claimed.mentions, claimed.cashtags)
    return (
        (namespace, canonical(namespace, name))
        for (kind, sign, namespace), names in zip(_CLAIMED, lists, strict=True)
        for name in names[:MAX_CLAIMS]
        if is_borne_out(text, kind, sign + name)
    )


def is_borne_out(text: str, kind: Kind, claim: str) -> bool:
    """Whether a claim is one entity from end to end, and stands in the text in whatever case and width."""
    alone = [(entity.kind, entity.begin, entity.name_end) for entity in entities(claim)]
    return alone == [(kind, 0, len(claim))] and fold_each(claim) in fold_each(text)
