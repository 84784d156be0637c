"""Several samples of one question: what one is worth, what several are, and how alike they are. Pure.

The unit is the question, never the sample: five samples of a question are one pair of values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from hydrometer.outcomes import NOT_THE_MODELS_FAULT
from hydrometer.result import DiversityResult, ItemResult, Reply
from hydrometer.stats.estimate import Estimate, Paired
from hydrometer.stats.multiplicity import holm
from hydrometer.stats.paired import estimate
from hydrometer.stats.repeated import pass_at_k

Question = list[ItemResult]


def diversity_results(items: Sequence[ItemResult], *, alpha: float) -> tuple[DiversityResult, ...]:
    """Return one result per task whose questions were asked several times; empty where none was.

    Questions count of which every sample came on both sides; a sample that was cut, unreadable or refused is not right.

    Args:
        items: All items.
        alpha: Error rate of what is called shown.
    """
    drawn = [item for item in items if item.sampled]
    return tuple(
        _result([item for item in drawn if item.task == task], alpha)
        for task in dict.fromkeys(item.task for item in drawn)
    )


def _result(items: Sequence[ItemResult], alpha: float) -> DiversityResult:
    samples, level = items[0].together, 1.0 - alpha
    questions: dict[str, Question] = {}
    for item in items:
        questions.setdefault(item.cluster, []).append(item)
    whole = [own for own in questions.values() if len(own) == samples and all(map(_came, own))]
    right = np.array(
        [[sum(r.value == 1.0 for r in side) for side in _sides(own)] for own in whole], dtype=np.int64
    ).reshape(-1, 2)
    passes = [pass_at_k(samples, right, k) for k in range(1, samples + 1)]
    added = _estimate(passes[-1] - passes[0], level)
    varied = [seen for own in whole if (seen := _distinct(own)) is not None]
    distinct = _estimate(np.array(varied, dtype=np.float64).reshape(-1, 2), level)
    shown = holm([added.p_value, distinct.p_value]) <= alpha
    return DiversityResult(
        task=items[0].task,
        samples=samples,
        passes=tuple(_estimate(each, level) for each in passes),
        added=added,
        distinct=distinct,
        added_shown=bool(shown[0]),
        distinct_shown=bool(shown[1]),
    )


def _estimate(values: np.ndarray, level: float) -> Estimate:
    # Rounding may leave a share a hair outside of 0..1.
    base, student = np.clip(values, 0.0, 1.0).T
    return estimate(Paired(base=base, student=student), level)


def _distinct(own: Question) -> tuple[float, float] | None:
    """Expected share of distinct answers among equally many readable samples of both; None with fewer than two."""
    said = [[reply.extracted for reply in side if reply.value is not None] for side in _sides(own)]
    depth = min(map(len, said))
    if depth < 2:
        return None
    base, student = (
        # An answer is among the samples with the chance that one of `depth` is it: rarefaction (Hurlbert 1971).
        float(pass_at_k(len(side), np.array(list(Counter(side).values())), depth).sum()) / depth
        for side in said
    )
    return base, student


def _sides(own: Question) -> tuple[list[Reply], list[Reply]]:
    return [item.base for item in own], [item.student for item in own]


def _came(item: ItemResult) -> bool:
    return not {item.base.status, item.student.status} & set(NOT_THE_MODELS_FAULT)
