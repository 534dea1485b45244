"""Kinds of tokens. A key is the hash of its namespace and its token, so kinds never collide by spelling."""

from enum import IntEnum


class Namespace(IntEnum):
    """The number is hashed into every key and is on the wire: append, never renumber."""

    WORD = 0
    BIGRAM = 1  # two consecutive words
    HASHTAG = 2
    MENTION = 3
    CASHTAG = 4
    DOMAIN = 5
    EMOJI = 6
    AUTHOR = 7  # the decimal author id
    VIEWER = 8  # the decimal viewer id; never counted from tweets
    LANG = 9


# Namespaces whose tokens travel beside their keys, because people read them.
SPELLED = (
    Namespace.WORD,
    Namespace.HASHTAG,
    Namespace.MENTION,
    Namespace.CASHTAG,
    Namespace.DOMAIN,
    Namespace.EMOJI,
    Namespace.AUTHOR,
    Namespace.LANG,
)

# Character n-grams of words. The number is hashed like a namespace's, but an n-gram is no token: it is never counted
# or admitted, so no setting, list or count is for it.
SUBWORD = 10
