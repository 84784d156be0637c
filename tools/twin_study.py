"""False alarms and power of the comparison of public items with fresh twins; prints a table for docs/contamination.md.

Replies: an item's difficulty is shared by both models, and the student's reply differs from the base's on 9 % of items,
in either direction alike. A share of the public items was trained on: the student has them right. The naive test
compares the student's score on public items with that on twins, where the public ones are 0.15 logits easier.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.special import expit
from scipy.stats import norm

from hydrometer.contamination.inflation import of_pairs

_FLIPS = 0.09
_SPREAD = 1.5
_MEAN = 0.95
_EASIER = 0.15
_ALPHA = 0.05


def main() -> None:
    """Print one row per number of items and twins."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sims", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=8)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    print("| items, twins | false alarms | shown at 10 % seen | at 20 % | inflation at 10, 20 % | naive false alarms |")
    print("| --- | --- | --- | --- | --- | --- |")
    for items in (200, 500, 1000):
        for copies in (1, 4):
            rates = [rate(rng, given.sims, items, copies, share) for share in (0.0, 0.1, 0.2)]
            gaps = [100 * gap for _, gap in rates[1:]]
            wrong = np.mean([naive(rng, items, copies) for _ in range(given.sims)])
            shown = " | ".join(f"{hits:.3f}" for hits, _ in rates)
            print(f"| {items:,}, {copies} | {shown} | {gaps[0]:.1f}, {gaps[1]:.1f} points | {wrong:.2f} |", flush=True)


def rate(rng: np.random.Generator, sims: int, items: int, copies: int, share: float) -> tuple[float, float]:
    """Return the share of studies that call it inflated, and the mean inflation found."""
    found = [of_pairs("", drawn(rng, items, copies, share)) for _ in range(sims)]
    hits = [row.p_value is not None and row.p_value < _ALPHA for row in found]
    return float(np.mean(hits)), float(np.mean([row.inflation or 0.0 for row in found]))


def drawn(rng: np.random.Generator, items: int, copies: int, share: float) -> list[tuple[float, float, str]]:
    """Return one study: per item the difference of the models on it, and the mean of that on its twins."""
    ability = expit(rng.normal(_MEAN, _SPREAD, items))
    trained = rng.random(items) < share
    base, student = replies(rng, ability)
    student = np.where(trained, 1.0, student)
    twins = np.zeros(items)
    for _ in range(copies):
        b, s = replies(rng, ability)
        twins += (s - b) / copies
    return [(float(d), float(t), str(i)) for i, (d, t) in enumerate(zip(student - base, twins, strict=True))]


def replies(rng: np.random.Generator, ability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return right and wrong of base and student."""
    base = (rng.random(ability.size) < ability).astype(float)
    # Flips both ways alike, whatever the base's share of right replies: no model is better.
    up, down = base == 0.0, base == 1.0
    odds = rng.random(ability.size)
    flip = (up & (odds < _FLIPS / 2 / max(up.mean(), 1e-9))) | (down & (odds < _FLIPS / 2 / max(down.mean(), 1e-9)))
    return base, np.where(flip, 1.0 - base, base)


def naive(rng: np.random.Generator, items: int, copies: int) -> bool:
    """Whether a student that saw nothing looks inflated by its own scores alone, where public items are easier."""
    logits = rng.normal(_MEAN, _SPREAD, items)
    public = rng.random(items) < expit(logits + _EASIER)
    twins = np.mean([rng.random(items) < expit(logits) for _ in range(copies)], axis=0)
    gap = public - twins
    return bool(gap.mean() / (gap.std(ddof=1) / np.sqrt(items)) > norm.ppf(1 - _ALPHA))


if __name__ == "__main__":
    main()
