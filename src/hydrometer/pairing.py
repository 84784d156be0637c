"""From outcomes of two sides to paired tables; what is missing is counted, never lost and never a zero."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hydrometer.outcomes import Status
from hydrometer.result import Course, ItemResult, Reply
from hydrometer.stats.estimate import Floats, Ints, Paired
from hydrometer.stats.monitor import Looks

NOT_THE_MODELS_FAULT = (Status.ENGINE_ERROR, Status.ITEM_INVALID)
"""Statuses that say nothing about a model; a pair with one of them is left out of every table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Both sides' scores of the same items, in the order in which they were asked.

    Attributes:
        base: Scores of the base, shape (n,), NaN where there is none.
        student: Scores of the student, shape (n,).
        excused: Items of which a missing score says nothing about a model, shape (n,).
        clusters: Label of each item's cluster, shape (n,); None where every item is its own.
    """

    base: Floats
    student: Floats
    excused: NDArray[np.bool_]
    clusters: Ints | None = None

    @classmethod
    def of(cls, items: Iterable[ItemResult]) -> Scores:
        """Return the scores of graded items."""
        rows = list(items)
        return cls(
            base=np.array([_score(row.base) for row in rows], dtype=np.float64),
            student=np.array([_score(row.student) for row in rows], dtype=np.float64),
            excused=np.array([_excused(row) for row in rows], dtype=np.bool_),
            clusters=cluster_labels([row.cluster or row.item_id for row in rows]),
        )

    def answered(self) -> Paired:
        """Return the table of items that both models answered, the others counted by side."""
        no_base, no_student = np.isnan(self.base), np.isnan(self.student)
        both = ~(no_base | no_student)
        return Paired(
            base=self.base[both],
            student=self.student[both],
            clusters=None if self.clusters is None else self.clusters[both],
            missing_base=int((no_base & ~no_student).sum()),
            missing_student=int((no_student & ~no_base).sum()),
            missing_both=int((no_base & no_student).sum()),
        )

    def strict(self) -> Paired:
        """Return the table in which a reply that was cut, unreadable or refused counts as failed.

        This is the bound beside `answered`, not a replacement: a verdict must hold under both.
        """
        usable = ~self.excused
        return Paired(
            base=np.nan_to_num(self.base[usable], nan=0.0),
            student=np.nan_to_num(self.student[usable], nan=0.0),
            clusters=None if self.clusters is None else self.clusters[usable],
        )

    def looks(self, course: Course) -> tuple[Looks, Looks]:
        """Return the looks taken at the table of answered items and at the strict one."""
        times = tuple(count / course.planned[-1] for count in course.planned)
        taken = course.planned[: course.looks]
        both = np.cumsum(~(np.isnan(self.base) | np.isnan(self.student)))
        usable = np.cumsum(~self.excused)
        return (
            Looks(times=times, cuts=tuple(int(both[count - 1]) for count in taken)),
            Looks(times=times, cuts=tuple(int(usable[count - 1]) for count in taken)),
        )


def answered(items: Iterable[ItemResult]) -> Paired:
    """Return the table of items that both models answered, the others counted by side."""
    return Scores.of(items).answered()


def count_statuses(replies: Sequence[Reply]) -> dict[Status, int]:
    """Return the number of replies per status; the counts add up to the number of replies."""
    return {status: sum(reply.status is status for reply in replies) for status in Status}


def cluster_labels(names: Sequence[str]) -> Ints | None:
    """Return a number per item, the same for items of one name; None where all names differ."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    if len(numbers) == len(names):
        return None
    return np.array([numbers[name] for name in names], dtype=np.int64)


def _score(reply: Reply) -> float:
    return np.nan if reply.value is None else reply.value


def _excused(item: ItemResult) -> bool:
    return bool({item.base.status, item.student.status} & set(NOT_THE_MODELS_FAULT))
