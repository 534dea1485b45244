"""The character n-grams of a word, in plain Python: the definition of `vocab.tokens.native.subwords`.

After Bojanowski et al., Enriching word vectors with subword information, TACL 2017 (fastText): the n-grams of the
word between `<` and `>`, so that a beginning and an end are told from the middle. A long word keeps a fixed number
of them, those whose mixed hashes are smallest: a bottom-k sample, the same for the same word everywhere, and alike
for words that are alike (Broder, On the resemblance and containment of documents, 1997).

Of an n-gram's hash, its key has the upper half; the lower 32 bits are 0. That is enough to find a shared row, and
half of what has to be kept beside a word.
"""

from xxhash import xxh3_64_intdigest

from vocab.namespaces import SUBWORD

SHORTEST, LONGEST = 3, 5  # code points of an n-gram, with the `<` or `>` that may be part of it
SUBWORDS_PER_WORD = 8
MIX = 0x9E3779B97F4A7C15  # odd; mixing makes which n-grams stay independent of any bits of their hashes
UPPER = 0xFFFFFFFF << 32  # the bits of a hash that are in the key


def subword_keys(word: str) -> list[int]:
    """The keys of a canonical word's n-grams that stay, by their mixed hashes ascending."""
    whole = f"<{word}>"
    grams = {whole[at : at + n] for n in range(SHORTEST, LONGEST + 1) for at in range(len(whole) - n + 1)}
    hashes = {xxh3_64_intdigest(bytes([SUBWORD]) + gram.encode()) for gram in grams}
    return [found & UPPER for found in sorted(hashes, key=lambda found: found * MIX % 2**64)[:SUBWORDS_PER_WORD]]
