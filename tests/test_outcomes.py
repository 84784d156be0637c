import pytest

from hydrometer.outcomes import Grade, Status


@pytest.mark.parametrize("status", [s for s in Status if s is not Status.GRADED])
def test_a_missing_answer_cannot_carry_a_value(status: Status) -> None:
    with pytest.raises(ValueError, match="only 'graded' carries a value"):
        Grade(status=status, value=0.0)
    assert Grade(status=status).value is None


def test_a_grade_needs_a_value_in_range() -> None:
    with pytest.raises(ValueError, match="only 'graded'"):
        Grade(status=Status.GRADED)
    for value in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=r"0\.\.1"):
            Grade(status=Status.GRADED, value=value)
