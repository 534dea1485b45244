"""The character n-grams of a word, in plain Python: the definition of `vocab.native.subwords`.

After Bojanowski et al., Enriching word vectors with subword information, TACL 2017 (fastText): the n-grams of the
word between `<` and `>`, so that a beginning and an end are told from the middle. A long word keeps a fixed number
of them, those whose mixed keys are smallest: a bottom-k sample, the same for the same word everywhere, and alike for
words that are alike (Broder, On the resemblance and containment of documents, 1997).
"""

from xxhash import xxh3_64_intdigest

from vocab.namespaces import SUBWORD

SHORTEST, LONGEST = 3, 5  # code points of an n-gram, with the `<` or `>` that may be part of it
SUBWORDS_PER_WORD = 8
MIX = 0x9E3779B97F4A7C15  # odd: which n-grams stay says nothing of any bits of their keys


def subword_keys(word: str) -> list[int]:
    """The keys of a canonical word's n-grams that stay, by their mixed keys ascending."""
    whole = f"<{word}>"
    grams = {whole[at : at + n] for n in range(SHORTEST, LONGEST + 1) for at in range(len(whole) - n + 1)}
    keys = {xxh3_64_intdigest(bytes([SUBWORD]) + gram.encode()) for gram in grams}
    return sorted(keys, key=lambda key: key * MIX % 2**64)[:SUBWORDS_PER_WORD]
