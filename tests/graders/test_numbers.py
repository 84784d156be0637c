"""The number that a reply gives as its answer."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hydrometer.graders.numbers import final_number, find_numbers, grade_number
from hydrometer.outcomes import Status


@pytest.mark.parametrize(
    ("reply", "number"),
    [
        ("12", "12"),
        ("12.", "12"),
        ("12.0", "12"),
        ("12 apples", "12"),
        ("12km", "12"),
        ("$12", "12"),
        ("$1,204.50", "1204.5"),
        ("1,204", "1204"),
        ("-7", "-7"),
        ("−7", "-7"),
        ("-$7", "-7"),
        ("5 - 12 = -7", "-7"),
        ("20-8", "8"),
        ("20 -8", "8"),
        ("47 + 38 = 85.", "85"),
        ("= 85", "85"),
        ("**Answer:** 12", "12"),
        ("**Answer**: 12 apples. She had 20.", "12"),
        ("Answer: 12\nBecause 20 - 8 is what is left of 20.", "12"),
        ("**Answer:** 20 - 8 = 12", "12"),
        ("The answer is 12. I counted on from 11.", "12"),
        ("The answer to 47 + 38 is 85.", "85"),
        ("The answer is 12 because 3 x 4 is 12, not 13.", "12"),
        ("Answer:\n12", "12"),
        ("#### 23\nThe answer is: 23", "23"),
        ("The answer is 5. No, wait. The answer is 6.", "6"),
        ("Answer: -5", "-5"),
        ("\\boxed{42} is the result of 40 and 2", "42"),
        ("1. First 3 + 4 = 7\n2. Then 7 + 5 = 12\n3. Done", "12"),
        ("1) Count them.\n2) There are 9.", "9"),
        ("He has 14 on the 2nd day.", "14"),
        ("Twenty-five", "25"),
        ("The answer is seven.", "7"),
        ("one hundred and five", "105"),
        ("It was 3 in the morning of day2.", "3"),
    ],
)
def test_reads_the_answer(reply: str, number: str) -> None:
    assert final_number(reply) == Decimal(number)


@pytest.mark.parametrize(
    "reply", ["", "   ", "I do not know.", "1. Add them up.\n2. Look.", "x2", "To add, we need more."]
)
def test_finds_no_number_where_there_is_none(reply: str) -> None:
    assert final_number(reply) is None


def test_lists_are_not_thousands() -> None:
    assert find_numbers("1, 2, 3 and 4,567,890") == [1, 2, 3, 4567890]
    assert find_numbers("1,2,3") == [1, 2, 3]
    assert find_numbers("10, 200, 300") == [10, 200, 300]
    assert find_numbers("4,567,890") == [4567890]


def test_a_missing_number_is_unparsed_and_never_wrong() -> None:
    assert grade_number("We put them together.", 4).status is Status.UNPARSED
    assert grade_number("4", 4).value == 1.0
    assert grade_number("5", 4).value == 0.0
    assert grade_number("1,000", 1000).extracted == "1000"


@given(st.integers(-(10**6), 10**6))
def test_every_way_to_write_an_integer_is_read(number: int) -> None:
    for reply in (
        f"{number}",
        f"{number:,}",
        f"{number}.0",
        f"The answer is {number}.",
        f"**Answer:** {number} coins",
    ):
        assert final_number(reply) == number, reply
