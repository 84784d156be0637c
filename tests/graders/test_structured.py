"""JSON replies: what counts as alone, as fenced, as equal."""

import pytest

from hydrometer.graders.structured import grade_json, read_json, same_json
from hydrometer.outcomes import Status

GOLD = {"name": "Mia", "age": 31}
TEXT = '{"name": "Mia", "age": 31}'


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        (TEXT, 1.0),
        (f"\n{TEXT}\n", 1.0),
        ('{"age": 31, "name": " mia"}', 1.0),
        ('{"age": 31.0, "name": "Mia"}', 1.0),
        (f"```json\n{TEXT}\n```", 1.0),
        (f"```\n{TEXT}\n```", 1.0),
        (f"{TEXT}\n```", 1.0),
        (f"Here it is: {TEXT}", 0.0),
        (f"{TEXT}\nDone.", 0.0),
        (f"{TEXT}{TEXT}", 0.0),
        ('{"name": "Mia", "age": "31"}', 0.0),
        ('{"name": "Mia"}', 0.0),
        ('{"name": "Mia", "age": 31, "city": null}', 0.0),
        ('{"name": "Mia", "age": 31, "age": 31}', 0.0),
        ("{'name': 'Mia', 'age': 31}", 0.0),
        ("[" * 100_000, 0.0),
        ("null", 0.0),
    ],
)
def test_grades_the_reply_as_a_whole(reply: str, value: float) -> None:
    assert grade_json(reply, GOLD, fences=True).value == value


def test_fences_count_where_they_are_forbidden() -> None:
    assert grade_json(f"```json\n{TEXT}\n```", GOLD, fences=False).value == 0.0
    assert grade_json(TEXT, GOLD, fences=False).value == 1.0


def test_nothing_is_unparsed() -> None:
    assert grade_json(" ", GOLD, fences=True).status is Status.UNPARSED


def test_booleans_are_no_numbers() -> None:
    assert not same_json(True, 1)
    assert not same_json(1, True)
    assert same_json([{"a": True}], [{"a": True}])
    assert not same_json([1], [1, 2])


def test_says_what_is_wrong() -> None:
    assert read_json("no", fences=True)[1].startswith("not JSON alone")
