"""What tasks share: grader cases that every task brings, choice tasks over shipped tables, names and words."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from importlib.resources import files
from random import Random
from typing import Any, ClassVar

from hydrometer.graders.text import pick_option, strip_echo
from hydrometer.items import Item, Kind, Message
from hydrometer.outcomes import Grade, Status
from hydrometer.tasks.base import GraderCase, Task, item_rng

NAMES = (
    "Anna", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Hugo", "Ida", "Jack", "Kate", "Leo", "Maria",
    "Noah", "Olivia", "Peter", "Rosa", "Sam", "Tina", "Victor",
)  # fmt: skip

CASE_SEED = 20_240
"""Seed of the items that grader cases are built on; any would do."""

REFUSAL = "I'm sorry, but I can't help with that request."


def case(name: str, item: Item, reply: str, value: float | None) -> GraderCase:
    """Return a case: graded with `value`, or unparsed if that is None."""
    status = Status.UNPARSED if value is None else Status.GRADED
    return GraderCase(name=name, item=item, reply=reply, status=status, value=value)


class RepliedTask(Task):
    """A task whose items are answered with a text, and which knows a reply that is right."""

    @abstractmethod
    def gold_reply(self, item: Item) -> str:
        """Return a reply that must be graded as right."""

    @abstractmethod
    def wrong_reply(self) -> str:
        """Return a readable reply to the case item that must be graded as wrong."""

    def traps(self) -> Sequence[GraderCase]:
        """Return replies that a careless grader of this task would misjudge."""
        return ()

    def case_item(self) -> Item:
        """Return the item that the common cases answer."""
        return self.make(item_rng(self.name, CASE_SEED, 0), 0)

    def cases(self) -> Sequence[GraderCase]:
        """Return the common cases and the traps."""
        item = self.case_item()
        # A refusal or an echo may be graded wrong or unparsed, by the kind of task; the contract test holds that
        # an echo is never right, and a refusal only where refusing is an answer.
        refused, echoed = self.grade(item, REFUSAL), self.grade(item, item.messages[-1].content)
        return (
            case("right", item, self.gold_reply(item), 1.0),
            case("wrong", item, self.wrong_reply(), 0.0),
            case("empty", item, "", None),
            case("refusal", item, REFUSAL, refused.value),
            case("template_echo", item, item.messages[-1].content, echoed.value),
            *self.traps(),
        )


class TableTask(RepliedTask):
    """A task over a shipped table whose choices are scored; item `i` is row `i` in a fixed, mixed order.

    Attributes:
        stride: Step through the table, coprime to its length, so that a small suite samples all of it.
    """

    kind: ClassVar[Kind] = Kind.CHOICES
    stride: ClassVar[int] = 1

    def place(self, index: int) -> int:
        """Return the row of item `index`."""
        return index * self.stride % self.limit

    def choice_item(
        self, rng: Random, question: str, right: str, wrong: Sequence[str], tier: str = ""
    ) -> Item:
        """Return the item of a question, its choices shuffled."""
        choices = [right, *wrong]
        rng.shuffle(choices)
        return Item(
            task=self.name,
            messages=user(question),
            answer=choices.index(right),
            choices=tuple(choices),
            max_tokens=0,
            tier=tier,
        )

    def grade(self, item: Item, reply: str) -> Grade:
        """Judge a written reply by the choice it names; audits score the choices instead."""
        named = pick_option(strip_echo(reply, item.messages[-1].content), item.choices)
        if named is None:
            return Grade.unparsed("none of the choices in the reply")
        return Grade.right(named) if named == item.choices[item.answer] else Grade.wrong(named)

    def gold_reply(self, item: Item) -> str:
        """Return the right choice."""
        return item.choices[int(item.answer)]

    def wrong_reply(self) -> str:
        """Return a wrong choice."""
        item = self.case_item()
        return item.choices[int(item.answer) - 1]


def user(text: str) -> tuple[Message, ...]:
    """Return a conversation of one user turn."""
    return (Message("user", text),)


def load_table(name: str) -> Any:
    """Return the content of a JSON file shipped in `tasks/data`."""
    return json.loads(files("hydrometer.tasks").joinpath("data", name).read_text(encoding="utf-8"))


def meeting(rules: Sequence[Mapping[str, Any]]) -> str:
    """Return a reply that meets constraints of `graders.constraints` which do not contradict each other."""
    found = {str(rule["check"]): rule for rule in rules}
    if "only" in found:
        return str(found["only"]["words"][0])
    parts = [
        found[check][key]
        for check, key in (("starts_with", "phrase"), ("includes", "word"))
        if check in found
    ]
    text = " ".join([*parts, "rain", *([found["ends_with"]["phrase"]] if "ends_with" in found else [])])
    return text.lower() if "lowercase" in found else text.upper() if "uppercase" in found else text


def grade_told(item: Item, reply: str) -> Grade:
    """Grade a reply that had to give back a value told in the prompt, one of a closed list.

    Any other word is an answer too, and not the one that was told: naming none of the values is wrong, and only an
    empty reply is unparsed.

    Args:
        item: Its `answer` holds the right value as `answer` and the other possible ones as `others`.
        reply: The answer text.
    """
    said = strip_echo(reply, item.messages[-1].content)
    if not said:
        return Grade.unparsed("empty reply")
    right: str = item.answer["answer"]
    found = pick_option(said, [right, *item.answer["others"]])
    if found == right:
        return Grade.right(right)
    return Grade.wrong(found or said[:40], f"expected {right}")
