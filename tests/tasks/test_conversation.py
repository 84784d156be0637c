"""The last word counts: in facts, and in standing orders, which the assistant's earlier turns keep."""

from collections import Counter

import pytest

from hydrometer.graders.constraints import holds
from hydrometer.tasks.conversation import Conversation
from hydrometer.tasks.recall import TOLD

TASK = Conversation()
ITEMS = TASK.items(320, 1)


def test_tiers_go_by_user_turns() -> None:
    for item in ITEMS:
        assert item.tier == f"{sum(m.role == 'user' for m in item.messages)} turns"
        assert [m.role for m in item.messages] == (["user", "assistant"] * 10)[: len(item.messages)]
    assert min(Counter(item.tier for item in ITEMS).values()) > 70


def test_the_last_word_on_a_fact_is_the_answer() -> None:
    corrected = 0
    for item in ITEMS:
        gold = item.answer["answer"]
        values = [gold, *item.answer["others"]]
        said = [m.content for m in item.messages[:-1]]
        key = next((key for key, (_, known) in TOLD.items() if gold in known), "")
        first, _, last = TOLD[key][0].partition("{}") if key else ("", "", "")
        own = [text for text in said[::2] if first + gold + last in text] if key else said
        assert own, item
        named = [v for text in said for v in values if key and f"{first}{v}{last}" in text]
        if named:
            assert named[-1] == gold
            corrected += len(set(named)) > 1
    assert corrected > 70


def test_the_assistant_keeps_orders_and_lifted_ones_end() -> None:
    orders = lifted = 0
    for item in ITEMS:
        order, old = item.answer["order"], item.answer["lifted"]
        if not order:
            continue
        assert holds(item.messages[-2].content, order["rule"])
        assert TASK.grade(item, f"{item.answer['answer']} it is, sir").value == 0.0
        orders += 1
        if old:
            assert not holds(item.messages[-2].content, old)
            lifted += 1
    assert orders > 70
    assert lifted > 35


@pytest.mark.parametrize("place", [0, -1])
def test_copying_the_first_or_the_last_told_value_is_not_enough(place: int) -> None:
    scores = []
    for item in ITEMS:
        text = " ".join(m.content for m in item.messages[:-1])
        values = sorted(
            (v for v in [item.answer["answer"], *item.answer["others"]] if v.lower() in text.lower()),
            key=lambda v: text.lower().find(v.lower()),
        )
        scores.append(TASK.grade(item, values[place]).value or 0.0)
    assert sum(scores) / len(scores) < 0.8
