"""The base against itself: what the noise of decoding does, before a difference is blamed on the student.

The base is asked the same items twice through the whole pipeline, in another order and, where replies are sampled, with
other seeds. A floor that is not equivalent is a fault of the harness or of the server, not of a model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from hydrometer.canon import digest
from hydrometer.errors import UsageError
from hydrometer.items import Request
from hydrometer.pairing import answered, counted
from hydrometer.plan import Entry, grouped
from hydrometer.result import Finding, Floor, ItemResult, Standing
from hydrometer.stats.estimate import Estimate
from hydrometer.stats.floor import excess_flips, noise_floor
from hydrometer.stats.margin import four_tests
from hydrometer.stats.paired import estimate
from hydrometer.stats.power import pairs_for_equivalence

SUSPICIOUS = 0.01
"""Two-sided p-value below which a difference of the base from itself is a fault."""


def second_take(request: Request) -> Request:
    """Return the request that asks the same again; a sampled reply gets another seed."""
    seed = request.seed if request.decoding.greedy else int(digest([request.seed, "second take"])[3:10], 16)
    return replace(request, take=request.take + 1, seed=seed)


def check_size(entries: Sequence[Entry], margin: float, alpha: float) -> None:
    """Refuse a floor that could not come out equivalent even if nothing flipped.

    Raises:
        UsageError: There are too few items.
    """
    needed = pairs_for_equivalence(margin / 2.0, 0.0, alpha=alpha)
    if (pairs := len(grouped(entries))) < needed:
        msg = (
            f"--floor has {pairs} items; even without a single flip it takes {needed} to show that the base is "
            f"equivalent to itself within half the margin: raise --items, or the margin ({100 * margin:g} points)"
        )
        raise UsageError(msg)


def measure_floor(items: Sequence[ItemResult], *, alpha: float) -> Floor:
    """Return the floor from items whose two replies are both of the base, the second pass as the student's."""
    return Floor(estimate=estimate(answered(items), 1.0 - alpha))


def floor_findings(
    floor: Floor, items: Sequence[ItemResult], planned: Mapping[str, int], *, margin: float, alpha: float
) -> tuple[Finding, ...]:
    """Return what a floor says about the setup: its own standing, and whether the margin can be used at all.

    Args:
        floor: The floor.
        items: The items it was measured on.
        planned: Pairs planned per capability.
        margin: The margin of the audit.
        alpha: One-sided error rate of each equivalence test.
    """
    tests = four_tests(answered(items), margin / 2.0)
    sound = tests.inside <= alpha and tests.two_sided > SUSPICIOUS
    found = floor.estimate
    words = f"{floor.flips} of {found.n} items flip, {100 * found.difference:+.1f} points"
    findings = [
        Finding(
            aspect="noise floor",
            base="first pass of the base",
            student=f"second pass of the base: {words}",
            standing=Standing.EQUAL if sound else Standing.UNDECLARED,
            message="" if sound else _fault(found, floor.flips, margin, alpha),
        )
    ]
    floors = {name: noise_floor(floor.flips, found.n, n) for name, n in planned.items()}
    if sound and floors and margin < min(floors.values()):
        findings.append(
            Finding(
                aspect="margin",
                base=f"{100 * margin:g} points",
                student=f"{100 * min(floors.values()):.1f} points or more",
                standing=Standing.UNDECLARED,
                message="the margin lies below the noise floor of every capability with this many items: raise "
                "--items, --margin, or decode one request at a time (--slots 1)",
            )
        )
    return tuple(findings)


def _fault(found: Estimate, flips: int, margin: float, alpha: float) -> str:
    """Why a floor is not sound: too few answers to tell, or a base that differs from itself."""
    if found.n < pairs_for_equivalence(margin / 2.0, 0.0, alpha=alpha):
        return (
            f"only {found.n} items were answered twice, too few to show that the base is equivalent to itself within "
            "half the margin: look at the replies that could not be graded, or raise --items"
        )
    return (
        f"the base is not equivalent to itself within half the margin ({flips} flips), so nothing measured here is "
        "the student's doing: look at the server and its batching, decode one request at a time (--slots 1), or raise "
        "--items"
    )


def with_excess(floor: Floor, passes: Sequence[ItemResult], items: Sequence[ItemResult]) -> Floor:
    """Add how much more the student departs from the base than the base from itself.

    Args:
        floor: The floor.
        passes: The items of the floor, both replies of the base.
        items: The items of the audit.
    """
    own = {item.item_id: item for item in counted(passes) if item.change != "unanswered"}
    both = [(own[i.item_id], i) for i in counted(items) if i.item_id in own and i.change != "unanswered"]
    if not both:
        return floor
    student = np.array([item.change != "same" for _, item in both])
    itself = np.array([item.change != "same" for item, _ in both])
    found = excess_flips(student, itself)
    return replace(floor, excess=float(found.excess), excess_p=float(found.p_value))
