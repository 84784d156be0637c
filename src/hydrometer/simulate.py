"""Worlds whose truth is known, sent through the code that judges an audit: how often does it err, how much does it ask?

Scores are drawn, then everything is the product's own: pairing, tables and looks, repeated p-values, the family of
all capabilities at every look, and the rule by which a capability stops. Only the order of computing differs: the
p-values of all planned looks are worked out at once, since looking does not change them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hydrometer.errors import UsageError
from hydrometer.pairing import Scores
from hydrometer.planning import LASTING
from hydrometer.progress import Progress, Silent
from hydrometer.result import Course, Stopped, Verdict
from hydrometer.stats.estimate import Floats, Paired
from hydrometer.stats.intervals import wilson_interval
from hydrometer.stats.margin import FourTests, prefix_tests
from hydrometer.stats.monitor import Looks, chance_of_verdict, latched
from hydrometer.stats.sequential import look_counts
from hydrometer.stopping import Pool
from hydrometer.verdict import decide

SETTLED_RIGHT = 0.7
"""Share right among the items on which the models agree; it changes no verdict while nothing is missing."""

_SCORES_AT_ONCE = 400_000
_MOST, _MOST_DRAWN = 10_000_000, 20_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is simulated.

    Attributes:
        worlds: Audits to simulate.
        items: Items planned per capability.
        capabilities: Capabilities per audit.
        discordance: Share of items on which single samples of the models differ.
        difference: True difference of the damaged capabilities, student minus base.
        damaged: Capabilities with that difference; the others have none.
        margin: Largest difference that still counts as equivalent.
        alpha: Error rate of the verdicts.
        fixed: Whether only the audit of fixed size is simulated.
        cluster_size: Items that share a cluster, 1 without clusters.
        icc: Correlation of the differences within a cluster.
        samples: Samples per item and model; their mean is the score.
        missing: Chance that a reply has no score, on each side by itself.
        seed: Seed of everything.
    """

    worlds: int = 1000
    items: int = 300
    capabilities: int = 8
    discordance: float = 0.10
    difference: float = 0.0
    damaged: int = 0
    margin: float = 0.03
    alpha: float = 0.05
    fixed: bool = False
    cluster_size: int = 1
    icc: float = 0.0
    samples: int = 1
    missing: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse worlds that cannot be.

        Raises:
            UsageError: With what is wrong and the cure.
        """
        for name in ("worlds", "items", "capabilities", "cluster_size", "samples"):
            if not 1 <= getattr(self, name) <= _MOST:
                _refuse(f"{name.replace('_', ' ')} {getattr(self, name)}: must be 1 or more, at most {_MOST:,}")
        if self.items * self.capabilities > _MOST_DRAWN:
            _refuse(f"{self.items:,} items of {self.capabilities:,} capabilities: at most {_MOST_DRAWN:,} together")
        for name, most in (("discordance", 1.0), ("icc", 1.0), ("missing", 0.99)):
            if not 0.0 <= getattr(self, name) <= most:
                _refuse(f"{name} {getattr(self, name)}: must be a share from 0 to {most:g}")
        if not 0.0 < self.margin < 1.0:
            _refuse(f"margin {self.margin}: must lie between 0 and 1 (0.03 is 3 points)")
        if not 0.0 < self.alpha <= 0.5:
            _refuse(f"alpha {self.alpha}: must lie above 0 and up to 0.5")
        if self.seed < 0:
            _refuse(f"seed {self.seed}: must be 0 or more")
        self._check_damage()
        if self.icc and self.cluster_size == 1:
            _refuse(f"icc {self.icc} without clusters: give a cluster size of 2 or more")
        if 2.0 * (1.0 - LASTING) * self.discordance > 1.0 and self.samples > 1:
            _refuse(
                f"discordance {self.discordance} with several samples: models that answer by chance differ in "
                f"half of them; give {0.5 / (1.0 - LASTING):.2f} or less"
            )

    def _check_damage(self) -> None:
        if not 0 <= self.damaged <= self.capabilities:
            _refuse(f"{self.damaged} damaged of {self.capabilities} capabilities: give 0 up to all of them")
        if (self.difference == 0.0) != (self.damaged == 0):
            _refuse(
                f"difference {self.difference} in {self.damaged} capabilities: give both, a difference and the "
                "number of damaged ones, or neither"
            )
        # NaN, too, is not at most anything.
        if not abs(self.difference) <= self.discordance:
            _refuse(
                f"difference {self.difference}: cannot exceed the discordance of {self.discordance}, for every "
                "lost item is one on which the models differ; raise the discordance"
            )

    @property
    def planned(self) -> tuple[int, ...]:
        """Item counts of the looks of the audit that stops early."""
        return look_counts(self.items)

    @property
    def truths(self) -> Floats:
        """True difference per capability, the damaged ones first."""
        return np.where(np.arange(self.capabilities) < self.damaged, self.difference, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share of simulated cases with its Monte-Carlo error.

    Attributes:
        count: Cases.
        of: Out of how many.
        low: Lower end of the 95 % Wilson interval.
        high: Upper end.
    """

    count: int
    of: int
    low: float
    high: float

    @classmethod
    def counted(cls, cases: NDArray[np.bool_]) -> Share | None:
        """Return the share of true entries; None without any entry."""
        if not cases.size:
            return None
        low, high = wilson_interval(int(cases.sum()), cases.size)
        return cls(count=int(cases.sum()), of=cases.size, low=float(low), high=float(high))

    @property
    def value(self) -> float:
        """The share."""
        return self.count / self.of


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What one way to audit did in all worlds; a share of nothing is None.

    Attributes:
        name: `sequential`, `fixed`, or `peeking`: the tests of fixed size at every look, uncorrected.
        false_difference: Worlds with any `better` or `worse` that is false.
        false_equivalent: Capabilities called equivalent, of those whose true difference is the margin or more.
        power: Damaged capabilities whose difference was found, with its sign.
        sound: Verdicts on capabilities without a difference.
        damaged: Verdicts on the damaged ones.
        items: Mean share of the planned items that was asked.
        items_error: Standard error of that mean over worlds.
        unlikely: Capabilities given up because no verdict was to be expected.
    """

    name: str
    false_difference: Share | None
    false_equivalent: Share | None
    power: Share | None
    sound: dict[Verdict, Share | None]
    damaged: dict[Verdict, Share | None]
    items: float
    items_error: float
    unlikely: Share | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """A simulated world and what every way to audit did in it."""

    world: World
    audits: tuple[Rates, ...]


class Ending(NamedTuple):
    """How a simulated audit ended, one entry per capability.

    Attributes:
        verdicts: The verdicts.
        items: Items asked.
        stopped: Why no more were asked.
    """

    verdicts: list[Verdict]
    items: list[int]
    stopped: list[Stopped]


class Evidence(NamedTuple):
    """The tables of one world with all planned looks, and the p-values at each look, were it the only one.

    Attributes:
        answered: Per capability the table of answered items and its looks.
        p: P-values of the four tests on it, shape (capabilities, looks, 4).
        strict_p: The same with unanswered items counted as failed.
    """

    answered: list[tuple[Paired, Looks]]
    p: Floats
    strict_p: Floats


def simulate(world: World, progress: Progress | None = None) -> Simulation:
    """Simulate audits and count what they say.

    Args:
        world: What is simulated; equal worlds give equal results, to the digit.
        progress: Who is told how far it is.
    """
    shown = progress or Silent()
    shown.start("simulate audits", world.worlds)
    endings: dict[str, list[Ending]] = {"sequential": [], "fixed": [], "peeking": []}
    at_once = max(1, _SCORES_AT_ONCE // (world.items * world.capabilities))
    for first in range(0, world.worlds, at_once):
        numbers = range(first, min(first + at_once, world.worlds))
        evidence = [collect(world, draw(world, number)) for number in numbers]
        endings["fixed"] += [walk(world, seen, (world.items,)) for seen in latch(evidence, (1.0,))]
        if not world.fixed:
            times = evidence[0].answered[0][1].times
            endings["sequential"] += [walk(world, seen, world.planned) for seen in latch(evidence, times)]
            endings["peeking"] += [_peek(world, seen.p) for seen in evidence]
        shown.advance(len(numbers))
    return Simulation(
        world=world, audits=tuple(_rates(name, world, found) for name, found in endings.items() if found)
    )


def draw(world: World, number: int) -> list[Scores]:
    """Return the scores of one world, per capability, the damaged ones first.

    Every world has its own generator, so that it does not depend on how many are drawn.
    """
    rng = np.random.default_rng([number, world.seed])
    size, items = (world.capabilities, world.items), np.arange(world.items)
    base, student = draw_scores(world, rng, size)
    labels = None
    if world.cluster_size > 1:
        labels = items // world.cluster_size
        # An item shares the fate of its cluster with chance sqrt(icc), so that two do with chance icc: the scores
        # of single items stay as they were, and differences correlate by exactly icc.
        of_cluster = draw_scores(world, rng, (world.capabilities, int(labels[-1]) + 1))
        shares = rng.random(size) < np.sqrt(world.icc)
        base, student = (
            np.where(shares, fate[:, labels], own)
            for fate, own in zip(of_cluster, (base, student), strict=True)
        )
    if world.missing:
        base, student = (np.where(rng.random(size) < world.missing, np.nan, s) for s in (base, student))
    excused = np.zeros(world.items, dtype=np.bool_)
    return [
        Scores(base=b, student=s, excused=excused, clusters=labels)
        for b, s in zip(base, student, strict=True)
    ]


def draw_scores(world: World, rng: np.random.Generator, size: tuple[int, int]) -> tuple[Floats, Floats]:
    """Return scores of the base and of the student, without clusters and with nothing missing.

    Items are settled, flip in every sample, or are decided by chance in each sample, which is fair for the base.

    Args:
        world: What is simulated.
        rng: Source of chance.
        size: Capabilities and items; with the one capability of a world, any number of repetitions of it.
    """
    lasting = (1.0 if world.samples == 1 else LASTING) * world.discordance
    open_ = 2.0 * (world.discordance - lasting)
    kind = rng.random(size)
    # The chance that a flip is a gain, and that the student has an open item right where the base has even odds.
    gain = 0.5 + 0.5 * world.truths[:, None] / max(world.discordance, 1e-300)
    gained = rng.random(size) < gain
    settled = (rng.random(size) < SETTLED_RIGHT).astype(np.float64)
    flipped = kind < lasting
    base, student = np.where(flipped, ~gained, settled), np.where(flipped, gained, settled)
    if open_:
        undecided = ~flipped & (kind < lasting + open_)
        base = np.where(undecided, rng.binomial(world.samples, 0.5, size) / world.samples, base)
        student = np.where(undecided, rng.binomial(world.samples, gain, size) / world.samples, student)
    return base, student


def collect(world: World, scores: Sequence[Scores]) -> Evidence:
    """Return the tables of one world and the p-values at every planned look."""
    planned = (world.items,) if world.fixed else world.planned
    course = Course(planned=planned, looks=len(planned), stopped=Stopped.COMPLETE)
    tables = []
    p: list[list[Floats]] = [[], []]
    for own in scores:
        answered, (seen, counted) = own.answered(), own.looks(course)
        tables.append((answered, seen))
        p[0].append(prefix_tests(answered, seen.cuts, world.margin))
        # With nothing missing both tables are the same one.
        p[1].append(prefix_tests(own.strict(), counted.cuts, world.margin) if world.missing else p[0][-1])
    return Evidence(tables, np.stack(p[0]), np.stack(p[1]))


def walk(world: World, evidence: Evidence, planned: tuple[int, ...]) -> Ending:
    """Audit one world look by look, all capabilities in step, until each has stopped.

    Args:
        world: What is simulated.
        evidence: Its tables, with repeated p-values.
        planned: Item counts of the looks.
    """
    pools = [Pool(str(number), (), planned) for number in range(world.capabilities)]
    p = [evidence.p.tolist()]
    if world.missing:
        p.append(evidence.strict_p.tolist())
    verdicts: list[Verdict] = []
    while active := [number for number, pool in enumerate(pools) if pool.stopped is None]:
        for number in active:
            pools[number].looks += 1
        said = [_decided(own, pools, world.alpha) for own in p]
        # As `judge` does: where the tables disagree, nothing is said.
        verdicts = [s[0] if len(set(s)) == 1 else Verdict.NOT_ENOUGH for s in zip(*said, strict=True)]
        for number in active:
            chance = 0.0
            if verdicts[number] is Verdict.NOT_ENOUGH and pools[number].looks < len(planned):
                chance = _outlook(*evidence.answered[number], pools[number].looks, world)
            pools[number].settle(verdicts[number], chance)
    return Ending(
        verdicts, [pool.asked for pool in pools], [pool.stopped or Stopped.COMPLETE for pool in pools]
    )


def latch(evidence: Sequence[Evidence], times: tuple[float, ...]) -> Iterator[Evidence]:
    """Make repeated p-values of many worlds at once; with a single time, those of the last look alone."""
    looks = slice(-len(times), None)
    p = latched(np.stack([seen.p for seen in evidence])[..., looks, :], times)
    strict = latched(np.stack([seen.strict_p for seen in evidence])[..., looks, :], times)
    for seen, own, counted in zip(evidence, p, strict, strict=True):
        yield seen._replace(p=own, strict_p=counted)


def _decided(p: list[list[list[float]]], pools: Sequence[Pool], alpha: float) -> list[Verdict]:
    tests = []
    for own, pool in zip(p, pools, strict=True):
        better, worse, above, below = own[pool.looks - 1]
        tests.append(FourTests(better=better, worse=worse, above_lower=above, below_upper=below))
    return [decision.verdict for decision in decide(tests, alpha)]


def _outlook(table: Paired, looks: Looks, taken: int, world: World) -> float:
    """As `stopping.outlook`, on a table that holds the later looks already."""
    seen = replace(looks, cuts=looks.cuts[:taken])
    return chance_of_verdict(table, seen, world.margin, world.alpha)



def _peek(world: World, p: Floats) -> Ending:
    """Stop every capability by itself at the first look at which any uncorrected test rejects."""
    better, worse, inside = p[..., 0], p[..., 1], p[..., 2:].max(axis=-1)
    hits = np.stack([inside <= world.alpha, worse <= world.alpha / 2, better <= world.alpha / 2], axis=-1)
    found = hits.any(axis=-1)
    first = np.where(found.any(axis=-1), found.argmax(axis=-1), len(world.planned) - 1)
    names = (Verdict.EQUIVALENT, Verdict.WORSE, Verdict.BETTER)
    ending = Ending([], [], [])
    for own, look in zip(hits, first, strict=True):
        hit = own[look]
        ending.verdicts.append(names[int(hit.argmax())] if hit.any() else Verdict.NOT_ENOUGH)
        ending.items.append(world.planned[look])
        ending.stopped.append(Stopped.DECIDED if hit.any() else Stopped.COMPLETE)
    return ending


def _rates(name: str, world: World, endings: Sequence[Ending]) -> Rates:
    said = np.array([[verdict.value for verdict in ending.verdicts] for ending in endings])
    share = np.array([ending.items for ending in endings]).mean(axis=1) / world.items
    truths = world.truths
    better, worse = said == Verdict.BETTER.value, said == Verdict.WORSE.value
    false = np.where(truths > 0, worse, np.where(truths < 0, better, better | worse))
    found = np.where(truths > 0, better, worse)
    damaged = truths != 0.0
    beyond = np.abs(truths) >= world.margin
    verdicts = (Verdict.BETTER, Verdict.WORSE, Verdict.EQUIVALENT, Verdict.NOT_ENOUGH)
    return Rates(
        name=name,
        false_difference=Share.counted(false.any(axis=1)),
        false_equivalent=Share.counted(said[:, beyond] == Verdict.EQUIVALENT.value),
        power=Share.counted(found[:, damaged]),
        sound={v: Share.counted(said[:, ~damaged] == v.value) for v in verdicts},
        damaged={v: Share.counted(said[:, damaged] == v.value) for v in verdicts},
        items=float(share.mean()),
        items_error=float(share.std(ddof=1) / np.sqrt(share.size)) if share.size > 1 else 0.0,
        unlikely=Share.counted(
            np.array([[why is Stopped.UNLIKELY for why in ending.stopped] for ending in endings])
        ),
    )


def _refuse(message: str) -> None:
    raise UsageError(message)
