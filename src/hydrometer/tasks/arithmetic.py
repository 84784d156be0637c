"""Plain arithmetic on a ladder from one-digit sums to three-digit ones and mixed expressions.

The question asks for the number only, but a worked reply is right if its final number is: the task is about the
result, not the form. The result never occurs in the question, so an echo cannot be right.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from hydrometer.graders.numbers import grade_number
from hydrometer.graders.text import strip_echo
from hydrometer.items import Item
from hydrometer.outcomes import Grade
from hydrometer.tasks.base import GraderCase
from hydrometer.tasks.common import RepliedTask, case, user

_WORDINGS = ("What is {}?", "Calculate {}.", "Work out {}.")


class Sum(NamedTuple):
    """An expression as shown, its numbers and its result."""

    text: str
    numbers: tuple[int, ...]
    result: int


class Arithmetic(RepliedTask):
    """The result of one expression."""

    name = "arithmetic"
    capability = "arithmetic"
    summary = "sums, differences and products, from one digit to three and mixed"

    def make(self, rng: Random, index: int) -> Item:
        """Make item `index`; the tiers take turns."""
        tier = tuple(_LADDER)[index % len(_LADDER)]
        drawn = _draw(rng, tier)
        while drawn.result in drawn.numbers:
            drawn = _draw(rng, tier)
        question = rng.choice(_WORDINGS).format(drawn.text)
        return Item(
            task=self.name,
            messages=user(f"{question} Reply with the number only."),
            answer=drawn.result,
            max_tokens=192,
            tier=tier,
            cluster=drawn.text,
        )

    def grade(self, item: Item, reply: str) -> Grade:
        """Judge the final number; a repeated question before it is skipped."""
        return grade_number(strip_echo(reply, item.messages[-1].content), item.answer)

    def gold_reply(self, item: Item) -> str:
        """Return the number."""
        return str(item.answer)

    def wrong_reply(self) -> str:
        """Return a near miss."""
        return str(self.case_item().answer + 10)

    def traps(self) -> Sequence[GraderCase]:
        """Return worked replies, other ways to write a number, and an answer that is then lost."""
        item = self.case_item()
        right, wrong = item.answer, item.answer + 1
        return (
            case("trace", item, f"1. **Goal:** Find it.\n2. 3 + 4 = 7\n\n**Answer:** {right}", 1.0),
            case("answer_first", item, f"The answer is {right}. I counted on from {wrong}.", 1.0),
            case("equation", item, f"{item.cluster} = {right}.", 1.0),
            case("decimal", item, f"{right}.0", 1.0),
            case("echo_then_answer", item, f"{item.messages[-1].content}\n\n{right}", 1.0),
            case("wrong_end", item, f"First I get {right}.\n**Answer:** {wrong}", 0.0),
            case("unfinished", item, f"{item.cluster} =", 0.0),
            case("no_number", item, "To add these numbers, we put them together.", None),
        )


def _draw(rng: Random, tier: str) -> Sum:
    sign, left, right = _LADDER[tier]
    a, b = rng.choice(left), rng.choice(right)
    if sign == "mixed":
        c = rng.randint(2, 30)
        return Sum(f"{c} + {a} x {b}", (a, b, c), c + a * b)
    if sign == "-":
        a, b = max(a, b), min(a, b)
    return Sum(f"{a} {sign} {b}", (a, b), {"+": a + b, "-": a - b, "x": a * b}[sign])


_DIGIT, _TWO = range(1, 10), range(11, 100)
_LADDER: dict[str, tuple[str, range, range]] = {
    "1-digit plus": ("+", _DIGIT, _DIGIT),
    "1-digit minus": ("-", _DIGIT, _DIGIT),
    "1-digit times": ("x", range(2, 10), range(2, 10)),
    "small plus": ("+", range(11, 50), range(2, 10)),
    "2-digit plus": ("+", _TWO, _TWO),
    "2-digit minus": ("-", _TWO, _TWO),
    "2-digit times": ("x", _TWO, range(2, 10)),
    "3-digit plus": ("+", range(101, 1000), range(101, 1000)),
    "mixed": ("mixed", range(2, 10), range(2, 10)),
}
