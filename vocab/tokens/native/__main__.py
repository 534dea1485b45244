"""Compiles the tokenizer now and keeps it on disk, so that no worker waits: `python -m vocab.tokens.native`."""

from time import perf_counter

import numpy as np

from vocab.tokens.subwords import subwords
from vocab.tokens.tokenizer import Tokenizer


def main() -> None:
    """Runs every compiled function once."""
    begin = perf_counter()
    tokenizer = Tokenizer()
    tokenizer.tokenize([])
    tokenizer.spell(np.zeros(0, np.uint64))
    subwords([])
    print(f"setup: the tokenizer is compiled ({perf_counter() - begin:.1f} s)")


if __name__ == "__main__":
    main()
