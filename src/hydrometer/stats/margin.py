"""The four one-sided tests behind a verdict: is it better, is it worse, is it inside the margin on both sides."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.special import ndtr

from hydrometer.stats.estimate import Paired
from hydrometer.stats.paired import flips, mcnemar_midp_gain, plus_two_z, tango_z


@dataclass(frozen=True, slots=True, kw_only=True)
class FourTests:
    """One-sided p-values; a small one speaks for its name.

    Attributes:
        better: Against "the difference is 0 or less".
        worse: Against "the difference is 0 or more".
        above_lower: Against "the student loses the margin or more".
        below_upper: Against "the student gains the margin or more".
    """

    better: float
    worse: float
    above_lower: float
    below_upper: float

    @property
    def two_sided(self) -> float:
        """Two-sided p-value of "no difference"."""
        return min(1.0, 2.0 * min(self.better, self.worse))

    @property
    def inside(self) -> float:
        """P-value of equivalence: both margin tests must reject, so the larger one counts (Schuirmann 1987)."""
        return max(self.above_lower, self.below_upper)


def four_tests(paired: Paired, margin: float) -> FourTests:
    """Run the four tests: mid-p McNemar and Tango's score for right/wrong scores, plus-two for fractional ones.

    Args:
        paired: Scores of both models on the same items.
        margin: Largest difference that still counts as equivalent, between 0 and 1.
    """
    if not 0.0 < margin < 1.0:
        msg = f"margin {margin} must lie between 0 and 1 (0.03 is 3 points)"
        raise ValueError(msg)
    if paired.binary:
        gained, lost = flips(paired)
        better = float(mcnemar_midp_gain(gained, lost))
        worse = float(mcnemar_midp_gain(lost, gained))
        lower, upper = tango_z(gained, lost, paired.n, [-margin, margin])
    else:
        zero, lower, upper = plus_two_z(paired.differences, [0.0, -margin, margin])
        better, worse = float(ndtr(-zero)), float(ndtr(zero))
    return FourTests(
        better=better, worse=worse, above_lower=float(ndtr(-lower)), below_upper=float(ndtr(upper))
    )
