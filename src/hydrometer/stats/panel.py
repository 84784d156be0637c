"""One figure over several capabilities, from a panel of items that was fixed beforehand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr, ndtri

from hydrometer.stats.estimate import Estimate, Paired
from hydrometer.stats.paired import flips

METHOD = "equal weights per capability, stratified plus-two interval"


def panel_estimate(panels: Sequence[Paired], level: float = 0.95) -> Estimate | None:
    """Return the mean over capabilities of their differences, with a stratified interval.

    Each capability is a stratum with its own variance. The two pseudo-units of `paired.plus_two_z` are shared among the
    strata: the figure is never certain, and many small strata do not each pay for them.

    Args:
        panels: One table per capability; those without a pair are left out.
        level: Coverage of the interval.

    Returns:
        The estimate; its `n` are all pairs. None without any pair.
    """
    used = [panel for panel in panels if panel.n]
    if not used:
        return None
    means = np.array([[p.base.mean(), p.student.mean(), p.differences.mean()] for p in used])
    n = np.array([float(p.n) for p in used])
    squares = np.array([np.square(p.differences).sum() for p in used])
    added = 2.0 / len(used)
    units = n + added
    shrunk = means[:, 2] * n / units
    # On the scale of the plain mean: the pseudo-units shrink towards 0 by n / units, undone here.
    variances = ((squares + added) / units - shrunk**2) * units / n**2
    error = float(np.sqrt(variances.sum())) / len(used)
    base, student, difference = (float(value) for value in means.mean(axis=0))
    reach = float(ndtri(0.5 + level / 2.0)) * error
    counts = np.array([flips(p) for p in used]).sum(axis=0)
    return Estimate(
        base=base,
        student=student,
        difference=difference,
        low=max(-1.0, difference - reach),
        high=min(1.0, difference + reach),
        level=level,
        n=int(n.sum()),
        gained=int(counts[0]),
        lost=int(counts[1]),
        missing_base=sum(p.missing_base for p in panels),
        missing_student=sum(p.missing_student for p in panels),
        missing_both=sum(p.missing_both for p in panels),
        p_value=float(2.0 * ndtr(-abs(difference) / error)),
        method=METHOD,
    )
