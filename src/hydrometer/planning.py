"""How large an audit must be, and what an audit of a given size or budget can show.

Everything rests on the discordance, the share of items on which the models differ: assumed, or taken from a pilot. An
observed difference is never planned with, for that only restates its p-value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from hydrometer.errors import UsageError
from hydrometer.pairing import counted
from hydrometer.result import AuditResult
from hydrometer.spec import Budget
from hydrometer.stats.monitor import latched
from hydrometer.stats.power import (
    SEQUENTIAL_INFLATION,
    detectable_difference,
    pairs_for_difference,
    pairs_for_difference_exact,
    pairs_for_equivalence,
    pairs_for_noninferiority,
)
from hydrometer.stats.sequential import FIRST_LOOK

LASTING = 0.1
"""Share of the flips that every sample shows when items are sampled several times; chance decides the others."""

_PATHS = 10_000
_LOOKS = tuple(k / 20 for k in range(1, 21))
_HALVINGS = 50
_MOST_EXACT = 200_000
_LARGEST = 10**12
_UNITS = {"tokens": "tokens", "minutes": "seconds"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSpec:
    """What a plan is asked for.

    Attributes:
        margin: Largest difference that still counts as equivalent, and the difference to be shown.
        discordance: Share of items on which single samples of the models differ; with a pilot, the largest of its
            capabilities.
        power: Chance to show what is true.
        alpha: Error rate of the verdicts.
        capabilities: Number of capabilities, for Holm's correction.
        cluster_size: Items per cluster, 1 without clusters.
        icc: Correlation of the differences within a cluster.
        samples: Samples per item and model.
        items: Items per capability, to ask what they show; 0 to not ask.
        budget: Budget, to ask what it buys; None to not ask.
        tokens_per_item: Tokens that both models' replies to one item take, all samples; 0 if not known.
        seconds_per_item: The same in seconds.
    """

    margin: float = 0.03
    discordance: float = 0.10
    power: float = 0.8
    alpha: float = 0.05
    capabilities: int = 8
    cluster_size: float = 1.0
    icc: float = 0.0
    samples: int = 1
    items: int = 0
    budget: Budget | None = None
    tokens_per_item: float = 0.0
    seconds_per_item: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be planned.

        Raises:
            UsageError: With what is wrong and the cure.
        """
        # Written so that NaN fails every check.
        for name, low, high in (("margin", 0.0, 1.0), ("power", 0.0, 1.0), ("alpha", 0.0, 0.5)):
            if not low < getattr(self, name) < high:
                _refuse(f"{name} {getattr(self, name)}: must lie between {low:g} and {high:g}")
        for name in ("discordance", "icc"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                _refuse(f"{name} {getattr(self, name)}: must be a share from 0 to 1")
        for name in ("capabilities", "cluster_size", "samples"):
            if not 1 <= getattr(self, name) <= 1_000_000:
                _refuse(f"{name.replace('_', ' ')} {getattr(self, name)}: must lie from 1 to 1,000,000")
        if not self.power > self.alpha:
            _refuse(f"power {self.power}: must exceed alpha {self.alpha}; chance alone reaches that")
        if not 0 <= self.items <= _LARGEST:
            _refuse(f"items {self.items}: must lie from 1 to {_LARGEST:,}")
        for name in ("tokens_per_item", "seconds_per_item"):
            if not 0.0 <= getattr(self, name) < math.inf:
                _refuse(f"{name.replace('_', ' ')} {getattr(self, name)}: must be a number above 0")
        if self.icc and self.cluster_size == 1:
            _refuse(f"icc {self.icc} without clusters: give a cluster size above 1")

    @property
    def design_effect(self) -> float:
        """Variance by cluster over that of independent items, 1 + (m - 1) ICC (Kish 1965)."""
        return 1.0 + (self.cluster_size - 1.0) * self.icc


@dataclass(frozen=True, slots=True, kw_only=True)
class Pilot:
    """What a plan takes from a finished audit: how often the models differ and what an item costs.

    Items that count only together are one item here, as in every table.

    Attributes:
        discordance: Per capability the share of items on which the models differ, drawn a little towards one half.
        items: Per capability the items behind it.
        tokens_per_item: Mean tokens of both replies to an item, None where none were counted.
        seconds_per_item: Mean seconds of both models for an item, None where nothing was asked.
    """

    discordance: dict[str, float]
    items: dict[str, int]
    tokens_per_item: float | None
    seconds_per_item: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Items per capability for one claim.

    Attributes:
        claim: `equivalence` or `non-inferiority` (where the models do not differ), or `difference` (of the margin).
        fixed: Items of an audit of fixed size.
        exact: The same from the exact power of the mid-p test; None where the claim is not tested by it.
        most: Most items of an audit that stops early, for the same power.
        expected: Items it takes on average; None for non-inferiority, at which an audit does not stop.
    """

    claim: str
    fixed: int
    exact: int | None
    most: int
    expected: int | None


class Reach(NamedTuple):
    """What a number of items shows with the power asked for; None where nothing up to 1 is enough.

    Attributes:
        difference: Smallest true difference that is found.
        margin: Smallest margin within which equal models are called equivalent.
    """

    difference: float | None
    margin: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CapabilityPlan:
    """The plan of one capability.

    Attributes:
        name: Its name, `""` where all are alike.
        discordance: The discordance it was planned with.
        pilot_items: Items behind that; 0 where it was assumed.
        needs: Items per claim.
        items: Items that were asked about or that the budget buys; 0 where neither was given.
        fixed: What they show in an audit of fixed size.
        sequential: What they show in one that stops early.
    """

    name: str
    discordance: float
    pilot_items: int
    needs: tuple[Need, ...]
    items: int = 0
    fixed: Reach | None = None
    sequential: Reach | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPlan:
    """What was asked and the plan of every capability."""

    spec: PlanSpec
    capabilities: tuple[CapabilityPlan, ...]


def make_audit_plan(spec: PlanSpec, pilot: Pilot | None = None) -> AuditPlan:
    """Plan an audit.

    Args:
        spec: What is asked.
        pilot: A finished audit, whose discordances, number of capabilities and costs replace those of the spec.
    """
    shares, behind = {"": spec.discordance}, {"": 0}
    if pilot:
        shares, behind = pilot.discordance, pilot.items
    items = spec.items or _bought(spec)
    return AuditPlan(
        spec=spec,
        capabilities=tuple(
            _plan_one(spec, name, share, behind[name], items) for name, share in shares.items()
        ),
    )


def read_pilot(result: AuditResult) -> Pilot:
    """Take from a finished audit what a plan may use; the differences it found are not looked at.

    Raises:
        UsageError: No item of it was answered by both models.
    """
    squares: dict[str, list[float]] = {}
    rows = counted(result.items)
    for row in rows:
        if row.base.value is not None and row.student.value is not None:
            squares.setdefault(row.capability, []).append((row.student.value - row.base.value) ** 2)
    # What counts as one item may take several questions.
    each = len(result.items) / len(rows) if rows else 1.0
    tokens = []
    for item in result.items:
        known = [reply.tokens for reply in (item.base, item.student) if reply.tokens is not None]
        if known:
            tokens.append(each * sum(known))
    if not squares:
        _refuse("the pilot has no item that both models answered: it says nothing to plan with")
    sides = [side for side in (result.base, result.student) if side.asked and side.seconds > 0.0]
    return Pilot(
        # As verdicts plan: with one flip among two more items, so that few items without a flip promise nothing.
        discordance={name: (sum(d) + 1.0) / (len(d) + 2.0) for name, d in squares.items()},
        items={name: len(d) for name, d in squares.items()},
        tokens_per_item=sum(tokens) / len(tokens) if tokens else None,
        seconds_per_item=each * sum(side.seconds / side.asked for side in sides) if len(sides) == 2 else None,
    )


def _plan_one(spec: PlanSpec, name: str, share: float, behind: int, items: int) -> CapabilityPlan:
    variance = share * (LASTING + (1.0 - LASTING) / spec.samples) if spec.samples > 1 else share
    return CapabilityPlan(
        name=name,
        discordance=share,
        pilot_items=behind,
        needs=_needs(spec, variance),
        items=items,
        fixed=_reach(spec, variance, items) if items else None,
        sequential=_reach(spec, variance, items / SEQUENTIAL_INFLATION) if items else None,
    )


def _needs(spec: PlanSpec, variance: float) -> tuple[Need, ...]:
    level = {"power": spec.power, "alpha": spec.alpha}
    first = {"power": spec.power, "alpha": spec.alpha / spec.capabilities}
    pairs = {
        "equivalence": pairs_for_equivalence(spec.margin, variance, **level),
        "non-inferiority": pairs_for_noninferiority(spec.margin, variance, **level),
        "difference": pairs_for_difference(spec.margin, variance, **first),
    }
    exact = None
    # Where all flips would have to go one way, or items are too many to enumerate, Connor's formula stands alone.
    if spec.samples == 1 and spec.margin <= variance and pairs["difference"] <= _MOST_EXACT:
        exact = _stretched(spec, pairs_for_difference_exact(spec.margin, variance, **first))
    shares = _expected_shares(spec.power, spec.alpha, spec.capabilities)
    needs = []
    for claim, needed in pairs.items():
        most = _stretched(spec, needed * SEQUENTIAL_INFLATION)
        needs.append(
            Need(
                claim=claim,
                fixed=_stretched(spec, needed),
                exact=exact if claim == "difference" else None,
                most=most,
                expected=math.ceil(shares[claim] * most) if claim in shares else None,
            )
        )
    return tuple(needs)


def _stretched(spec: PlanSpec, pairs: float) -> int:
    return math.ceil(pairs * spec.design_effect)


def _reach(spec: PlanSpec, variance: float, items: float) -> Reach:
    pairs = int(items / spec.design_effect)
    difference = detectable_difference(
        pairs, variance, power=spec.power, alpha=spec.alpha / spec.capabilities
    )
    return Reach(difference if difference < 1.0 else None, _smallest_margin(spec, variance, pairs))


def _smallest_margin(spec: PlanSpec, variance: float, pairs: int) -> float | None:
    """Invert `pairs_for_equivalence`, which falls with the margin."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if pairs_for_equivalence(middle, variance, power=spec.power, alpha=spec.alpha) > pairs:
            low = middle
        else:
            high = middle
    return high if high < 1.0 else None


def _bought(spec: PlanSpec) -> int:
    """Items per capability that the budget buys; 0 without a budget."""
    if spec.budget is None:
        return 0
    total = spec.budget.amount
    if spec.budget.unit != "items":
        name = f"{_UNITS[spec.budget.unit]}_per_item"
        cost = getattr(spec, name)
        if not cost:
            _refuse(
                f"a budget in {spec.budget.unit} needs the price of an item: give --{name.replace('_', '-')}, "
                "or --pilot with the folder of an audit"
            )
        total *= (60.0 if spec.budget.unit == "minutes" else 1.0) / cost
    each, first = int(min(total / spec.capabilities, _LARGEST)), FIRST_LOOK
    if each < first:
        _refuse(
            f"a budget of {spec.budget.amount:,.10g} {spec.budget.unit} buys {each} items for each of "
            f"{spec.capabilities} capabilities: the first look takes {first}; raise it or choose fewer capabilities"
        )
    return each


@cache
def _expected_shares(power: float, alpha: float, capabilities: int) -> Mapping[str, float]:
    """Share of its most items that an audit takes where what was planned for is true, by claim.

    From simulated paths of the normal limit at 20 even looks, through the repeated p-values and stopped by the rule
    of a verdict; the same paths every time, so that a plan repeats to the digit.
    """
    steps = np.random.default_rng(0).normal(0.0, math.sqrt(1.0 / len(_LOOKS)), (_PATHS, len(_LOOKS)))
    roots = np.sqrt(_LOOKS)
    noise = steps.cumsum(axis=1) / roots
    reach = {
        "equivalence": float(ndtri(1.0 - alpha) + ndtri(0.5 + power / 2.0)),
        "difference": float(ndtri(1.0 - alpha / (2.0 * capabilities)) + ndtri(power)),
    }
    shares = {}
    for claim, drift in reach.items():
        margin = drift * math.sqrt(SEQUENTIAL_INFLATION) * roots
        z = noise - (margin if claim == "difference" else 0.0)
        p = latched(np.stack([ndtr(-z), ndtr(z), ndtr(-z - margin), ndtr(z - margin)], axis=-1), _LOOKS)
        said = (p[..., 2:].max(axis=-1) <= alpha) | (2.0 * p[..., :2].min(axis=-1) <= alpha / capabilities)
        look = np.where(said.any(axis=-1), said.argmax(axis=-1), len(_LOOKS) - 1)
        shares[claim] = float(np.take(_LOOKS, look).mean())
    return shares


def _refuse(message: str) -> None:
    raise UsageError(message)
