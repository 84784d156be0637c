"""The engine of the validation study: planted truths, drawn or summed over all tables, and what is said of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import gammaln, xlogy

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from hydrometer.simulate import World, draw_scores  # noqa: E402
from hydrometer.stats.estimate import Floats, Ints, Paired  # noqa: E402
from hydrometer.stats.margin import fraction_tests, prefix_tests, table_tests  # noqa: E402
from hydrometer.stats.monitor import latched  # noqa: E402
from hydrometer.stats.sequential import look_counts  # noqa: E402

SEED, ALPHA, MARGIN = 20_260, 0.05, 0.03
ICC = 0.032
"""Correlation of items within a cluster."""
DISCORDANCES = (0.03, 0.05, 0.10, 0.20, 0.30)
SIZES = (20, 50, 100, 200, 500, 1000, 2000, 4000)
EQUIVALENT, WORSE, BETTER, OPEN = range(4)
AT_ONCE = 20_000


class Rate(NamedTuple):
    """A share with the number of draws behind it; 0 draws for an exact one."""

    value: float
    draws: int = 0

    @property
    def error(self) -> float:
        """Monte-Carlo standard error."""
        return float(np.sqrt(self.value * (1.0 - self.value) / self.draws)) if self.draws else 0.0

    def text(self) -> str:
        """In percent."""
        return f"{100 * self.value:.1f}" + (f" ± {100 * self.error:.1f}" if self.draws else "")


class Outcome(NamedTuple):
    """Verdicts of many audits of one capability, and the items each took."""

    verdicts: Ints
    items: Ints

    def rate(self, *verdicts: int) -> Rate:
        """Return the share of these verdicts."""
        return Rate(float(np.isin(self.verdicts, verdicts).mean()), self.verdicts.size)


class Bound:
    """Keeps count of what has a bound, and marks what breaks it: a rate by more than three errors."""

    def __init__(self) -> None:
        self.cells, self.over = 0, list[str]()

    def fault(self, text: str, where: str) -> str:
        """Keep a fault and return its text, marked."""
        self.over.append(f"{where}: {text}")
        return f"**{text} !**"

    def cell(self, rate: Rate | None, where: str = "", *, bound: float = ALPHA) -> str:
        """Return the text of a rate that has a bound."""
        if rate is None:
            return "–"
        self.cells += 1
        allowed = 3.0 * np.sqrt(bound * (1.0 - bound) / rate.draws) if rate.draws else 1e-9
        if rate.value > bound + allowed:
            return self.fault(rate.text(), where)
        return rate.text()


def rng_for(*cell: int) -> np.random.Generator:
    """A generator per cell, so that no cell depends on which others are drawn."""
    return np.random.default_rng([SEED, *cell])


def verdicts(p: Floats, cuts: Sequence[int], alpha: float = ALPHA) -> Outcome:
    """Stop each audit at the first look whose repeated p-values give a verdict; the rule of `verdict.decide`.

    `tests/test_validation.py` compares it with the walk of an audit.
    """
    inside, worse = p[..., 2:].max(axis=-1) <= ALPHA, p[..., 1] < p[..., 0]
    differs = 2.0 * p[..., :2].min(axis=-1) <= alpha
    code = np.where(inside, EQUIVALENT, np.where(~differs, OPEN, np.where(worse, WORSE, BETTER)))
    said = code != OPEN
    look = np.where(said.any(axis=-1), said.argmax(axis=-1), len(cuts) - 1)
    return Outcome(np.take_along_axis(code, look[:, None], axis=-1)[:, 0], np.asarray(cuts)[look])


def sequential(
    rng: np.random.Generator, n: int, discordance: float, difference: float, draws: int, alpha: float = ALPHA
) -> Outcome:
    """Audit one capability of independent right/wrong items many times, stopping early, without futility."""
    cuts = look_counts(n)
    parts = []
    for first in range(0, draws, AT_ONCE):
        gained, lost = counts(rng, cuts, discordance, difference, min(AT_ONCE, draws - first))
        p = latched(table_tests(gained, lost, np.array(cuts), MARGIN), tuple(c / n for c in cuts))
        parts.append(verdicts(p, cuts, alpha))
    return Outcome(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def counts(
    rng: np.random.Generator, cuts: Sequence[int], discordance: float, difference: float, draws: int
) -> tuple[Ints, Ints]:
    """Draw the flips each way up to every look, shape (draws, looks)."""
    steps = np.diff((0, *cuts))
    flips = rng.binomial(steps, discordance, (draws, len(cuts)))
    gained = rng.binomial(flips, 0.5 + 0.5 * difference / discordance)
    return gained.cumsum(axis=1), (flips - gained).cumsum(axis=1)


class Exact:
    """All tables of n pairs with their verdicts, to be weighted by any truth of one discordance.

    Args:
        n: Pairs.
        discordance: Share of pairs on which the models differ, by a whole point.
        alpha: Level of a difference; below `ALPHA` where Holm's first step takes a part of it.
        fractional: Whether the pairs are judged as fractional scores, as they are where any other score is.
    """

    def __init__(self, n: int, discordance: float, alpha: float = ALPHA, *, fractional: bool = False) -> None:
        reach = 8.0 * np.sqrt(n * discordance * (1.0 - discordance)) + 8.0
        few, many = max(0, int(n * discordance - reach)), min(n, int(n * discordance + reach))
        flips = np.repeat(np.arange(few, many + 1), np.arange(few, many + 1) + 1)
        gained = np.concatenate([np.arange(k + 1) for k in range(few, many + 1)])
        lost = flips - gained
        tests, counted = (fraction_tests, gained - lost) if fractional else (table_tests, gained)
        p = tests(counted, flips if fractional else lost, n, MARGIN)
        self.n, self.discordance, self.gained, self.flips = n, discordance, gained, flips
        self.code = verdicts(p[:, None, :], (n,), alpha).verdicts

    def rate(self, difference: float, *said: int) -> Rate:
        """Return the chance of these verdicts."""
        lost, same = self.flips - self.gained, self.n - self.flips
        up, down = (0.5 * (self.discordance + side * difference) for side in (1.0, -1.0))
        ways = gammaln(self.n + 1.0) - gammaln(self.gained + 1.0) - gammaln(lost + 1.0) - gammaln(same + 1.0)
        log = ways + xlogy(self.gained, up) + xlogy(lost, down) + xlogy(same, 1.0 - self.discordance)
        return Rate(float(np.exp(log)[np.isin(self.code, said)].sum()))


@cache
def exact(n: int, discordance: float) -> Exact:
    """Tables are the same for every truth."""
    return Exact(n, discordance)


class Clustering(NamedTuple):
    """Clusters times items, with a discordance and a margin that let something happen."""

    clusters: int
    size: int
    discordance: float
    margin: float


CLUSTERINGS = (
    Clustering(10, 50, 0.10, 0.06),
    Clustering(20, 25, 0.10, 0.05),
    Clustering(50, 10, 0.10, 0.05),
    Clustering(100, 5, 0.10, 0.05),
    Clustering(12, 4, 0.25, 0.20),
    Clustering(8, 10, 0.20, 0.15),
)


def audit_clusters(
    rng: np.random.Generator, setting: Clustering, kind: str, truth: float, draws: int
) -> tuple[Outcome, Outcome, Outcome]:
    """Return audits that ignore clusters, that respect them at fixed size, and that stop early.

    Args:
        rng: Source of chance.
        setting: The clusters.
        kind: `direction` (the share of gains among flips varies by cluster) or `fate` (items share their scores).
        truth: True difference.
        draws: Audits.
    """
    n, labels = setting.clusters * setting.size, np.repeat(np.arange(setting.clusters), setting.size)
    d = (_direction if kind == "direction" else _fate)(rng, setting, truth, (draws, n), labels)
    cuts = look_counts(n)
    gained, lost = ((side * d > 0).sum(axis=1) for side in (1, -1))
    naive = table_tests(gained, lost, n, setting.margin)[:, None, :]
    p = np.stack([cluster_p(row, labels, setting.margin, cuts) for row in d])
    early = latched(p, tuple(c / n for c in cuts))
    return verdicts(naive, (n,)), verdicts(p[:, -1:, :], (n,)), verdicts(early, cuts)


def cluster_p(d: Floats, labels: Ints, margin: float, cuts: Sequence[int]) -> Floats:
    """Return the four p-values by cluster at each of these numbers of items, shape (k, 4)."""
    scores = Paired(base=np.maximum(-d, 0.0), student=np.maximum(d, 0.0), clusters=labels)
    return prefix_tests(scores, cuts, margin)


def items(outcome: Outcome, n: int) -> str:
    """Return the mean of the items asked as a share of n."""
    error = float(outcome.items.std()) / np.sqrt(outcome.items.size) / n
    return f"{outcome.items.mean() / n:.3f} ± {error:.3f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, numbers to the right."""
    lines = [f"| {' | '.join(head)} |", f"|{' ---: |' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def _direction(
    rng: np.random.Generator, setting: Clustering, truth: float, size: tuple[int, int], labels: Ints
) -> Floats:
    psi = setting.discordance
    mean = 0.5 + 0.5 * truth / psi
    spread = ICC * (psi - truth**2) / (4.0 * psi**2)
    scale = mean * (1.0 - mean) / spread - 1.0  # of the Beta distribution with this mean and variance
    chance = rng.beta(mean * scale, (1.0 - mean) * scale, (size[0], setting.clusters))[:, labels]
    signs = np.where(rng.random(size) < chance, 1.0, -1.0)
    return np.where(rng.random(size) < psi, signs, 0.0)


def _fate(
    rng: np.random.Generator, setting: Clustering, truth: float, size: tuple[int, int], labels: Ints
) -> Floats:
    world = World(
        capabilities=1, discordance=setting.discordance, difference=truth, damaged=int(truth != 0.0)
    )
    (own_base, own), (base, fate) = (draw_scores(world, rng, s) for s in (size, (size[0], setting.clusters)))
    return np.where(rng.random(size) < np.sqrt(ICC), (fate - base)[:, labels], own - own_base)
