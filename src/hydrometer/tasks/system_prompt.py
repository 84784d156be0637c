"""System prompts: a standing order in the system message that an easy user turn must not make the model forget."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from hydrometer.graders.constraints import grade_constraints
from hydrometer.items import Item, Message
from hydrometer.outcomes import Grade
from hydrometer.tasks.base import GraderCase
from hydrometer.tasks.common import RepliedTask, case, meeting

ORDERS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("You answer with one short sentence of at most 12 words.", "max_words", {"number": 12}),
    ("You always begin your reply with the word 'Captain'.", "starts_with", {"phrase": "Captain"}),
    ("You always write in capital letters only.", "uppercase", {}),
    ("You always end your reply with the word 'over'.", "ends_with", {"phrase": "over"}),
    ("You answer only with 'yes' or 'no'.", "only", {"words": ["yes", "no"]}),
    ("You are brief: you answer in at most 25 words.", "max_words", {"number": 25}),
    ("You answer with one sentence of at most 40 words.", "max_words", {"number": 40}),
    ("You answer in one short sentence without any commas.", "lacks_commas", {}),
)
TURNS = (6, 0, 7, 5, 1, 6, 0, 4, 7, 5, 2, 6, 0, 7, 5, 3)
"""Orders by turn: length and commas come most often, since a small model follows little else."""

ASKED = ("What colour is {}?", "Is {} big or small?", "Name one thing that goes with {}.")
THINGS = (
    "water", "ice", "the sun", "a cat", "a dog", "bread", "a river", "the sea", "a car", "a bicycle", "snow", "a tree",
    "a flower", "gold", "iron", "music", "a book", "a letter", "a bird", "a plane",
)  # fmt: skip


class SystemPrompt(RepliedTask):
    """Follow the system message."""

    name = "system_prompt"
    version = 2
    capability = "instruction following"
    summary = "a standing order in the system message"
    limit = len(ORDERS) * len(ASKED) * len(THINGS)

    def make(self, rng: Random, index: int) -> Item:
        """Make item `index`; the orders take turns."""
        order, check, parameters = ORDERS[TURNS[index % len(TURNS)]]
        asked = (
            ("Is {} alive?", "Can one eat {}?", "Is {} bigger than a house?") if check == "only" else ASKED
        )
        question = rng.choice(asked).format(rng.choice(THINGS))
        messages = (Message("system", order), Message("user", question))
        return Item(
            task=self.name,
            messages=messages,
            answer=[{"check": check, **parameters}],
            max_tokens=192,
            tier="short" if check in {"max_words", "lacks_commas"} else "form",
        )

    def grade(self, item: Item, reply: str) -> Grade:
        """The order against the whole reply; whether the answer is true does not count."""
        return grade_constraints(reply, item.answer, item.messages[-1].content)

    def gold_reply(self, item: Item) -> str:
        """A few words that obey the order."""
        return meeting(item.answer)

    def wrong_reply(self) -> str:
        """The word of the order at the wrong end."""
        return "Over and out"

    def case_item(self) -> Item:
        """An order about the ending."""
        return _ask(
            {"check": "ends_with", "phrase": "over"}, "You always end your reply with the word 'over'."
        )

    def traps(self) -> Sequence[GraderCase]:
        """Only the word that is allowed."""
        yes = _ask({"check": "only", "words": ["yes", "no"]}, "You answer only with 'yes' or 'no'.")
        return [
            case("bare_yes", yes, "Yes.", 1.0),
            case("yes_with_more", yes, "Yes, ice is cold.", 0.0),
        ]


def _ask(rule: dict[str, Any], order: str) -> Item:
    messages = (Message("system", order), Message("user", "Is ice cold?"))
    return Item(task=SystemPrompt.name, messages=messages, answer=[rule])
