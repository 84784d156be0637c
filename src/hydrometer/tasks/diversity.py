"""Questions with many right answers, each asked five times: what further samples add, and how alike they are.

A distillation can win with one sample and lose with several, because it has become sure of a single way. So all samples
of a question are one pair, right if any of them is; pass@1 to pass@5 and the distinct answers stand beside it
(`sampled`). The samples are drawn, also in a greedy audit, where they would all be the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from hydrometer.graders.numbers import final_number, numbers_from_end
from hydrometer.graders.text import strip_echo
from hydrometer.items import Item
from hydrometer.outcomes import Grade
from hydrometer.tasks.base import GraderCase
from hydrometer.tasks.common import RepliedTask, case, user

_DIVISORS = (6, 7, 8, 9, 11, 12, 13)
_FEWEST = 6
"""Right answers of every question: fewer leave no room to differ."""


class Diversity(RepliedTask):
    """Find a number; there are many."""

    name = "diversity"
    capability = "best of five samples"
    summary = "numbers that meet conditions, five samples per question; right if any is, variety is reported beside"
    chance = 0.32  # five numbers of the range drawn at random
    group = 5
    together = True
    sampled = True

    def make(self, rng: Random, index: int) -> Item:
        """Make item `index`, one of five samples of a question; questions with one and two conditions take turns."""
        turn, sample = divmod(index, self.group)
        while True:
            low = rng.randrange(100, 700)
            high, divisor = low + rng.randrange(150, 300), rng.choice(_DIVISORS)
            digit = str(rng.randrange(1, 10)) if turn % 2 else ""
            item = self._item(low, high, divisor, digit, sample)
            if len(item.answer["right"]) >= _FEWEST:
                return item

    def grade(self, item: Item, reply: str) -> Grade:
        """Judge the number that the reply settles on by the conditions."""
        said, (low, high) = strip_echo(reply, item.messages[-1].content), item.answer["between"]
        found = final_number(said)
        if found is None:
            return Grade.unparsed("no number in the reply")
        if not low < found < high:
            # "343, which contains a 3" speaks of 343.
            found = next((n for n in numbers_from_end(said) if low < n < high), found)
        shown = f"{found.normalize():f}"
        return Grade.right(shown) if found in item.answer["right"] else Grade.wrong(shown, "misses a condition")

    def gold_reply(self, item: Item) -> str:
        """Return one of the right numbers."""
        return str(item.answer["right"][0])

    def wrong_reply(self) -> str:
        """Return a number that is not divisible."""
        return "341"

    def case_item(self) -> Item:
        """Return a question with two conditions."""
        return self._item(200, 500, 7, "3", 0)

    def traps(self) -> Sequence[GraderCase]:
        """Return borders, numbers that meet one condition of two, and worked replies."""
        item = self.case_item()
        return (
            case("worked", item, "7 x 49 = 343, which contains a 3.", 1.0),
            case("another", item, "**Answer:** 308", 1.0),
            case("without_the_digit", item, "210", 0.0),
            case("not_divisible", item, "333", 0.0),
            case("out_of_range", item, "553", 0.0),
            case("says_nothing", item, "There are many such numbers.", None),
        )

    def _item(self, low: int, high: int, divisor: int, digit: str, sample: int) -> Item:
        second = f" and contains the digit {digit}" if digit else ""
        asked = (
            f"Choose a whole number greater than {low} and less than {high} that is divisible by {divisor}{second}. "
            "Any such number will do, choose freely. Reply with the number only."
        )
        right = [n for n in range(low + 1, high) if n % divisor == 0 and digit in str(n)]
        return Item(
            task=self.name,
            messages=user(asked),
            answer={"right": right, "between": [low, high], "sample": sample},
            max_tokens=192,
            tier="two conditions" if digit else "one condition",
            cluster=asked,
        )
