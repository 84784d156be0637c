"""Each constraint with a reply that meets it and one that nearly does."""

import json
from typing import Any

import pytest

from hydrometer.graders.constraints import CHECKS, grade_constraints, holds
from hydrometer.outcomes import Status

EXAMPLES: list[tuple[dict[str, Any], str, str]] = [
    ({"check": "max_words", "number": 3}, "The sea's well-known.", "The sea is deep."),
    ({"check": "includes", "word": "blue"}, "So BLUE.", "Bluebells"),
    ({"check": "lacks_commas"}, "One two", "One, two"),
    ({"check": "starts_with", "phrase": "Today"}, '"today it rains."', "It rains today"),
    ({"check": "ends_with", "phrase": "every day"}, "It rains Every day.", "It rains every day now."),
    ({"check": "lowercase"}, "rain, rain.", "Rain"),
    ({"check": "uppercase"}, "RAIN 12!", "RAIn"),
    ({"check": "only", "words": ["yes", "no"]}, "**Yes.**", "Yes, it is."),
]


@pytest.mark.parametrize(("constraint", "good", "bad"), EXAMPLES, ids=[e[0]["check"] for e in EXAMPLES])
def test_constraint(constraint: dict[str, Any], good: str, bad: str) -> None:
    assert json.loads(json.dumps(constraint)) == constraint
    assert holds(good, constraint)
    assert not holds(bad, constraint)


def test_every_check_has_an_example() -> None:
    assert {constraint["check"] for constraint, _, _ in EXAMPLES} == set(CHECKS)


@pytest.mark.parametrize("check", ["lowercase", "uppercase"])
def test_case_needs_letters(check: str) -> None:
    assert not holds("12 + 3", {"check": check})


def test_all_constraints_must_hold() -> None:
    rules = [{"check": "max_words", "number": 3}, {"check": "includes", "word": "blue"}]
    assert grade_constraints("Blue sea", rules).value == 1.0
    assert grade_constraints("Deep sea", rules).reason == "breaks includes"
    assert grade_constraints("Of blue seas", rules, "Of blue seas").reason == "repeats the request"
    assert grade_constraints(" \n", rules).status is Status.UNPARSED
