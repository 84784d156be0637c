"""Word problems of one to three steps about things that somebody has, gets and gives away.

Every problem is a start and a chain of events, so the number of steps is the difficulty. The result is never one
of the numbers in the text: an echo, or the last number copied, cannot be right.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from hydrometer.graders.numbers import grade_number
from hydrometer.graders.text import strip_echo
from hydrometer.items import Item
from hydrometer.outcomes import Grade
from hydrometer.tasks.base import GraderCase
from hydrometer.tasks.common import NAMES, RepliedTask, case, user

_THINGS = (
    "apples", "pencils", "stickers", "marbles", "books", "cookies", "shells", "stamps", "cards", "coins", "pears",
    "buttons", "balloons", "toys", "candles", "flowers",
)  # fmt: skip
_BAGS = ("bags", "boxes", "packs")
_TIERS = ("1 step", "1 step", "2 steps", "3 steps")
"""One step twice: small models live there."""


class WordProblems(RepliedTask):
    """How many things are left, or there are, at the end."""

    name = "word_problems"
    capability = "reasoning"
    summary = "word problems of one to three steps with a number as the answer"

    def make(self, rng: Random, index: int) -> Item:
        """Make item `index`; the tiers take turns."""
        tier = _TIERS[index % len(_TIERS)]
        text, numbers, result = _story(rng, int(tier[0]))
        while result in numbers:
            text, numbers, result = _story(rng, int(tier[0]))
        return Item(
            task=self.name,
            messages=user(f"{text} Reply with the number only."),
            answer=result,
            max_tokens=192,
            tier=tier,
        )

    def grade(self, item: Item, reply: str) -> Grade:
        """Judge the number behind "answer", else the last one; a repeated question before it is skipped."""
        return grade_number(strip_echo(reply, item.messages[-1].content), item.answer)

    def gold_reply(self, item: Item) -> str:
        """Return the number."""
        return str(item.answer)

    def wrong_reply(self) -> str:
        """Return a near miss."""
        return str(self.case_item().answer + 1)

    def traps(self) -> Sequence[GraderCase]:
        """Return replies with units, with other numbers around the answer, and with none."""
        item = self.case_item()
        right, wrong = item.answer, item.answer + 1
        return (
            case("unit", item, f"**Answer:** {right} apples", 1.0),
            case("sentence", item, f"There were {wrong} before. Now there are {right} of them.", 1.0),
            case("enumerated", item, f"1. Count.\n2. Add them up: {right}\n", 1.0),
            case("answer_then_reason", item, f"Answer: {right}\nBecause {wrong} - 1 is the rest.", 1.0),
            case("wrong_answer_marked", item, f"That makes {right}.\n\nThe answer is {wrong}.", 0.0),
            case("words_only", item, "They have many things now.", None),
        )


def _story(rng: Random, steps: int) -> tuple[str, set[int], int]:
    who, friend = rng.sample(NAMES, 2)
    thing, high = rng.choice(_THINGS), 8 if steps == 1 else 20
    have = rng.randint(2, high)
    sentences, numbers = [f"{who} has {have} {thing}."], {have}
    while steps:
        kind = rng.choice(("get", "give", "bags", "double") if steps > 1 else ("get", "give", "get"))
        n = rng.randint(2, 9)
        if kind == "get":
            sentences.append(rng.choice((f"{friend} gives {who} {n} more.", f"{who} buys {n} more.")))
            have += n
        elif kind == "give" and have > 2:
            n = min(n, have - 1)
            sentences.append(rng.choice((f"{who} gives {n} to {friend}.", f"{who} loses {n} of them.")))
            have -= n
        elif kind == "bags":
            m = rng.randint(2, 6)
            sentences.append(f"{who} buys {n} {rng.choice(_BAGS)} with {m} {thing} each.")
            numbers.add(m)
            have, steps = have + n * m, steps - 1
        else:
            sentences.append(f"Then {who} doubles the number of {thing}.")
            have, n = have * 2, 2
        numbers.add(n)
        steps -= 1
    return " ".join([*sentences, f"How many {thing} does {who} have now?"]), numbers, have
