"""Keys are golden: they must never change, in any process, version or machine."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tests.vocab.test_native_parts import hash_of_17
from vocab.keys import key_of, keys_of_ids, shard_of
from vocab.namespaces import Namespace

GOLDEN = {
    (Namespace.WORD, "hello"): 0xF9FFFB2220898FAC,
    (Namespace.BIGRAM, "new york"): 0x86C46ADE5F40CDE4,
    (Namespace.HASHTAG, "müsik"): 0x4892A7661B6C759B,
    (Namespace.MENTION, "jack"): 0x38B6B8C7CE588D0D,
    (Namespace.CASHTAG, "twtr"): 0x18E8216C0CAEEB16,
    (Namespace.DOMAIN, "example.com"): 0xEF6496D72C14C080,
    (Namespace.EMOJI, "😀"): 0xF494359870F2EBD2,
    (Namespace.AUTHOR, "12"): 0x1B5C86E6841196FE,
    (Namespace.VIEWER, "12"): 0xE0056139CFB756A3,
    (Namespace.LANG, "en"): 0xE0DE6D3023A3F12A,
}


def test_keys_are_golden():
    assert {named: key_of(*named) for named in GOLDEN} == GOLDEN
    assert {namespace for namespace, _ in GOLDEN} == set(Namespace)


def test_namespace_numbers_are_golden():
    names = ["WORD", "BIGRAM", "HASHTAG", "MENTION", "CASHTAG", "DOMAIN", "EMOJI", "AUTHOR", "VIEWER", "LANG"]
    assert [namespace.name for namespace in Namespace] == names
    assert list(Namespace) == list(range(10))


def test_keys_do_not_depend_on_the_hash_seed():
    program = "from vocab.keys import *; from vocab.namespaces import *; print(key_of(Namespace.WORD, 'hello'))"
    for seed in ("0", "12345"):
        ran = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        )
        assert int(ran.stdout) == GOLDEN[Namespace.WORD, "hello"]


def test_a_spelled_bigram_has_the_key_of_its_words_keys():
    words = [np.uint64(key_of(Namespace.WORD, word)) for word in ("new", "york")]
    assert int(hash_of_17(int(Namespace.BIGRAM), *words)) == key_of(Namespace.BIGRAM, "new york")
    with pytest.raises(ValueError, match="two words"):
        key_of(Namespace.BIGRAM, "york")


def test_keys_of_ids_are_keys_of_their_decimal_digits():
    ids = np.array([0, 7, 12, 2**63 - 1], np.uint64)
    assert keys_of_ids(Namespace.VIEWER, ids).tolist() == [key_of(Namespace.VIEWER, str(i)) for i in ids.tolist()]
    assert keys_of_ids(Namespace.VIEWER, ids[:0]).dtype == np.uint64


@pytest.mark.parametrize(("shards", "bits"), [(4, 2), (64, 6), (256, 8)])
def test_a_shard_is_the_top_bits_of_a_key(shards, bits):
    first = 1 << (64 - bits)  # of shard 1
    keys = np.array([0, first - 1, first, 2**64 - 1], np.uint64)
    assert shard_of(keys, shards).tolist() == [0, 0, 1, shards - 1]
    assert shard_of(keys, shards).dtype == np.uint8
