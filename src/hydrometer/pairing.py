"""From outcomes of two sides to paired tables; what is missing is counted, never lost and never a zero.

What is counted is an item, or the items of a cluster that count only together (`graders.together`) as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hydrometer.graders.together import any_right, together
from hydrometer.outcomes import NOT_THE_MODELS_FAULT, Status
from hydrometer.result import Course, ItemResult, Reply
from hydrometer.stats.estimate import Floats, Ints, Paired
from hydrometer.stats.monitor import Looks


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Both sides' scores of the same items, in the order in which they were asked.

    Attributes:
        base: Scores of the base, shape (n,), NaN where there is none.
        student: Scores of the student, shape (n,).
        excused: Items of which a missing score says nothing about a model, shape (n,).
        clusters: Label of each item's cluster, shape (n,); None where every item is its own.
        ends: Items asked up to each score, shape (n,), rising; None where there is a score per item.
    """

    base: Floats
    student: Floats
    excused: NDArray[np.bool_]
    clusters: Ints | None = None
    ends: Ints | None = None

    @classmethod
    def of(cls, items: Iterable[ItemResult]) -> Scores:
        """Return the scores of graded items; those that count only together have one score."""
        asked = list(items)
        units = _units(asked)
        rows = [_one([asked[place] for place in places]) for places in units]
        return cls(
            base=np.array([_score(row.base) for row in rows], dtype=np.float64),
            student=np.array([_score(row.student) for row in rows], dtype=np.float64),
            excused=np.array([_excused(row) for row in rows], dtype=np.bool_),
            clusters=cluster_labels([row.cluster or row.item_id for row in rows]),
            ends=np.array([places[-1] + 1 for places in units], dtype=np.int64),
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
        """Return the looks taken at the table of answered items and at the strict one.

        Raises:
            ValueError: The course has looks behind the last item.
        """
        times = tuple(count / course.planned[-1] for count in course.planned)
        ends = np.arange(1, self.base.size + 1) if self.ends is None else self.ends
        taken = course.planned[: course.looks]
        if taken and taken[-1] > ends.max(initial=0):
            msg = f"the last look was at {taken[-1]} items of {ends.max(initial=0)}"
            raise ValueError(msg)
        reached = np.searchsorted(ends, taken, side="right")
        # Beginning with nothing, for a look before the first whole unit.
        both = np.cumsum(np.append(False, ~(np.isnan(self.base) | np.isnan(self.student))))
        usable = np.cumsum(np.append(False, ~self.excused))
        return (
            Looks(times=times, cuts=tuple(int(both[count]) for count in reached)),
            Looks(times=times, cuts=tuple(int(usable[count]) for count in reached)),
        )


def counted(items: Iterable[ItemResult]) -> list[ItemResult]:
    """Return one row for all that counts as one: an item itself, or the items of a cluster that count only together.

    Such a row stands for its first item, with the joint grades and the tokens of all its replies. A cluster of which an
    item was not asked says nothing and is left out.
    """
    rows = list(items)
    return [_one([rows[place] for place in places]) for places in _units(rows)]


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


def _units(rows: Sequence[ItemResult]) -> list[list[int]]:
    """Places of the rows that count as one, whole units only, in the order in which they were complete."""
    units: dict[tuple[str, str], list[int]] = {}
    for place, row in enumerate(rows):
        units.setdefault((row.task, row.cluster if row.together else row.item_id), []).append(place)
    whole = [places for places in units.values() if len(places) >= rows[places[0]].together]
    return sorted(whole, key=lambda places: places[-1])


def _one(rows: Sequence[ItemResult]) -> ItemResult:
    if len(rows) == 1:
        return rows[0]
    return replace(
        rows[0],
        base=_joint([row.base for row in rows], sampled=rows[0].sampled),
        student=_joint([row.student for row in rows], sampled=rows[0].sampled),
    )


def _joint(replies: Sequence[Reply], *, sampled: bool) -> Reply:
    grade = (any_right if sampled else together)([reply.grade for reply in replies])
    tokens = [reply.tokens for reply in replies]
    return replace(
        replies[0],
        status=grade.status,
        value=grade.value,
        extracted=grade.extracted,
        reason=grade.reason,
        tokens=None if None in tokens else sum(count or 0 for count in tokens),
    )


def _score(reply: Reply) -> float:
    return np.nan if reply.value is None else reply.value


def _excused(item: ItemResult) -> bool:
    return bool({item.base.status, item.student.status} & set(NOT_THE_MODELS_FAULT))
