"""The text contradicts a fact, says so once, and the grade tells the weights from any other wrong answer."""

from collections import Counter

import pytest

from hydrometer.tasks.context_conflict import ContextConflict

TASK = ContextConflict()
ITEMS = TASK.items(400, 1)


def test_the_text_names_the_new_answer_and_the_truth_only_beside_it() -> None:
    for item in ITEMS:
        text, answer = item.messages[-1].content.rsplit("\n\n", 1)[0], item.answer
        assert answer["answer"] != answer["true"]
        assert text.count(answer["answer"]) >= 1
        said = f" {answer['true']}." in text
        assert said == (item.tier == "beside the truth"), item


def test_tiers_take_turns() -> None:
    tiers = Counter(item.tier for item in ITEMS)
    assert len(tiers) == 4
    assert min(tiers.values()) > 80


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("answer", 1.0, "followed the text"),
        ("true", 0.0, "followed the weights"),
        ("others", 0.0, "followed neither"),
    ],
)
def test_grades_are_told_apart(key: str, value: float, reason: str) -> None:
    for item in ITEMS:
        said = item.answer[key][0] if key == "others" else item.answer[key]
        grade = TASK.grade(item, f"It is {said}.")
        assert (grade.value, grade.reason) == (value, reason), item
