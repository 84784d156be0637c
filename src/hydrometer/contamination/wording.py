"""Texts as numbers: words, runs of words and their hashes, over many texts at once.

All texts of a batch lie behind one another in one array, so that millions of words cost a few passes of numpy. A run
of `n` words is hashed from prefix sums: with S(i) the sum of h(k) p^k below i, the run at i has the hash
(S(i + n) - S(i)) p^-i, everything modulo 2^64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hydrometer.contamination.needed import polars

Hashes = NDArray[np.uint64]
Positions = NDArray[np.int64]

# Scripts without spaces between words: each sign is a word there. A number with its separators is one word.
_ALONE = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_WORDS = rf"\p{{N}}+(?:[.,]\p{{N}}+)*|[{_ALONE}]|[[\p{{L}}\p{{M}}\p{{N}}]--[{_ALONE}]]+"
_NUMBER = np.uint64(0x9E3779B97F4A7C15)
_PRIME = 0xD6E8FEB86659FD93
_INVERSE = pow(_PRIME, -1, 2**64)


class Runs(NamedTuple):
    """Runs of words: their hashes, the texts they stand in, and their first words."""

    hashes: Hashes
    texts: Positions
    starts: Positions


@dataclass(frozen=True, slots=True)
class Words:
    """The words of some texts.

    Attributes:
        hashes: One per word.
        numbers: Whether the word holds a digit.
        starts: Where each text begins, and where the last one ends: shape (texts + 1,).
    """

    hashes: Hashes
    numbers: NDArray[np.bool_]
    starts: Positions

    @classmethod
    def of(cls, texts: Sequence[str]) -> Words:
        """Read texts: letters in lower case, no marks."""
        pl = polars()
        words = pl.Series(texts, dtype=pl.String).str.to_lowercase().str.extract_all(_WORDS)
        counts = words.list.len().to_numpy().astype(np.int64)
        flat = words.explode(empty_as_null=False) if counts.sum() else pl.Series([], dtype=pl.String)
        return cls(
            hashes=flat.hash(seed=0).to_numpy().astype(np.uint64),
            numbers=flat.str.contains(r"\p{N}").to_numpy().astype(np.bool_),
            starts=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        )

    @property
    def lengths(self) -> Positions:
        """Number of words per text."""
        return np.diff(self.starts)

    @property
    def masked(self) -> Words:
        """The same with every number made equal."""
        return Words(np.where(self.numbers, _NUMBER, self.hashes), self.numbers, self.starts)

    def runs(self, n: int, wordy: int = 0) -> Runs:
        """Return all runs of `n` words that lie within one text and hold at least `wordy` words without digits."""
        count = self.hashes.size
        if count < n:
            return Runs(np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64))
        texts = np.repeat(np.arange(self.lengths.size), self.lengths)
        starts = np.arange(count - n + 1)
        good = texts[: starts.size] == texts[n - 1 :]
        if wordy:
            digits = np.concatenate([[0], np.cumsum(self.numbers)])
            good &= digits[n:] - digits[:-n] <= n - wordy
        sums, inverses = self._sums()
        hashes = (sums[n:] - sums[:-n]) * inverses[: starts.size]
        return Runs(hashes[good], texts[: starts.size][good], starts[good])

    def wholes(self) -> Hashes:
        """Return one hash per text, of all its words."""
        sums, inverses = self._sums()
        first, last = self.starts[:-1], self.starts[1:]
        return np.asarray((sums[last] - sums[first]) * inverses[first], dtype=np.uint64)

    def _sums(self) -> tuple[Hashes, Hashes]:
        """The prefix sums S, and the powers of 1 / p."""
        count = self.hashes.size
        powers, inverses = _powers(1 << count.bit_length())
        sums = np.zeros(count + 1, np.uint64)
        np.cumsum(self.hashes * powers[:count], out=sums[1:])
        return sums, inverses


@lru_cache(maxsize=2)
def _powers(count: int) -> tuple[Hashes, Hashes]:
    return _series(_PRIME, count), _series(_INVERSE, count)


def _series(factor: int, count: int) -> Hashes:
    """Powers of a factor modulo 2^64, by doubling."""
    powers = np.ones(count, np.uint64)
    have = 1
    while have < count:
        step = np.uint64(pow(factor, have, 2**64))
        more = min(have, count - have)
        powers[have : have + more] = powers[:more] * step
        have += more
    return powers
