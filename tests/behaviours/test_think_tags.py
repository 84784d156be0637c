"""Faults of the think block."""

from typing import Any

import pytest

from hydrometer.behaviours.base import Observed
from hydrometer.behaviours.registry import find
from hydrometer.outcomes import Finish
from hydrometer.templates.dialects import split_thinking


def seen(text: str, **fields: Any) -> set[str]:
    split = split_thinking(text)
    fields = {"expected_dialect": "qwen", "asked": "How many are there?", **fields}
    reply = Observed(
        text=text,
        thinking=split.thinking,
        answer=split.answer,
        think_state=split.state.value,
        dialect=split.dialect.value,
        **fields,
    )
    return {behaviour.name for behaviour, _ in find(reply)}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("<think>Three and four make", "think_unclosed"),
        ("<think></think>Seven.", "think_empty"),
        ("Three and four.</think>Seven.", "think_orphan"),
        ("<think>a</think>It is </think> seven.", "think_leaked"),
        ("It is <thinking>so</thinking> seven.", "think_leaked"),
        ("<think>3 + 4 = 7. The final answer is 7.</think>", "answer_in_thinking"),
        ("<think>Code:\n```python\nx = 1\n```</think>", "answer_in_thinking"),
        (
            '<think>I call it. <tool_call>{"name": "f"}</tool_call></think>Done with it.',
            "tool_call_in_thinking",
        ),
        ("<|channel>thought\n3 and 4<channel|>Seven.", "wrong_dialect"),
        ("<think>So the answer is 7.</think>The answer is 9.", "think_answer_contradiction"),
        ("<think>So the answer is (B).</think>Answer: C", "think_answer_contradiction"),
    ],
)
def test_each_fault_shows_alone(text: str, name: str) -> None:
    assert name in seen(text, tools=True)
    assert seen(text, tools=True) <= {name, "empty_reply"}


@pytest.mark.parametrize(
    "text",
    [
        "<think>3 and 4 make 7. The answer is 7.</think>The answer is 7.",
        "<think>The answer is 7? Wait, I forgot one.</think>The answer is 8.",
        "<think>The answer is 6.98.</think>The answer is 7.0.",
        "<think>The answer is 0.5.</think>The answer is 50 %.",
        "<think>The answer is 6925.</think>The answer is about 6900.",
        "<think>The answer is a matter of taste.</think>The answer is 4.",
        "<think>Tags are fun.</think>A block opens with `<think>` there.",
        "<think>What I need: a call to f.</think>Seven.",
    ],
)
def test_clean_replies_show_nothing(text: str) -> None:
    assert seen(text) == set()


def test_a_block_that_the_budget_cut_is_a_truncation() -> None:
    assert seen("<think>Three and four make", finish=Finish.LENGTH) == set()


def test_tags_where_the_template_has_none() -> None:
    assert "wrong_dialect" in seen("<think>a</think>Seven.", expected_dialect="none")
