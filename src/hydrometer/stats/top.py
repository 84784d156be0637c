"""The most probable tokens of one model, kept instead of its whole distribution, and another model against them.

What is beside the kept tokens is lumped into one outcome on both sides. By the data-processing inequality (Cover and
Thomas, Elements of Information Theory, 2006, theorem 2.8.1) lumping never makes a divergence larger, so what comes
out is a lower bound, the tighter the more is kept. How far below the truth it lies is estimated without bias from a
few tokens of the rest that were drawn by their probability.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from hydrometer.stats.estimate import Floats, Ints
from hydrometer.stats.tokens import (
    BETAS,
    EVERY,
    TOP,
    Singles,
    TokenDrift,
    exponentials,
    top_tokens,
)

LEAST = TOP
"""Fewest tokens that may be kept: the overlap of the most probable ones is exact."""

STEP = 2.0**-19
"""Log-probabilities are kept in steps of this size, so that each is off by half of it at most."""

DRAWN = 8
"""Tokens of the rest that are drawn at each place."""

_GOLDEN = 0.6180339887498949

_LEFT = 1e-9
_FLOOR = float(np.exp(-(2.0**24 - 1) * STEP))
# Probabilities below about 1.3e-14 are kept as this one.


@dataclass(frozen=True, slots=True, kw_only=True)
class TopRows:
    """One model's most probable tokens at several places; logarithms are natural.

    Attributes:
        ids: Tokens, places x kept ones, the most probable first.
        logprobs: Their log-probabilities.
        rest: Logarithm of the mass beside them.
        wanted: Log-probability of the token that stands in the text.
        drawn: Tokens of the rest, drawn by their probability, places x `DRAWN`.
        drawn_logprobs: Their log-probabilities.
    """

    ids: Ints
    logprobs: Floats
    rest: Floats
    wanted: Floats
    drawn: Ints
    drawn_logprobs: Floats

    def __len__(self) -> int:
        """Return the number of places."""
        return len(self.rest)

    def __getitem__(self, part: slice) -> TopRows:
        """Return a stretch of the places."""
        return TopRows(**{f.name: getattr(self, f.name)[part] for f in fields(self)})


def top_rows(logits: Singles, wanted: Ints, count: int, *, start: int = 0, threads: int = 1) -> TopRows:
    """Keep the most probable tokens of each row of logits.

    Args:
        logits: Places x vocabulary.
        wanted: The token that stands in the text at each place.
        count: Tokens to keep, at least `LEAST`.
        start: Number of the first place, so that it is always the same tokens that are drawn.
        threads: Rows computed at a time.

    Raises:
        ValueError: A row holds NaN or no finite number, or fewer tokens are asked for than `LEAST`.
    """
    if count < LEAST:
        msg = f"{count} tokens a place are too few to compare: keep at least {LEAST}"
        raise ValueError(msg)
    count = min(count, logits.shape[1])
    ids = np.empty((len(logits), count), dtype=np.int64)
    logprobs = np.empty((len(logits), count))
    rest, own = np.empty(len(logits)), np.empty(len(logits))
    drawn = np.empty((len(logits), DRAWN), dtype=np.int64)
    drawn_logprobs = np.empty(drawn.shape)

    def work(at: int) -> None:
        below, grown, _ = exponentials(logits[at])
        found = top_tokens(logits[at], count)
        # A tie goes to the lower id, as `argmax` has it.
        found = found[np.lexsort((found, -below[found]))]
        beside, log_mass = _split(below, grown, found)
        ids[at], logprobs[at], rest[at] = found, below[found] - log_mass, beside - log_mass
        own[at] = float(below[wanted[at]]) - log_mass
        drawn[at] = _draw(grown, start + at)
        drawn_logprobs[at] = below[drawn[at]] - log_mass

    _spread(work, len(logits), threads)
    return TopRows(
        ids=ids, logprobs=logprobs, rest=rest, wanted=own, drawn=drawn, drawn_logprobs=drawn_logprobs
    )


def compare_top(
    base: TopRows, student: Singles, wanted: Ints, *, start: int = 0, threads: int = 1
) -> TokenDrift:
    """Compare a model's logits with what was kept of another one.

    Divergences in both directions, and those at other temperatures, are lower bounds, less what the steps of `STEP`
    can do, and `gap` is an unbiased estimate of what they lack, token by token of either sign. Agreement on the most
    probable tokens and the change of the text's own token are exact. Tokens that the student does not have count to
    the rest, and leave the gap unknown where they were drawn.

    Args:
        base: What was kept of the base.
        student: Logits of the student, places x vocabulary.
        wanted: The token that stands in the text at each place.
        start: Number of the first place, so that it is always the same places that are tried at all temperatures.
        threads: Rows computed at a time.

    Raises:
        ValueError: The numbers of places differ, or a row holds NaN or no finite number.
    """
    if not len(base) == len(student) == len(wanted):
        msg = f"{len(base)} kept places and {len(student)} rows of logits for {len(wanted)} tokens: must be equal"
        raise ValueError(msg)
    rows = np.empty((len(wanted), 7 + len(BETAS)))

    def work(at: int) -> None:
        rows[at] = _row(base[at : at + 1], student[at], int(wanted[at]), hot=(start + at) % EVERY == 0)

    _spread(work, len(wanted), threads)
    return replace(TokenDrift.of(rows[:, 1:]), gap=rows[:, 0], rest=np.exp(base.rest))


def compare_tops(base: TopRows, student: TopRows) -> TokenDrift:
    """Compare two models of which only the most probable tokens are known.

    Told apart are the tokens that are among those of both; everything else counts as one outcome, so that divergences
    are lower bounds. What they lack is not known, nor what a temperature would do.

    Args:
        base: What is known of the base.
        student: The same of the student, at the same places.

    Raises:
        ValueError: The numbers of places differ.
    """
    if len(base) != len(student):
        msg = f"{len(base)} places of the base and {len(student)} of the student: must be equal"
        raise ValueError(msg)
    rows = np.full((len(base), 6 + len(BETAS)), np.nan)
    rest = np.empty(len(base))
    for at in range(len(base)):
        mine, theirs = base.ids[at], student.ids[at]
        _, left, right = np.intersect1d(mine, theirs, assume_unique=True, return_indices=True)
        log_p, log_q = base.logprobs[at][left], student.logprobs[at][right]
        p, q = _lumped(log_p), _lumped(log_q)
        rest[at] = np.exp(p[-1])
        both = len(np.intersect1d(mine[:TOP], theirs[:TOP], assume_unique=True))
        rows[at, :6] = [
            _bound(np.exp(p), p, q),
            _bound(np.exp(q), q, p),
            base.wanted[at],
            student.wanted[at],
            mine[0] == theirs[0],
            both / (2 * TOP - both),
        ]
    return replace(TokenDrift.of(rows), gap=np.full(len(base), np.nan), rest=rest)


def _lumped(logprobs: Floats) -> Floats:
    """Log-probabilities of some tokens, followed by that of all others together."""
    found: Floats = np.append(logprobs, np.log(max(1.0 - float(np.exp(logprobs).sum()), _LEFT)))
    return found


def _draw(mass: Singles, number: int) -> Ints:
    """Draw tokens by their mass: evenly spaced over the cumulated mass from a first one that differs from row to row.

    Systematic sampling: the mean over what is drawn is unbiased, and the same row draws the same tokens every time.
    """
    total = np.cumsum(mass, dtype=np.float64)
    offset = (number + 1) * _GOLDEN % 1.0
    found = np.searchsorted(total, (np.arange(DRAWN) + offset) / DRAWN * total[-1], side="right")
    drawn: Ints = np.minimum(found, len(mass) - 1)
    return drawn


def _spread(work: Callable[[int], None], count: int, threads: int) -> None:
    """Do something for every row, several at a time: numpy lets other threads run meanwhile."""
    if threads > 1:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(count)))
    else:
        for at in range(count):
            work(at)


def _split(below: Singles, grown: Singles, ids: Ints) -> tuple[float, float]:
    """Return the logarithms of the mass beside some tokens and of all; the exponentials of those are set to 0.

    The rest is added up, never taken as 1 minus the others: where it is small nothing of it would be left.
    """
    chosen = float(grown[ids].sum(dtype=np.float64))
    grown[ids] = 0.0
    rest = float(grown.sum(dtype=np.float64))
    if rest == 0.0 and len(ids) < len(below):
        # Too small for float32.
        wide = np.exp(below.astype(np.float64))
        wide[ids] = 0.0
        rest = float(wide.sum())
    with np.errstate(divide="ignore"):
        return float(np.log(rest)), float(np.log(chosen + rest))


@np.errstate(invalid="ignore", divide="ignore")  # a rest of nothing has no logarithm
def _row(base: TopRows, student: Singles, wanted: int, *, hot: bool) -> Floats:
    below, grown, _ = exponentials(student)
    known = base.ids[0] < len(student)
    ids = base.ids[0][known]
    theirs = top_tokens(student, TOP)
    both = len(np.intersect1d(base.ids[0, :TOP], theirs, assume_unique=True))
    beside, log_mass = _split(below, grown, ids)
    kept, missing = np.exp(base.logprobs[0]), float(np.exp(base.rest[0]))
    missing += float(kept[~known].sum())
    p = np.append(kept[known], missing)
    log_p = np.append(base.logprobs[0][known], np.log(missing))
    log_q = np.append(below[ids].astype(np.float64), beside) - log_mass
    kl, reverse = _bound(p, log_p, log_q), _bound(np.exp(log_q), log_q, log_p)
    gap = np.nan
    if base.drawn.max() < len(student):
        apart = base.drawn_logprobs[0] - (below[base.drawn[0]] - log_mass)
        gap = missing * (float(apart.mean()) - (log_p[-1] - log_q[-1])) if missing else 0.0
    heated = np.full(len(BETAS), np.nan)
    if hot:
        for number, beta in enumerate(BETAS):
            # What is beside the kept tokens already has an exponential of 0; `grown` is one to the power of beta.
            chosen = beta * below[ids].astype(np.float64)
            tail = float((grown ** np.float32(beta)).sum(dtype=np.float64))
            total = np.log(np.exp(chosen).sum() + tail)
            heated[number] = _bound(p, log_p, np.append(chosen, np.log(tail)) - total)
    own = float(below[wanted]) - log_mass
    same = float(base.ids[0, 0] == np.argmax(student))
    overlap = both / (2 * TOP - both)
    return np.array([gap, kl, reverse, base.wanted[0], own, same, overlap, *heated])


def _bound(p: Floats, log_p: Floats, log_q: Floats) -> float:
    """Divergence between lumped distributions, less what the rounding of kept log-probabilities can add to it.

    With every log-probability off by d at most, the sum of p log(p/q) is off by (e^d - 1) of the sum of p |log(p/q)|
    and by d e^d, to be on the safe side whichever of both was rounded.
    """
    used = p > 0.0
    parts = p[used] * (log_p[used] - log_q[used])
    most = STEP / 2
    slack = float(np.expm1(most) * np.abs(parts).sum() + most * np.exp(most)) + len(p) * _FLOOR * 64.0
    return max(float(parts.sum()) - slack, 0.0)


def code_logprobs(logprobs: Floats) -> NDArray[np.uint32]:
    """Return log-probabilities in steps of `STEP`, as numbers of 24 bits."""
    return np.minimum(np.rint(-logprobs / STEP), 2.0**24 - 1).astype(np.uint32)


def decode_logprobs(codes: NDArray[np.uint32]) -> Floats:
    """Return log-probabilities from their codes."""
    return codes.astype(np.float64) * -STEP

