"""Everyday sense: what happens next, what is used for what, why people do things, who is meant.

Two or three choices of similar length each, scored by log-probability. A distillation that trades plain sense for
a way of talking shows it here first.
"""

from __future__ import annotations

from functools import cache
from random import Random
from typing import NamedTuple

from hydrometer.items import Item
from hydrometer.tasks.common import TableTask, load_table


class Question(NamedTuple):
    """A question with the sensible answer and the others."""

    text: str
    right: str
    wrong: tuple[str, ...]


class Commonsense(TableTask):
    """Which of two or three answers makes sense; scored by log-probability per byte."""

    name = "commonsense"
    capability = "commonsense"
    summary = "everyday questions with two or three choices, scored by log-probability"
    chance = 0.35  # 121 questions with three choices, 12 with two
    limit = 133
    stride = 60

    def make(self, rng: Random, index: int) -> Item:
        """Make item `index`: a question of the table, its choices in an order drawn from the seed."""
        question = _questions()[self.place(index)]
        tier = "two choices" if len(question.wrong) == 1 else "three choices"
        return self.choice_item(
            rng, f"{question.text} Reply with only the answer.", question.right, question.wrong, tier
        )


@cache
def _questions() -> tuple[Question, ...]:
    return tuple(
        Question(row["question"], row["right"], tuple(row["wrong"])) for row in load_table("commonsense.json")
    )
