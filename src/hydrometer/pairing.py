"""From outcomes of two sides to paired tables; what is missing is counted, never lost and never a zero."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from hydrometer.outcomes import Status
from hydrometer.result import ItemResult, Reply
from hydrometer.stats.estimate import Paired

NOT_THE_MODELS_FAULT = (Status.ENGINE_ERROR, Status.ITEM_INVALID)
"""Statuses that say nothing about a model; a pair with one of them is left out of every table."""


def answered(items: Iterable[ItemResult]) -> Paired:
    """Return the table of items that both models answered, the others counted by side."""
    pairs = [(item.base.value, item.student.value) for item in items]
    both = [(b, s) for b, s in pairs if b is not None and s is not None]
    return Paired(
        base=np.array([b for b, _ in both], dtype=np.float64),
        student=np.array([s for _, s in both], dtype=np.float64),
        missing_base=sum(b is None and s is not None for b, s in pairs),
        missing_student=sum(b is not None and s is None for b, s in pairs),
        missing_both=sum(b is None and s is None for b, s in pairs),
    )


def strict(items: Iterable[ItemResult]) -> Paired:
    """Return the table in which a reply that was cut, unreadable or refused counts as failed.

    This is the bound beside `answered`, not a replacement: a verdict must hold under both.
    """
    usable = [i for i in items if not {i.base.status, i.student.status} & set(NOT_THE_MODELS_FAULT)]
    return Paired(
        base=np.array([_or_failed(i.base) for i in usable], dtype=np.float64),
        student=np.array([_or_failed(i.student) for i in usable], dtype=np.float64),
    )


def count_statuses(replies: Sequence[Reply]) -> dict[Status, int]:
    """Return the number of replies per status; the counts add up to the number of replies."""
    return {status: sum(reply.status is status for reply in replies) for status in Status}


def _or_failed(reply: Reply) -> float:
    return 0.0 if reply.value is None else reply.value
