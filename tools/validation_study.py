"""Measure the error rates and the power of the verdicts, and write docs/validation.md.

    python tools/validation_study.py [--quick] [--out FILE]

Truth is planted, chance is drawn, and what judges is the product: the tests of `stats.margin`, the repeated p-values of
`stats.monitor`, the looks of `stats.sequential`, and, where capabilities, missing replies, clusters or the futility
stop matter, the walk of `hydrometer.simulate` over the code of an audit. Audits of fixed size on independent
right/wrong items are summed over all tables instead of drawn: those rates have no Monte-Carlo error.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.special import gammaln, ndtri, xlogy

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from hydrometer.pairing import Scores  # noqa: E402
from hydrometer.result import Verdict  # noqa: E402
from hydrometer.simulate import Evidence, World, collect, draw, draw_scores, latch, simulate, walk  # noqa: E402
from hydrometer.stats.clusters import cluster_tests  # noqa: E402
from hydrometer.stats.estimate import Floats, Ints  # noqa: E402
from hydrometer.stats.margin import fraction_tests, table_tests  # noqa: E402
from hydrometer.stats.monitor import latched  # noqa: E402
from hydrometer.stats.power import SEQUENTIAL_INFLATION, detectable_difference  # noqa: E402
from hydrometer.stats.sequential import look_counts  # noqa: E402
from hydrometer.version import __version__  # noqa: E402

SEED, ALPHA, MARGIN = 20_260, 0.05, 0.03
DISCORDANCES = (0.03, 0.05, 0.10, 0.20, 0.30)
SIZES = (20, 50, 100, 200, 500, 1000, 2000, 4000)
EQUIVALENT, WORSE, BETTER, OPEN = range(4)
_AT_ONCE = 20_000


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
        return Rate(float(np.isin(self.verdicts, verdicts).mean()), self.verdicts.size)


class Bound:
    """Keeps count of the rates that must not exceed 5 %, and marks those that do by more than three errors."""

    def __init__(self) -> None:
        self.cells, self.over, self.largest = 0, list[str](), Rate(0.0)

    def cell(self, rate: Rate | None, where: str = "", *, bound: float = ALPHA) -> str:
        """Return the text of a rate that has a bound."""
        if rate is None:
            return "–"
        self.cells += 1
        if rate.value > self.largest.value:
            self.largest = rate
        allowed = 3.0 * np.sqrt(bound * (1.0 - bound) / rate.draws) if rate.draws else 1e-9
        if rate.value > bound + allowed:
            self.over.append(f"{where}: {rate.text()} %")
            return f"**{rate.text()} !**"
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
    for first in range(0, draws, _AT_ONCE):
        gained, lost = counts(rng, cuts, discordance, difference, min(_AT_ONCE, draws - first))
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
    """All tables of n pairs with their verdicts, to be weighted by any truth of one discordance."""

    def __init__(self, n: int, discordance: float, alpha: float = ALPHA) -> None:
        reach = 8.0 * np.sqrt(n * discordance * (1.0 - discordance)) + 8.0
        few, many = max(0, int(n * discordance - reach)), min(n, int(n * discordance + reach))
        flips = np.repeat(np.arange(few, many + 1), np.arange(few, many + 1) + 1)
        gained = np.concatenate([np.arange(k + 1) for k in range(few, many + 1)])
        p = table_tests(gained, flips - gained, n, MARGIN)
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


def errors_and_power(draws: int, bound: Bound) -> Iterator[str]:
    """Independent right/wrong items over the grid."""
    yield "## Independent items: error rates\n"
    yield (
        f"Margin {100 * MARGIN:g} points. A false difference is `better` or `worse` where the models do not differ; a "
        f"false equivalence is `equivalent` where they differ by the margin, as a loss (-) or a gain (+). Fixed size: "
        f"exact. Stopping early: {draws:,} audits per cell.\n"
    )
    head = ("discordance", "n", "false difference, fixed", "stopping early")
    head += ("false equivalence -, fixed", "stopping early", "+, fixed", "stopping early")
    rows = []
    for i, psi in enumerate(DISCORDANCES):
        for j, n in enumerate(SIZES):
            where = f"discordance {psi:g}, n {n}"
            cells = [f"{100 * psi:g} %", f"{n:,}"]
            for k, (truth, said) in enumerate(
                ((0.0, (WORSE, BETTER)), (-MARGIN, (EQUIVALENT,)), (MARGIN, (EQUIVALENT,)))
            ):
                drawn = sequential(rng_for(1, i, j, k), n, psi, truth, draws)
                for rate in (exact(n, psi).rate(truth, *said), drawn.rate(*said)):
                    cells.append(bound.cell(rate, f"{where}, difference {truth:g}"))
            rows.append(cells)
    yield table(head, rows)


def power(draws: int) -> Iterator[str]:
    """What the same audits find, and what they take."""
    yield "## Independent items: power and items asked\n"
    yield (
        "The design effect is the difference that n items of fixed size show with power 80 % (Connor). Stopping early "
        "asks at most the same n here. `equivalent` is the chance of that verdict without a difference.\n"
    )
    head = ("discordance", "n", "design effect, points", "found, fixed", "stopping early", "items of n")
    head += ("found at twice it, fixed", "stopping early", "items of n", "equivalent, fixed", "stopping early", "items of n")
    rows = []
    for i, psi in enumerate(DISCORDANCES):
        for j, n in enumerate(SIZES):
            effect = detectable_difference(n, psi)
            cells = [f"{100 * psi:g} %", f"{n:,}", f"{100 * effect:.1f}" if effect <= psi else f"> {100 * psi:g}"]
            for k, (truth, said) in enumerate(((-effect, WORSE), (-2.0 * effect, WORSE), (0.0, EQUIVALENT))):
                if abs(truth) > psi:
                    cells += ["–"] * 3
                    continue
                drawn = sequential(rng_for(2, i, j, k), n, psi, truth, draws)
                cells += [exact(n, psi).rate(truth, said).text(), drawn.rate(said).text(), items(drawn, n)]
            rows.append(cells)
    yield table(head, rows)


def average_items(draws: int, walks: int) -> Iterator[str]:
    """Items at twice the design effect, planned for the same power as the audit of fixed size."""
    yield "## Items asked at twice the design effect\n"
    yield (
        f"An audit of fixed size with n items has power 80 % for the design effect; the one that stops early plans "
        f"{SEQUENTIAL_INFLATION:g} n for the same. Both see twice that effect. The bound is 0.36 n; with the futility "
        f"stop {walks:,} audits through the whole code, without it {draws:,}.\n"
    )
    rows, over = [], []
    for i, psi in enumerate(DISCORDANCES):
        for j, n in enumerate((300, 500, 1000, 2000, 4000)):
            effect = 2.0 * detectable_difference(n, psi)
            if effect > psi:
                continue
            most = int(np.ceil(SEQUENTIAL_INFLATION * n))
            drawn = sequential(rng_for(3, i, j), most, psi, -effect, draws)
            world = World(
                worlds=walks, items=most, capabilities=1, discordance=psi, difference=-effect, damaged=1, seed=SEED
            )
            stopped = simulate(world).audits[0]
            ratios = [float(drawn.items.mean()) / n, stopped.items * most / n]
            errors = [float(drawn.items.std()) / np.sqrt(draws) / n, stopped.items_error * most / n]
            cells = []
            for ratio, error in zip(ratios, errors, strict=True):
                high = ratio > 0.36 + 3.0 * error
                over += [f"{n} at {psi:g}: {ratio:.3f}"] * high
                cells.append(f"{'**' * high}{ratio:.3f} ± {error:.3f}{' !**' * high}")
            found = stopped.power.value if stopped.power else 0.0
            rows.append([f"{100 * psi:g} %", f"{n:,}", f"{100 * effect:.1f}", *cells, f"{100 * found:.1f}"])
    head = ("discordance", "n", "true loss, points", "items / n, no futility stop", "with it", "found with it, %")
    yield table(head, rows)
    yield f"Cells above 0.36 by more than three errors: {', '.join(over) or 'none'}.\n"


def futility(walks: int) -> Iterator[str]:
    """Verdicts lost by giving up what is unlikely to be settled, and items saved; on the same draws."""
    yield "## Price of the futility stop\n"
    yield (
        "A capability is given up when the predicted chance of any verdict at its last look falls below 10 %. "
        f"Both columns see the same {walks:,} audits of one capability; the difference of two shares is paired.\n"
    )
    rows = []
    for i, (psi, n) in enumerate(((0.1, 300), (0.1, 1000), (0.2, 1000), (0.2, 2000))):
        for truth in (0.0, -0.02, -0.05):
            world = World(worlds=walks, items=n, capabilities=1, discordance=psi, difference=truth, seed=SEED + i)
            world = replace(world, damaged=int(truth != 0.0)) if truth == 0.0 else world
            rows.append(_futility_row(world))
    head = ("discordance", "n", "difference, points", "any verdict, all looks", "with futility stop", "lost, points")
    yield table((*head, "items of n, all looks", "with futility stop"), rows)


def _futility_row(world: World) -> list[str]:
    evidence = [collect(world, draw(world, number)) for number in range(world.worlds)]
    seen = list(latch(evidence, evidence[0].answered[0][1].times))
    free = verdicts(np.concatenate([own.p for own in seen]), world.planned)
    ends = [walk(world, own, world.planned) for own in seen]
    kept = np.array([end.verdicts[0] is not Verdict.NOT_ENOUGH for end in ends])
    all_ = free.verdicts != OPEN
    lost = all_.astype(float) - kept
    asked = np.array([end.items[0] for end in ends])
    return [
        f"{100 * world.discordance:g} %",
        f"{world.items:,}",
        f"{100 * world.difference:g}",
        Rate(float(all_.mean()), all_.size).text(),
        Rate(float(kept.mean()), kept.size).text(),
        f"{100 * lost.mean():.1f} ± {100 * lost.std() / np.sqrt(lost.size):.1f}",
        items(free, world.items),
        items(Outcome(free.verdicts, asked), world.items),
    ]


def peeking(draws: int, bound: Bound) -> Iterator[str]:
    """Uncorrected tests at every look."""
    n, every = 2000, tuple(range(20, 2001, 10))
    yield "## Peeking\n"
    yield (
        f"No difference, {n:,} items. Peeking: mid-p McNemar at 5 %, uncorrected, every 10 items from 20 on, and at the "
        f"looks of an audit. {draws:,} audits per cell.\n"
    )
    rows = []
    for i, psi in enumerate(DISCORDANCES):
        shares = []
        for cuts in (every, look_counts(n)):
            gained, lost = counts(rng_for(4, i, len(cuts)), cuts, psi, 0.0, draws)
            p = 2.0 * table_tests(gained, lost, np.array(cuts), MARGIN)[..., :2].min(axis=-1)
            shares.append(Rate(float((p <= ALPHA).any(axis=-1).mean()), draws))
        own = latched(table_tests(gained, lost, np.array(cuts), MARGIN), tuple(c / n for c in cuts))
        ours = Rate(float((2.0 * own[:, -1, :2].min(axis=-1) <= ALPHA).mean()), draws)
        rows.append([f"{100 * psi:g} %", *(s.text() for s in shares), bound.cell(ours, f"peeking, {psi:g}")])
    head = ("discordance", "peeking, 199 looks", f"peeking, {len(look_counts(n))} looks", "this audit, same looks")
    yield table(head, rows)


def several(draws: int, bound: Bound) -> Iterator[str]:
    """Holm over capabilities."""
    yield "## Several capabilities\n"
    yield (
        "Chance that an audit calls any capability better or worse where none differs. Holm's first step decides that: "
        f"one at alpha / J. Fixed size: exact. Stopping early: from {draws:,} audits of one capability per cell, "
        "independent capabilities.\n"
    )
    numbers = (1, 2, 4, 8, 12, 20)
    rows = []
    for i, psi in enumerate((0.03, 0.10, 0.30)):
        for j, n in enumerate((100, 300, 1000)):
            fixed, early = [], []
            cuts = look_counts(n)
            least = []
            rng = rng_for(5, i, j)
            for first in range(0, draws, _AT_ONCE):
                gained, lost = counts(rng, cuts, psi, 0.0, min(_AT_ONCE, draws - first))
                p = latched(table_tests(gained, lost, np.array(cuts), MARGIN), tuple(c / n for c in cuts))
                least.append(2.0 * p[:, -1, :2].min(axis=-1))
            p_last = np.concatenate(least)
            for number in numbers:
                one = Exact(n, psi, ALPHA / number).rate(0.0, WORSE, BETTER).value
                fixed.append(bound.cell(Rate(1.0 - (1.0 - one) ** number), f"{number} capabilities, n {n}, {psi:g}"))
                hit = float((p_last <= ALPHA / number).mean())
                any_ = 1.0 - (1.0 - hit) ** number
                # Draws of one capability, brought to those of a family with the same error.
                error = number * (1.0 - hit) ** (number - 1) * np.sqrt(hit * (1.0 - hit) / draws)
                worth = int(any_ * (1.0 - any_) / error**2) if error else draws // number
                early.append(bound.cell(Rate(any_, worth), f"{number} capabilities, n {n}, {psi:g}"))
            label = [f"{100 * psi:g} %", f"{n:,}"]
            rows += [[*label, "fixed", *fixed], [*label, "stopping early", *early]]
    yield table(("discordance", "n", "audit", *(f"J = {number}" for number in numbers)), rows)


def families(walks: int, bound: Bound) -> Iterator[str]:
    """Whole audits through the code of an audit."""
    yield "## Whole audits\n"
    yield (
        f"{walks:,} audits per row through pairing, looks, Holm, futility stop and verdicts, 200 items per capability, "
        "discordance 10 %. A damaged capability truly loses 6 points.\n"
    )
    rows = []
    for number, damaged, missing in ((8, 0, 0.0), (8, 4, 0.0), (20, 5, 0.0), (8, 0, 0.1), (8, 4, 0.1)):
        world = World(
            worlds=walks, items=200, capabilities=number, damaged=damaged, missing=missing, seed=SEED,
            difference=-0.06 if damaged else 0.0,
        )  # fmt: skip
        for audit in simulate(world).audits:
            if audit.name == "peeking":
                continue
            where = f"{number} capabilities, {damaged} damaged, missing {missing:g}, {audit.name}"
            false = audit.false_difference
            equal = audit.false_equivalent
            rows.append([
                str(number), str(damaged), f"{100 * missing:g} %", "stopping early" if audit.name == "sequential" else "fixed",
                bound.cell(Rate(false.value, false.of) if false else None, where),
                bound.cell(Rate(equal.value, equal.of) if equal else None, where),
                Rate(audit.power.value, audit.power.of).text() if audit.power else "–",
                f"{100 * audit.items:.0f} %",
            ])  # fmt: skip
    head = ("capabilities", "damaged", "missing per side", "audit", "any false difference", "false equivalence")
    yield table((*head, "damaged found", "items asked"), rows)


def samples(draws: int, bound: Bound) -> Iterator[str]:
    """Means of K samples."""
    yield "## Several samples per item\n"
    yield (
        "The score of an item is the mean of K samples; single samples differ on 21 % of the items, a tenth of those "
        f"in every sample. Stopping early, margins 3 and 5 points, {draws:,} audits per cell.\n"
    )
    rows = []
    for i, k in enumerate((1, 4, 16)):
        for j, n in enumerate((60, 100, 200, 500)):
            world = World(capabilities=1, discordance=0.21, samples=k, items=n)
            cells = [str(k), f"{n:,}"]
            found = _sampled(rng_for(6, i, j, 0), world, draws, 0.03)
            cells += [bound.cell(o.rate(WORSE, BETTER), f"K {k}, n {n}") for o in found]
            for margin in (0.03, 0.05):
                lossy = replace(world, difference=-margin, damaged=1)
                found = _sampled(rng_for(6, i, j, round(100 * margin)), lossy, draws, margin)
                cells += [bound.cell(o.rate(EQUIVALENT), f"K {k}, n {n}, margin {margin:g}") for o in found]
            rows.append(cells)
    head = ("K", "n", "false difference, fixed", "stopping early", "false equivalence at 3, fixed", "stopping early")
    yield table((*head, "at 5, fixed", "stopping early"), rows)


def _sampled(rng: np.random.Generator, world: World, draws: int, margin: float) -> tuple[Outcome, Outcome]:
    cuts = np.array(world.planned)
    parts = []
    for first in range(0, draws, 5000):
        base, student = draw_scores(world, rng, (min(5000, draws - first), world.items))
        d = student - base
        if world.samples == 1:
            gained, lost = ((side * d > 0).cumsum(axis=1)[:, cuts - 1] for side in (1, -1))
            parts.append(table_tests(gained, lost, cuts, margin))
        else:
            total, squares = (x.cumsum(axis=1)[:, cuts - 1] for x in (d, np.square(d)))
            parts.append(fraction_tests(total, squares, cuts, margin))
    p = np.concatenate(parts)
    early = latched(p, tuple(c / world.items for c in world.planned))
    return verdicts(p[:, -1:, :], (world.items,)), verdicts(early, world.planned)


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


def clusters(draws: int, bound: Bound) -> Iterator[str]:
    """Items of shared passages or templates."""
    yield "## Clusters\n"
    yield (
        "Items of one cluster correlate by 0.032. Direction: the share of gains among the flips varies by cluster. "
        "Fate: an item shares the score of its cluster with chance sqrt(0.032). Naive: the tests of independent "
        f"items, fixed size, for comparison only. {draws:,} audits per cell; those that stop early cut clusters at "
        "their looks.\n"
    )
    rows = []
    for i, setting in enumerate(CLUSTERINGS):
        for j, kind in enumerate(("direction", "fate")):
            cells = [f"{setting.clusters} x {setting.size}", kind, f"{100 * setting.discordance:g} %", f"{100 * setting.margin:g}"]
            where = " ".join(cells[:2])
            for k, (truth, said) in enumerate(((0.0, (WORSE, BETTER)), (-setting.margin, (EQUIVALENT,)))):
                naive, fixed, early, gain = _clustered(rng_for(7, i, j, k), setting, kind, truth, draws)
                cells.append(naive.rate(*said).text())
                cells += [bound.cell(o.rate(*said), f"{where}, difference {truth:g}") for o in (fixed, early, gain)[: 2 + k]]
                if k == 0:
                    cells.append(fixed.rate(EQUIVALENT).text())
            rows.append(cells)
    head = ("clusters x items", "correlation", "discordance", "margin, points", "false difference, naive", "fixed")
    head += ("stopping early", "equivalent if equal, fixed", "false equivalence at a loss, naive", "fixed")
    yield table((*head, "stopping early", "at a gain, fixed"), rows)


def _clustered(
    rng: np.random.Generator, setting: Clustering, kind: str, truth: float, draws: int
) -> tuple[Outcome, Outcome, Outcome, Outcome]:
    n, labels = setting.clusters * setting.size, np.repeat(np.arange(setting.clusters), setting.size)
    d = (_direction if kind == "direction" else _fate)(rng, setting, truth, (draws, n), labels)
    cuts = look_counts(n)
    gained, lost = ((side * d > 0).sum(axis=1) for side in (1, -1))
    naive = table_tests(gained, lost, n, setting.margin)[:, None, :]
    p = np.array([[_cluster_p(row[:cut], labels[:cut], setting.margin) for cut in cuts] for row in d.astype(float)])
    # A gain is the mirror image of a loss, with tests that must be too.
    mirror = np.array([[_cluster_p(-row, labels, setting.margin)] for row in d.astype(float)])
    early = latched(p, tuple(c / n for c in cuts))
    return (
        verdicts(naive, (n,)),
        verdicts(p[:, -1:, :], (n,)),
        verdicts(early, cuts),
        verdicts(mirror, (n,)),
    )


def _cluster_p(d: Floats, labels: Ints, margin: float) -> list[float]:
    """As `stats.margin` puts the tests by cluster together."""
    above, below = cluster_tests(d, labels, [0.0, -margin, margin])
    return [above[0], below[0], above[1], below[2]]


def _direction(
    rng: np.random.Generator, setting: Clustering, truth: float, size: tuple[int, int], labels: Ints, icc: float = 0.032
) -> NDArray[np.int8]:
    psi = setting.discordance
    mean = 0.5 + 0.5 * truth / psi
    spread = icc * (psi - truth**2) / (4.0 * psi**2)
    scale = mean * (1.0 - mean) / spread - 1.0  # of the Beta distribution with this mean and variance
    chance = rng.beta(mean * scale, (1.0 - mean) * scale, (size[0], setting.clusters))[:, labels]
    flips = rng.random(size) < psi
    return np.where(flips, np.where(rng.random(size) < chance, 1, -1), 0).astype(np.int8)


def _fate(
    rng: np.random.Generator, setting: Clustering, truth: float, size: tuple[int, int], labels: Ints, icc: float = 0.032
) -> NDArray[np.int8]:
    world = World(capabilities=1, discordance=setting.discordance, difference=truth, damaged=int(truth != 0.0))
    own, fate = (np.subtract(*draw_scores(world, rng, s)[::-1]) for s in (size, (size[0], setting.clusters)))
    return np.where(rng.random(size) < np.sqrt(icc), fate[:, labels], own).astype(np.int8)


def missing(walks: int, bound: Bound) -> Iterator[str]:
    """Replies without a score, at random and not."""
    yield "## Missing replies\n"
    yield (
        f"300 items, discordance 10 %, margin 5 points, {walks:,} audits per cell through the code of an audit. At "
        "random: each reply, on either side. Hidden losses: the student leaves unanswered the given share of the items "
        "that it alone would have failed; the truth counts them as failed.\n"
    )
    rows = []
    for i, (kind, share) in enumerate((("at random", 0.05), ("at random", 0.2), ("hidden losses", 0.5), ("hidden losses", 1.0))):
        cells = [kind, f"{100 * share:g} %"]
        for truth in (0.0, -0.05):
            world = World(
                worlds=walks, capabilities=1, margin=0.05, difference=truth, damaged=int(truth != 0.0),
                missing=share if kind == "at random" else 1e-12, seed=SEED + i,
            )  # fmt: skip
            scores = [draw(world, number) for number in range(walks)]
            if kind != "at random":
                scores = [[_hidden(own[0], share, rng_for(8, i, number))] for number, own in enumerate(scores)]
            evidence = [collect(world, own) for own in scores]
            for times, planned in (((1.0,), (world.items,)), (evidence[0].answered[0][1].times, world.planned)):
                said = [walk(world, seen, planned).verdicts[0] for seen in latch(evidence, times)]
                wrong = (Verdict.EQUIVALENT,) if truth else (Verdict.BETTER, Verdict.WORSE)
                rate = Rate(sum(v in wrong for v in said) / walks, walks)
                cells.append(bound.cell(rate, f"missing {kind} {share:g}, difference {truth:g}"))
        rows.append(cells)
    head = ("missing", "share", "false difference, fixed", "stopping early", "false equivalence, fixed", "stopping early")
    yield table(head, rows)


def _hidden(scores: Scores, share: float, rng: np.random.Generator) -> Scores:
    lost = (scores.student < scores.base) & (rng.random(scores.base.size) < share)
    return replace(scores, student=np.where(lost, np.nan, scores.student))


def flipless(_: int) -> Iterator[str]:
    """Tables without a single flip."""
    yield "## Tables without a flip\n"
    yield (
        "Fewest items at which models that never differed are called equivalent. The bound is z² (1 - margin) / margin "
        "with z = 1.645. Stopping early: fewest items over plans of 20 to 4,000 items. Clusters of 5.\n"
    )
    rows = []
    for margin in (0.01, 0.02, 0.03, 0.05, 0.10):
        bound = float(ndtri(0.95)) ** 2 * (1.0 - margin) / margin
        zero = np.zeros(4001, dtype=np.int64)
        n = np.arange(4001)
        fixed = _first(table_tests(zero, zero, n, margin))
        graded = _first(fraction_tests(zero, zero, n, margin))
        grouped = next(
            5 * g for g in range(1, 900)
            if max(_cluster_p(np.zeros(5 * g), np.repeat(np.arange(g), 5), margin)[2:]) <= ALPHA
        )  # fmt: skip
        early = min(_first_look(size, margin) for size in range(20, 4001, 20))
        low = min(fixed, graded, grouped, early) < bound
        rows.append([f"{100 * margin:g}", f"{bound:.1f}", *(f"{x:,}" for x in (fixed, early, graded, grouped)), "**below !**" if low else "yes"])
    head = ("margin, points", "bound", "right/wrong, fixed", "stopping early", "fractional, fixed", "clusters, fixed")
    yield table((*head, "never below the bound"), rows)


def _first(p: Floats) -> int:
    return int((p[1:, 2:].max(axis=-1) <= ALPHA).argmax()) + 1


def _first_look(n: int, margin: float) -> int:
    cuts = look_counts(n)
    zero = np.zeros(len(cuts), dtype=np.int64)
    p = latched(table_tests(zero, zero, np.array(cuts), margin), tuple(c / n for c in cuts))
    said = p[:, 2:].max(axis=-1) <= ALPHA
    return cuts[int(said.argmax())] if said.any() else 10**6


def items(outcome: Outcome, n: int) -> str:
    """Mean items asked as a share of n."""
    error = float(outcome.items.std()) / np.sqrt(outcome.items.size) / n
    return f"{outcome.items.mean() / n:.3f} ± {error:.3f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, numbers to the right."""
    lines = [f"| {' | '.join(head)} |", f"|{' ---: |' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def study(scale: float, say: Callable[[str], None]) -> str:
    """Run every part and return the document."""
    bound, small = Bound(), lambda draws: max(20, int(draws * scale))
    parts: list[tuple[str, Iterator[str]]] = [
        ("error rates", errors_and_power(small(20_000), bound)),
        ("power", power(small(5_000))),
        ("items at twice the effect", average_items(small(5_000), small(1_000))),
        ("futility", futility(small(1_500))),
        ("peeking", peeking(small(4_000), bound)),
        ("capabilities", several(small(100_000), bound)),
        ("whole audits", families(small(1_000), bound)),
        ("samples", samples(small(10_000), bound)),
        ("clusters", clusters(small(1_500), bound)),
        ("missing", missing(small(1_500), bound)),
        ("no flips", flipless(0)),
    ]
    body = []
    for name, part in parts:
        clock = time.perf_counter()
        body += list(part)
        say(f"{name}: {time.perf_counter() - clock:.0f} s")
    return "\n".join([_front(bound, scale), *body]).rstrip() + "\n"


def _front(bound: Bound, scale: float) -> str:
    over = "\n".join(f"- {line}" for line in bound.over)
    command = "python tools/validation_study.py" + (" --quick" if scale < 1.0 else "")
    return f"""# Validation of the verdicts

How often the verdicts are wrong, and what they find, where the truth is known. Written by `{command}`, seed {SEED}, with
Hydrometer {__version__}, Python {platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}; the same
versions give the same digits. Rates are in percent, ± is one Monte-Carlo standard error; rates without it are exact.

**Result.** Of {bound.cells} rates that must not exceed {100 * ALPHA:g} %, {len(bound.over)} do so by more than three
Monte-Carlo errors (exact ones by anything at all); they are marked `!`. The largest is {bound.largest.text()} %.
{over}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fiftieth of the draws, for tests")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "validation.md")
    args = parser.parse_args(arguments)
    text = study(0.02 if args.quick else 1.0, lambda line: print(line, file=sys.stderr, flush=True))
    args.out.write_text(text, encoding="utf-8")
    print(args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
