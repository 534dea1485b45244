"""How keys are spelled: tokens of text by key, in one run of bytes.

    keys    uint64[n], ascending          begins   uint32[n], where in `text` a key's token begins
    text    tokens in UTF-8, each ended by the byte 0xFF, which is no part of UTF-8

12 bytes a key and one more than its token has, where a dictionary of strings takes some 150. U8 of tokens that are
forgotten stay until they are half of the text; then it is written anew, in order of key.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numba import njit

from contracts.arrays import I64, U8, U32, U64, Bools
from vocab.sorted_columns import ROOM, SortedColumns

END = 0xFF
_MOST_TEXT = (1 << 32) - 1


class Spellings(SortedColumns):
    """Tokens by key. Of two spellings of one key, a collision of 64-bit hashes, the lower stays."""

    __slots__ = ("_text", "_unused", "_used")

    def __init__(self) -> None:
        super().__init__({"keys": np.empty(0, np.uint64), "begins": np.empty(0, np.uint32)})
        self._text: U8 = np.empty(0, np.uint8)
        self._used = 0
        self._unused = 0  # bytes of the used ones that no key points to

    def __iter__(self) -> Iterator[int]:
        return iter(self.keys.tolist())

    @property
    def keys(self) -> U64:
        """The keys that are spelled, ascending."""
        return self.column("keys")

    @property
    def nbytes(self) -> int:
        """Memory of the columns and the text, their room included."""
        return super().nbytes + self._text.nbytes

    def of(self, keys: U64) -> list[str]:
        """The token of every key, in any order; "" where it is not spelled."""
        rows = np.searchsorted(self.keys, keys)
        rows[rows == self.size] = 0
        known = self.keys[rows] == keys if self.size else np.zeros(len(keys), bool)
        begins = self.column("begins")[rows[known]].astype(np.int64)
        gathered = np.empty(_size(self._text, begins), np.uint8)
        _gather(self._text, begins, gathered, np.empty(len(begins), np.uint32), 0)
        tokens = iter(gathered.tobytes().split(bytes([END])))
        return [next(tokens).decode() if spelled else "" for spelled in known.tolist()]

    def get(self, key: int, default: str = "") -> str:
        """The token of one key, or `default`."""
        return self.of(np.array([key], np.uint64))[0] or default

    def learn(self, keys: U64, tokens: Sequence[str]) -> None:
        """Adds tokens, none of them empty. keys: uint64[m], in any order, some of them more than once."""
        if len(tokens):
            end = bytes([END])
            text = np.frombuffer(end.join([token.encode() for token in tokens]) + end, np.uint8)
            ends = np.flatnonzero(text == END)
            self._learn(keys, np.concatenate([[0], ends[:-1] + 1]), text)

    def merge(self, other: "Spellings") -> None:
        """Adds all of another's tokens."""
        self._learn(other.keys, other.column("begins").astype(np.int64), other._text)

    def forget(self, keys: U64) -> None:
        """Drops the tokens of these keys; keys that are not spelled are ignored. keys: uint64[m], ascending."""
        at, known = self.locate(keys)
        stays = np.ones(self.size, bool)
        stays[at[known]] = False
        self.keep(stays)

    def keep(self, mask: Bools) -> None:
        """Forgets the keys where `mask` is false. bool[size]"""
        self._unused += _size(self._text, self.column("begins")[~mask].astype(np.int64))
        super().keep(mask)
        if 2 * self._unused > self._used:
            begins = self.column("begins").astype(np.int64)
            text = np.empty(self._used - self._unused, np.uint8)
            _gather(self._text, begins, text, self.column("begins"), 0)
            self._text, self._used, self._unused = text, len(text), 0

    def _learn(self, keys: U64, begins: I64, text: U8) -> None:
        order = np.argsort(keys, kind="stable")
        keys, begins = keys[order], begins[order]
        first = np.ones(len(keys), bool)
        np.not_equal(keys[1:], keys[:-1], out=first[1:])
        self._learn_ascending(keys[first], begins[first], text)
        if not first.all():
            self._learn(keys[~first], begins[~first], text)

    def _learn_ascending(self, keys: U64, begins: I64, text: U8) -> None:
        at, known = self.locate(keys)
        rows = at[known]
        former = self.column("begins")[rows].astype(np.int64)
        lower = np.empty(len(rows), bool)
        _lower(text, begins[known], self._text, former, lower)
        self._unused += _size(self._text, former[lower])
        self.column("begins")[rows[lower]] = self._append(text, begins[known][lower])
        fresh = ~known
        self.insert(at[fresh], {"keys": keys[fresh], "begins": self._append(text, begins[fresh])})

    def _append(self, text: U8, begins: I64) -> U32:
        """Adds tokens of another text to the end of this one. Where they begin now."""
        used = self._used + _size(text, begins)
        if used > _MOST_TEXT:
            raise OverflowError(f"{used} bytes of tokens, {_MOST_TEXT} at most: lower vocab.candidates_per_slot")
        if used > len(self._text):
            grown = np.empty(used + used // ROOM, np.uint8)
            grown[: self._used] = self._text[: self._used]
            self._text = grown
        moved = np.empty(len(begins), np.uint32)
        _gather(text, begins, self._text, moved, self._used)
        self._used = used
        return moved


@njit(cache=True, nogil=True, boundscheck=False)
def _size(text: Any, begins: Any) -> Any:
    """U8 of the tokens that begin there, their ends included."""
    size = 0
    for i in range(begins.size):
        at = begins[i]
        while text[at] != END:
            at += 1
        size += at - begins[i] + 1
    return size


@njit(cache=True, nogil=True, boundscheck=False)
def _gather(text: Any, begins: Any, into: Any, moved: Any, to: Any) -> None:
    """Copies tokens end to end into another text, from byte `to` on; `moved`: where each begins there."""
    for i in range(begins.size):
        moved[i] = to
        at = begins[i]
        while text[at] != END:
            into[to] = text[at]
            at += 1
            to += 1
        into[to] = END
        to += 1


@njit(cache=True, nogil=True, boundscheck=False)
def _lower(text: Any, begins: Any, other: Any, other_begins: Any, lower: Any) -> None:
    """Whether a token comes before another, in order of code points, which is that of UTF-8's bytes."""
    for i in range(begins.size):
        a, b = begins[i], other_begins[i]
        while text[a] == other[b] and text[a] != END:
            a += 1
            b += 1
        if text[a] == END or other[b] == END:
            lower[i] = text[a] == END and other[b] != END
        else:
            lower[i] = text[a] < other[b]
