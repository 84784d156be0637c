"""How well stated confidences fit the answers, and whether that changed from base to student. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hydrometer.pairing import cluster_labels
from hydrometer.result import CalibrationResult, ItemResult, Reply
from hydrometer.stats.calibration import brier_change, calibration_change
from hydrometer.stats.estimate import Floats

_SEED = 0
"""Of the sign-flips behind p-values: the same evidence gives the same p-value."""


def calibration_result(items: Sequence[ItemResult], *, alpha: float) -> CalibrationResult | None:
    """Return the change of calibration over the items that asked for a confidence; None where none did.

    Only items count that both models answered readably and with a confidence; how many each model left without one is
    given beside them, for a model may state none where it is unsure.

    Args:
        items: All items.
        alpha: Error rate of what is called shown.
    """
    asked = [item for item in items if item.asks_confidence]
    if not asked:
        return None
    usable = [item for item in asked if _stated(item.base) and _stated(item.student)]
    base, base_right = _arrays([item.base for item in usable])
    student, student_right = _arrays([item.student for item in usable])
    sides = (base, base_right), (student, student_right)
    clusters = cluster_labels([item.cluster or item.item_id for item in usable])
    moments = calibration_change(*sides, np.random.default_rng(_SEED), clusters=clusters)
    brier = brier_change(*sides, np.random.default_rng(_SEED), clusters=clusters)
    return CalibrationResult(
        asked=len(asked),
        base_stated=sum(item.base.confidence is not None for item in asked),
        student_stated=sum(item.student.confidence is not None for item in asked),
        n=len(usable),
        base_confidence=_mean(base),
        student_confidence=_mean(student),
        base_right=_mean(base_right),
        student_right=_mean(student_right),
        level=moments.level,
        slope=moments.slope,
        level_p=moments.adjusted_level,
        slope_p=moments.adjusted_slope,
        level_shown=bool(usable) and moments.adjusted_level <= alpha,
        slope_shown=bool(usable) and moments.adjusted_slope <= alpha,
        brier=brier.difference,
        brier_p=brier.p_value,
    )


def _stated(reply: Reply) -> bool:
    return reply.value is not None and reply.confidence is not None


def _arrays(replies: Sequence[Reply]) -> tuple[Floats, Floats]:
    """Confidences and scores of replies that have both."""
    pairs = np.array([(reply.confidence, reply.value) for reply in replies], dtype=np.float64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else 0.0
