"""Unicode's default word boundaries (UAX #29, rules WB1 to WB999) on the pinned tables, rule after rule."""

from vocab.tokens import unicode_data as u
from vocab.tokens.unicode_data import FLAGS

_BREAKS = (u.CR, u.LF, u.NEWLINE)
_IGNORED = (u.EXTEND, u.FORMAT, u.ZWJ)
_LETTERS = (u.ALETTER, u.HEBREW)
_IN_WORD = (u.MID_LETTER, u.MID_NUM_LET, u.SINGLE_QUOTE)
_IN_NUMBER = (u.MID_NUM, u.MID_NUM_LET, u.SINGLE_QUOTE)


def segments(text: str) -> list[str]:
    """The text cut at its word boundaries: words, and each space and punctuation mark between."""
    flags = [int(FLAGS[ord(c)]) for c in text]
    classes = [flag & u.WB_MASK for flag in flags]
    cuts = [at for at in range(1, len(text)) if _breaks(classes, at, flags[at] & u.PICTOGRAPH != 0)]
    return [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True) if begin < end]


def _breaks(classes: list[int], at: int, pictograph: bool) -> bool:
    """Whether a boundary stands before character `at` (> 0), which may be a pictograph."""
    before, after = classes[at - 1], classes[at]
    if before == u.CR and after == u.LF:  # WB3
        return False
    if before in _BREAKS or after in _BREAKS:  # WB3a, WB3b
        return True
    if (before == u.ZWJ and pictograph) or before == after == u.WSEG_SPACE or after in _IGNORED:  # WB3c, WB3d, WB4
        return False
    earlier = [c for c in reversed(_since_break(classes, at)) if c not in _IGNORED]
    if not earlier:
        return True
    last, second = earlier[0], earlier[1] if len(earlier) > 1 else u.OTHER
    following = _following(classes, at)
    if last in _LETTERS and after in _LETTERS:  # WB5
        return False
    if last in _LETTERS and after in _IN_WORD and following in _LETTERS:  # WB6
        return False
    if second in _LETTERS and last in _IN_WORD and after in _LETTERS:  # WB7
        return False
    if last == u.HEBREW and after == u.SINGLE_QUOTE:  # WB7a
        return False
    if last == u.HEBREW and after == u.DOUBLE_QUOTE and following == u.HEBREW:  # WB7b
        return False
    if second == u.HEBREW and last == u.DOUBLE_QUOTE and after == u.HEBREW:  # WB7c
        return False
    if last in (*_LETTERS, u.NUMERIC) and after in (*_LETTERS, u.NUMERIC):  # WB8, WB9, WB10
        return False
    if second == u.NUMERIC and last in _IN_NUMBER and after == u.NUMERIC:  # WB11
        return False
    if last == u.NUMERIC and after in _IN_NUMBER and following == u.NUMERIC:  # WB12
        return False
    if last == after == u.KATAKANA:  # WB13
        return False
    joined = (*_LETTERS, u.NUMERIC, u.KATAKANA, u.EXTEND_NUM_LET)
    if (last in joined and after == u.EXTEND_NUM_LET) or (last == u.EXTEND_NUM_LET and after in joined):  # WB13a, b
        return False
    if last == after == u.REGIONAL:  # WB15, WB16: flags are pairs
        others = next((i for i, c in enumerate(earlier) if c != u.REGIONAL), len(earlier))
        return others % 2 == 0
    return True  # WB999


def _since_break(classes: list[int], at: int) -> list[int]:
    begin = at
    while begin > 0 and classes[begin - 1] not in _BREAKS:
        begin -= 1
    return classes[begin:at]


def _following(classes: list[int], at: int) -> int:
    """The class of the next character after `at` that counts."""
    return next((c for c in classes[at + 1 :] if c not in _IGNORED), u.OTHER)
