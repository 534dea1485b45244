"""Tokens as people write them on the command line."""

from contracts.errors import DriftlineError
from vocab.namespaces import Namespace


class NoSuchToken(DriftlineError):
    """The text is not a token, or the vocabulary does not have the token or the namespace."""


def parse_token(text: str, named: str | None = None) -> tuple[Namespace, str]:
    """(namespace, token) of a token as people write it (`#tag`, `@name`, `$CASH`, `word`, `two words`).

    named: the token's namespace, if it is not to be guessed. Raises `NoSuchToken` if the tokenizer would drop it.
    """
    from vocab.tokens import patterns  # the tables of Unicode, which those who only list tokens need not wait for

    if named is not None:
        if named.upper() not in Namespace.__members__:
            names = ", ".join(member.name.lower() for member in Namespace)
            raise NoSuchToken(f"no namespace {named!r}; there are {names}")
        namespace = Namespace[named.upper()]
        meaning = namespace, patterns.canonical(namespace, text)
    elif " " in text.strip():
        meaning = Namespace.BIGRAM, patterns.canonical(Namespace.BIGRAM, text)
    else:
        meaning = (text and patterns.canonical_surface(text)) or (Namespace.WORD, "")
    if not meaning[1]:
        raise NoSuchToken(f"{text!r} is not a token: the tokenizer drops it")
    return meaning
