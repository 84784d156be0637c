"""System prompts: a standing order in the system message that an easy user turn must not make the model forget."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from hydrometer.graders.constraints import grade_constraints
from hydrometer.graders.text import strip_echo
from hydrometer.items import Item, Message
from hydrometer.outcomes import Grade
from hydrometer.tasks.base import GraderCase, Task
from hydrometer.tasks.cases import case, common_cases

ORDERS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("You answer with one short sentence of at most 12 words.", "max_words", {"number": 12}),
    ("You always begin your reply with the word 'Captain'.", "starts_with", {"phrase": "Captain"}),
    ("You always write in capital letters only.", "uppercase", {}),
    ("You always end your reply with the word 'over'.", "ends_with", {"phrase": "over"}),
    ("You answer only with 'yes' or 'no'.", "only", {"words": ["yes", "no"]}),
    ("You are brief: you answer in at most 25 words.", "max_words", {"number": 25}),
)
TURNS = (0, 5, 1, 0, 5, 4, 0, 5, 2, 0, 5, 3)
"""Orders by turn: the two about length come most often, since a small model follows little else."""

ASKED = ("What colour is {}?", "Is {} big or small?", "Name one thing that goes with {}.")
THINGS = (
    "water",
    "ice",
    "the sun",
    "a cat",
    "a dog",
    "bread",
    "a river",
    "the sea",
    "a car",
    "a bicycle",
    "snow",
    "a tree",
    "a flower",
    "gold",
    "iron",
    "music",
    "a book",
    "a letter",
    "a bird",
    "a plane",
)


class SystemPrompt(Task):
    """Follow the system message."""

    name = "system_prompt"
    capability = "instruction following"
    summary = "a standing order in the system message"

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
            tier=check,
        )

    def grade(self, item: Item, reply: str) -> Grade:
        """The order against the whole reply; whether the answer is true does not count."""
        if reply.strip() and not strip_echo(reply, item.messages[-1].content):
            return Grade.wrong(reason="repeats the prompt")
        return grade_constraints(reply, item.answer)

    def cases(self) -> Sequence[GraderCase]:
        """Known grades."""
        messages = (
            Message("system", "You always end your reply with the word 'over'."),
            Message("user", "Is ice cold?"),
        )
        ends = Item(task=self.name, messages=messages, answer=[{"check": "ends_with", "phrase": "over"}])
        yes = Item(task=self.name, messages=messages, answer=[{"check": "only", "words": ["yes", "no"]}])
        return [
            *common_cases(ends, right="Yes, it is, over.", wrong="Over and out", refusal=0.0, echo=0.0),
            case("bare_yes", yes, "Yes.", 1.0),
            case("yes_with_more", yes, "Yes, ice is cold.", 0.0),
        ]
