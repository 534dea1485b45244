"""Unicode is pinned: the tables say what independent implementations say, and nothing else decides a token."""

import ast
import re
import subprocess
import sys
import unicodedata

import numpy as np
import pytest
import unicodedata2
from hypothesis import given, settings
from hypothesis import strategies as st
from uniseg.emoji import extended_pictographic
from uniseg.wordbreak import word_break
from uniseg.wordbreak import words as uniseg_words
from xxhash import xxh3_64_hexdigest

from tests.support.paths import ROOT
from vocab.tokens import folding, unicode_data
from vocab.tokens.folding import fold
from vocab.tokens.unicode_data import FLAGS, PICTOGRAPH, WB_MASK
from vocab.tokens.words import segments

TOKENS = ROOT / "vocab" / "tokens"
TOKEN_FILES = sorted(TOKENS.rglob("*.py"))
CLASSES = [
    "Other",
    "CR",
    "LF",
    "Newline",
    "Extend",
    "ZWJ",
    "Format",
    "WSegSpace",
    "Regional_Indicator",
    "Katakana",
    "Hebrew_Letter",
    "ALetter",
    "Single_Quote",
    "Double_Quote",
    "MidNumLet",
    "MidLetter",
    "MidNum",
    "Numeric",
    "ExtendNumLet",
]


EVERY = [chr(c) for c in range(unicode_data.CODE_POINTS)]


def as_uniseg_knows_it() -> dict[tuple[int, bool], list[str]]:
    """Characters by class, those of which uniseg, of an older Unicode, says the same."""
    members: dict[tuple[int, bool], list[str]] = {}
    for c in EVERY[:0x3200] + EVERY[0x3200::17]:
        flag = int(FLAGS[ord(c)])
        number, pictograph = flag & WB_MASK, flag & PICTOGRAPH != 0
        if word_break(c).name == CLASSES[number].upper() and extended_pictographic(c) == pictograph:
            members.setdefault((number, pictograph), []).append(c)
    return members


MEMBERS = {kind: found[:: max(1, len(found) // 50)] for kind, found in as_uniseg_knows_it().items()}
FROM_EVERY_CLASS = st.text(
    st.sampled_from(sorted(MEMBERS)).flatmap(lambda kind: st.sampled_from(MEMBERS[kind])), max_size=10
)
COMPOSING = st.text(
    st.sampled_from("aeiA\u0301\u0323\u0327\u0345\u1100\u1161\u11a8가각ǰṩİßﬁ①ﷺｶﾞ\u200d\u00ad")
    | st.characters(codec="utf-8")
)


@settings(deadline=None)
@given(FROM_EVERY_CLASS)
def test_words_are_cut_as_uniseg_cuts_them(text):
    assert segments(text) == list(uniseg_words(text))


def test_the_word_break_classes_are_all_there():
    assert {number for number, _ in MEMBERS} == set(range(len(CLASSES)))


@settings(deadline=None)
@given(COMPOSING)
def test_composing_is_that_of_unicodedata2(text):
    points = [part for c in text for part in folding._decompose(ord(c))]
    assert "".join(map(chr, folding._compose(folding._ordered(points)))) == unicodedata2.normalize("NFC", text)


@settings(deadline=None)
@given(COMPOSING)
def test_what_is_folded_stays_folded(text):
    folded = fold(text)
    assert fold(folded) == folded == unicodedata2.normalize("NFKC", folded)


def test_folding_is_that_of_this_python_where_it_knows_the_character():
    """Unicode promises that this never changes for an assigned character. What nobody sees folds to nothing here."""

    def folded(c):
        return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", c).casefold()).casefold()

    known = [c for c in EVERY if unicodedata.category(c) not in ("Cn", "Cs")]
    different = [c for c in known if fold(c) and fold(c) != unicodedata.normalize("NFKC", folded(c))]
    assert not different


def test_the_version_of_unicode_is_golden():
    assert unicode_data.UNICODE_VERSION == "18.0.0" == unicodedata2.unidata_version
    with np.load(TOKENS / "unicode_tables.npz") as tables:
        digest = xxh3_64_hexdigest(b"".join(tables[name].tobytes() for name in sorted(tables.files)))
    assert digest == "c776e2761325fb2e"


def test_nothing_of_python_s_own_unicode_decides_a_token():
    banned = {"lower", "upper", "casefold", "title", "swapcase", "capitalize", "isalpha", "isalnum", "isdigit"}
    banned |= {"isdecimal", "isnumeric", "isspace", "isidentifier", "isprintable", "islower", "isupper", "splitlines"}
    for path in TOKEN_FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            where = f"{path.name}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {getattr(node, "module", "")}
                assert not names & {"unicodedata", "unicodedata2", "regex", "uniseg"}, where
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                assert node.attr not in banned | {"IGNORECASE", "I"}, where
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                assert node.args or node.func.attr not in ("split", "strip", "lstrip", "rstrip"), where
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and path.name != "unicode_data.py":
                assert not re.search(r"\\[wWdDsSbB](?![a-z])|\(\?[aimsux]*i", node.value), where


@pytest.mark.slow
@pytest.mark.parametrize("module", ["regex", "unicodedata"])
def test_tokens_are_made_without_python_s_tables(module):
    program = (
        "import sys, vocab.tokens.tokenizer as t\n"
        "from contracts.records import Tweet\n"
        f"sys.modules['{module}'] = None\n"
        "tweet = Tweet(id=1, created_ms=1_400_000_000_000, author_id=7, author='a', text='Cafe\\u0301 #Ｔａ 東京')\n"
        "batch = t.Tokenizer().tokenize([tweet])\n"
        "print(len(batch.keys))\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["7"]
