"""A cluster counts as one: all right, or not."""

import pytest

from hydrometer.graders.together import together
from hydrometer.outcomes import Grade, Status

RIGHT, WRONG, LOST = Grade.right("yes"), Grade.wrong("no", "expected yes"), Grade.unparsed("nothing")
CUT = Grade(status=Status.TRUNCATED, reason="cut")


@pytest.mark.parametrize(
    ("grades", "value", "status"),
    [
        ([RIGHT, RIGHT], 1.0, Status.GRADED),
        ([RIGHT, WRONG], 0.0, Status.GRADED),
        ([WRONG, RIGHT], 0.0, Status.GRADED),
        ([RIGHT, LOST], None, Status.UNPARSED),
        ([CUT, RIGHT], None, Status.TRUNCATED),
        ([LOST, WRONG], 0.0, Status.GRADED),
        ([RIGHT], 1.0, Status.GRADED),
    ],
)
def test_one_wrong_twin_is_enough(grades: list[Grade], value: float | None, status: Status) -> None:
    found = together(grades)
    assert (found.value, found.status) == (value, status)


def test_what_each_said_is_kept() -> None:
    assert together([RIGHT, WRONG]).extracted == "yes / no"
    assert together([RIGHT, WRONG]).reason == "expected yes"


def test_no_grades_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        together([])
