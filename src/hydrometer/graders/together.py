"""Grades of items that count only together, such as the two twins of a minimal pair.

A model that always says yes is right on half of all twins and on no pair: judged one by one it looks like chance,
judged together it is seen for what it is.
"""

from __future__ import annotations

from collections.abc import Sequence

from hydrometer.outcomes import NOT_THE_MODELS_FAULT, Grade, Status


def together(grades: Sequence[Grade]) -> Grade:
    """Return the one grade of a cluster: wrong if any is wrong, missing if any is missing, else right.

    A wrong twin decides even where the other one is missing: no answer to that one could have saved the pair. Among
    missing ones, what the model did itself comes before what it is not to blame for, for the same reason.

    Args:
        grades: Grades of all items of the cluster.

    Raises:
        ValueError: There are no grades.
    """
    if not grades:
        msg = "no grades: a cluster holds at least one item"
        raise ValueError(msg)
    extracted = " / ".join(grade.extracted for grade in grades)
    wrong = [grade for grade in grades if grade.value is not None and grade.value < 1.0]
    if wrong:
        return Grade.wrong(extracted, wrong[0].reason)
    missing = [grade for grade in grades if grade.status is not Status.GRADED]
    return min(missing, key=_excused) if missing else Grade.right(extracted)


def any_right(grades: Sequence[Grade]) -> Grade:
    """Return the one grade of several samples of a question: right if any is, missing if any is missing, else wrong.

    A right sample decides even where another one is missing; among missing ones, one that the model is not to blame for
    comes first, for it might have been right.

    Args:
        grades: Grades of all samples.

    Raises:
        ValueError: There are no grades.
    """
    if not grades:
        msg = "no grades: a question has at least one sample"
        raise ValueError(msg)
    extracted = " / ".join(grade.extracted for grade in grades)
    if any(grade.value == 1.0 for grade in grades):
        return Grade.right(extracted)
    missing = [grade for grade in grades if grade.status is not Status.GRADED]
    return max(missing, key=_excused) if missing else Grade.wrong(extracted, grades[0].reason)


def _excused(grade: Grade) -> bool:
    return grade.status in NOT_THE_MODELS_FAULT
