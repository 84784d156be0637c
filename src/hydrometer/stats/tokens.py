"""Distances between two distributions over the next token: logits in, numbers per token out.

Rows are taken one at a time, so that a whole vocabulary stays in the processor's cache; numpy lets other threads run
meanwhile. Where only the most probable tokens of one side are known: see `stats.top`.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from hydrometer.stats.estimate import Floats, Ints

Singles = NDArray[np.float32]

BETAS = (0.5, 0.625, 0.75, 0.875, 1.0, 1.15, 1.35, 1.6, 2.0)
"""Inverse temperatures at which the student is tried."""

EVERY = 16
"""One token in so many is tried at all temperatures: that costs an exponential of the whole vocabulary each."""

TOP = 5
_BLOCKS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenDrift:
    """What is known of each token, arrays of one length; logarithms are natural.

    Attributes:
        kl: Divergence of the student from the base, expected under the base.
        reverse: The other way, expected under the student.
        base: Log-probability that the base gives to the token that stands in the text.
        student: The same of the student.
        same: Whether both find the same token most probable.
        overlap: Share of tokens among the five most probable of either that both have.
        heated: KL with the student at each temperature of `BETAS`, tokens x temperatures; NaN where not tried.
        gap: Estimate of how much larger `kl` is in truth where only a part of the base's distribution was kept, NaN
            where that is not known; 0 where all of it was.
        rest: Mass of the base beside the tokens that were kept, 0 where all were.
    """

    kl: Floats
    reverse: Floats
    base: Floats
    student: Floats
    same: Floats
    overlap: Floats
    heated: Floats
    gap: Floats
    rest: Floats

    @classmethod
    def of(cls, rows: Floats) -> TokenDrift:
        """Return tokens from their numbers side by side, in the order of the fields, nothing missing of the base."""
        names = ("kl", "reverse", "base", "student", "same", "overlap")
        columns = {name: rows[:, at] for at, name in enumerate(names)}
        nothing = np.zeros(len(rows))
        return cls(**columns, heated=rows[:, len(names) :], gap=nothing, rest=nothing)

    @property
    def change(self) -> Floats:
        """Log-probability of the text's token, student minus base."""
        return self.student - self.base

    def take(self, index: Ints | NDArray[np.bool_]) -> TokenDrift:
        """Return some of the tokens."""
        return TokenDrift(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


def join_tokens(parts: Sequence[TokenDrift]) -> TokenDrift:
    """Return several stretches as one."""
    return TokenDrift(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(TokenDrift)})


def compare_tokens(base: Singles, student: Singles, wanted: Ints, *, start: int = 0, threads: int = 1) -> TokenDrift:
    """Compare two models' logits exactly, over the whole vocabulary.

    Args:
        base: Logits of the base, tokens x vocabulary; log-probabilities serve as well.
        student: The same of the student.
        wanted: The token that stands in the text at each place.
        start: Number of the first token, so that it is always the same tokens that are tried at all temperatures.
        threads: Rows computed at a time.

    Raises:
        ValueError: The shapes differ, or a row holds NaN or no finite number at all.
    """
    if base.shape != student.shape or base.ndim != 2 or len(wanted) != len(base):
        msg = f"logits of shapes {base.shape} and {student.shape} for {len(wanted)} tokens: must be equal"
        raise ValueError(msg)
    rows = np.empty((len(wanted), 6 + len(BETAS)))
    step = -(-len(wanted) // max(threads, 1)) or 1

    def work(first: int) -> None:
        for row in range(first, min(first + step, len(wanted))):
            hot = (start + row) % EVERY == 0
            rows[row] = _row(base[row], student[row], int(wanted[row]), hot=hot)

    firsts = range(0, len(wanted), step)
    if threads > 1:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, firsts))
    else:
        for first in firsts:
            work(first)
    return TokenDrift.of(rows)


def top_tokens(logits: Singles, count: int) -> Ints:
    """Return the places of the largest values of a row, in no order."""
    width = len(logits) // _BLOCKS
    if width <= count:
        return np.argpartition(logits, -count)[-count:] if count < len(logits) else np.arange(len(logits))
    # The largest values lie in as many columns at most; the others are never looked at.
    table = logits[: width * _BLOCKS].reshape(_BLOCKS, width)
    columns = np.argpartition(table.max(axis=0), -count)[-count:]
    places = (np.arange(_BLOCKS)[:, None] * width + columns).ravel()
    places = np.concatenate([places, np.arange(width * _BLOCKS, len(logits))])
    return places[np.argpartition(logits[places], -count)[-count:]]


@np.errstate(invalid="ignore")  # minus infinity on both sides: seen to by `_apart`
def _row(base: Singles, student: Singles, wanted: int, *, hot: bool) -> Floats:
    first, p, mass_p = exponentials(base)
    second, q, mass_q = exponentials(student)
    log_p, log_q = np.log(mass_p), np.log(mass_q)
    gap = first - second
    moved = float(np.dot(p, gap)) / mass_p
    kl = moved - log_p + log_q
    reverse = -float(np.dot(q, gap)) / mass_q + log_p - log_q
    count = min(TOP, len(base))
    mine, theirs = top_tokens(base, count), top_tokens(student, count)
    both = len(np.intersect1d(mine, theirs, assume_unique=True))
    heated = np.full(len(BETAS), np.nan)
    if hot:
        mean_z = float(np.dot(p, second)) / mass_p
        # KL at inverse temperature b is the entropy term, minus b times the mean logit, plus log of the partition.
        entropy = float(np.dot(p, first)) / mass_p - log_p
        heated[:] = [entropy - b * mean_z + np.log(float(np.exp(np.float32(b) * second).sum())) for b in BETAS]
    found = [kl, reverse, float(first[wanted]) - log_p, float(second[wanted]) - log_q]
    if not np.isfinite(found).all():
        found[:2] = _apart(first, p / mass_p, second, q / mass_q, log_p, log_q)
    same = float(mine[np.argmax(base[mine])] == theirs[np.argmax(student[theirs])])
    return np.array([max(found[0], 0.0), max(found[1], 0.0), *found[2:], same, both / (2 * count - both), *heated])


def exponentials(logits: Singles) -> tuple[Singles, Singles, float]:
    """Return logits below their largest one, their exponentials, and the sum of these.

    Raises:
        ValueError: There is NaN among them, or no finite number.
    """
    largest = logits.max()
    if not np.isfinite(largest):
        msg = "the logits hold NaN, or no finite number: the weights or the engine are broken, and nothing was compared"
        raise ValueError(msg)
    below = logits - largest
    grown = np.exp(below)
    return below, grown, float(grown.sum())


def _apart(
    first: Singles, p: Singles, second: Singles, q: Singles, log_p: float, log_q: float
) -> tuple[float, float]:
    """Both divergences where a model rules tokens out (minus infinity)."""

    def kl(mass: Singles, own: Singles, other: Singles, shift: float) -> float:
        used = mass > 0.0
        return float(np.dot(mass[used].astype(np.float64), own[used].astype(np.float64) - other[used] + shift))

    return kl(p, first, second, log_q - log_p), kl(q, second, first, log_p - log_q)
