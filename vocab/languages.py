"""Languages as small numbers, so that a column of them costs two bytes a row.

The number is a tag's primary subtag, its 2 or 3 letters read as digits of base 27 (a = 1 ... z = 26): `en` is
5 * 27 + 14, and `pt-br` has the number of `pt`. A tag without a primary subtag of that form counts as `und`,
undetermined. 0 stands for all languages together; no tweet has it.
"""

import re

_PRIMARY = re.compile(r"([a-z]{2,3})(?:-|$)")
_BASE = 27
_BEFORE_A = ord("a") - 1

ALL = 0


def language_code(tag: str) -> int:
    """The number of a lower-case language tag, 28..19682."""
    found = _PRIMARY.match(tag)
    code = 0
    for letter in found[1] if found else "und":
        code = code * _BASE + ord(letter) - _BEFORE_A
    return code


def language_tag(code: int) -> str:
    """The primary subtag of a number, or `all`."""
    letters = ""
    while code:
        code, digit = divmod(code, _BASE)
        letters = chr(_BEFORE_A + digit) + letters
    return letters or "all"


UND = language_code("und")
