"""Pairs differ in one word, their answers differ, and no simple habit is right on both."""

import re
from collections import Counter
from collections.abc import Callable

import pytest

from hydrometer.graders.together import together
from hydrometer.items import Item
from hydrometer.tasks.nuance import Nuance

TASK = Nuance()
ITEMS = TASK.items(600, 1)
PAIRS = list(zip(ITEMS[::2], ITEMS[1::2], strict=True))


def test_twins_differ_in_one_word_and_in_the_answer() -> None:
    for first, second in PAIRS:
        assert first.cluster == second.cluster
        assert first.tier == second.tier
        assert first.answer["answer"] != second.answer["answer"]
        a, b = (item.messages[-1].content.split() for item in (first, second))
        assert len(a) == len(b)
        assert len({pair for pair in zip(a, b, strict=True) if pair[0] != pair[1]}) == 1, (a, b)


def test_tiers_and_kinds_take_turns() -> None:
    tiers = Counter(item.tier for item in ITEMS)
    assert len(tiers) == 3
    assert min(tiers.values()) > 150
    assert len({re.sub(r"\\d+", "#", item.cluster.split()[-2]) for item in ITEMS}) > 8


def _first_name(item: Item) -> str:
    names = sorted(item.answer["options"], key=lambda o: item.messages[-1].content.find(str(o)))
    return str(names[0])


HABITS: dict[str, Callable[[Item], str]] = {
    "yes": lambda item: "Yes.",
    "no": lambda item: "No.",
    "first named": _first_name,
    "copies a number": lambda item: (re.findall(r"\d+", item.messages[-1].content) or ["none"])[-1],
    "says both": lambda item: " and ".join(map(str, item.answer["options"])),
}


@pytest.mark.parametrize("habit", HABITS)
def test_no_habit_is_right_on_both(habit: str) -> None:
    for first, second in PAIRS:
        grades = [TASK.grade(item, HABITS[habit](item)) for item in (first, second)]
        assert together(grades).value != 1.0, (first, grades)


def test_chance_is_what_guessing_scores() -> None:
    # Both twins right by chance.
    guessed = [0.0 if isinstance(i.answer["answer"], int) else 0.25 for i in ITEMS]
    assert TASK.chance == pytest.approx(sum(guessed) / len(guessed), abs=0.02)


def test_the_answers_follow_from_the_sentence() -> None:
    """Answers worked out again from the words of the question, for the kinds where that is simple."""
    seen: Counter[str] = Counter()
    for item in ITEMS:
        text, gold = item.messages[-1].content, item.answer["answer"]
        if m := re.search(r"(\w+) (?:arrived|left|called|finished|spoke) (before|after) (\w+)\.", text):
            assert gold == m[1 if m[2] == "before" else 3]
        elif m := re.search(r"(\w+) has (\d+) \w+\. \w+ has (\d+) (more|fewer)", text):
            assert gold == int(m[2]) + int(m[3]) * (1 if m[4] == "more" else -1)
        elif m := re.search(r"at (most|least) (\d+) .* group of (\d+)", text):
            fits = int(m[3]) <= int(m[2]) if m[1] == "most" else int(m[3]) >= int(m[2])
            assert gold == ("yes" if fits else "no")
        elif m := re.search(r"closed (after|before) (\d+):00.* at (\d+):00", text):
            assert gold == ("yes" if (int(m[3]) > int(m[2])) == (m[1] == "after") else "no")
        elif m := re.search(r"was (\d+) euros and has risen (by|to) (\d+)", text):
            assert gold == int(m[3]) + (int(m[1]) if m[2] == "by" else 0)
        elif m := re.search(r"went (to|from) (\w+), not (?:to|from) (\w+)", text):
            assert gold == m[3 if m[1] == "to" else 2]
        else:
            continue
        seen[m[0].split()[1]] += 1
    assert sum(seen.values()) > 150
