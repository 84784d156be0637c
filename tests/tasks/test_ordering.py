"""What comes next follows from the list, the example gives nothing away, and chance is stated rightly."""

import calendar
from collections import Counter

import pytest

from hydrometer.tasks.ordering import Ordering

TASK = Ordering()
ITEMS = TASK.items(360, 1)
LISTS = (list(calendar.day_name), list(calendar.month_name)[1:])


def test_tiers_take_turns_and_the_first_has_an_example() -> None:
    tiers = Counter(item.tier for item in ITEMS)
    assert len(tiers) == 9
    assert next(iter(tiers)) == "next in line"
    assert all((len(item.messages) == 3) == (item.tier == "next in line") for item in ITEMS)


def test_the_next_one_follows_and_the_example_is_from_the_other_list() -> None:
    for item in (item for item in ITEMS if item.tier == "next in line"):
        listed, replied, asked = (m.content for m in item.messages)
        for question, answer in ((listed, replied[:-1]), (asked, item.answer["right"])):
            shown = question.partition(".")[0].split(", ")
            names = next(names for names in LISTS if answer in names)
            start = names.index(shown[0])
            assert [names[(start + step) % len(names)] for step in range(4)] == [*shown, answer]
        assert replied[:-1] not in item.answer["options"]
        assert TASK.grade(item, replied).value == 0.0
        assert TASK.grade(item, f"{asked.partition('.')[0]}.").value == 0.0
        assert TASK.grade(item, f"{asked.partition('.')[0]}, {item.answer['right']}.").value == 1.0


def test_chance_is_one_in_the_number_of_options() -> None:
    scores = [1 / len(item.answer["options"]) for item in ITEMS]
    assert TASK.chance == pytest.approx(sum(scores) / len(scores), abs=0.01)
