r"""Mathematics with exact answers: fractions, roots, sets of solutions, intervals, remainders, probabilities.

Twelve kinds of problems in three tiers. An answer counts in any exact form (`\frac{6}{8}`, `3/4`, `0.75`), which
math-verify, an optional package, decides; rounded roots are wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from hydrometer.graders.mathematics import grade_mathematics
from hydrometer.graders.text import strip_echo
from hydrometer.items import Item
from hydrometer.outcomes import Grade
from hydrometer.tasks.base import GraderCase
from hydrometer.tasks.common import RepliedTask, case, user
from hydrometer.tasks.math_problems import PROBLEMS

_CLOSING = '\nWork it out, then end with a line that begins with "Answer:" and gives the exact answer.'


class CompetitionMath(RepliedTask):
    """One exact answer."""

    name = "competition_math"
    capability = "mathematics"
    summary = "algebra, number theory, geometry and probability with exact answers, judged by math-verify"
    needs = ("math_verify",)
    extra = "tasks"

    def make(self, rng: Random, index: int) -> Item:
        """Make item `index`; the tiers take turns, and within them the kinds of problems."""
        tier = tuple(PROBLEMS)[index % 3]
        question, gold = PROBLEMS[tier][index // 3 % 4](rng)
        return Item(
            task=self.name, messages=user(question + _CLOSING), answer=gold, max_tokens=768, tier=tier
        )

    def grade(self, item: Item, reply: str) -> Grade:
        """Judge the boxed answer, the one behind "Answer:", or the last line."""
        return grade_mathematics(strip_echo(reply, item.messages[-1].content), item.answer)

    def gold_reply(self, item: Item) -> str:
        """Return the answer behind a line of working."""
        return f"We find it in 2 steps.\nAnswer: ${item.answer}$"

    def wrong_reply(self) -> str:
        """Return the answer upside down."""
        return "Answer: 4/3"

    def case_item(self) -> Item:
        """Return an item whose answer is a fraction."""
        return Item(task=self.name, messages=user("What is 1/4 + 1/2?"), answer=r"\frac{3}{4}")

    def traps(self) -> Sequence[GraderCase]:
        """Return the same answers in other forms, and near misses."""
        item = self.case_item()
        root, both, ray, left = (
            Item(task=self.name, messages=user("Solve it."), answer=gold)
            for gold in (
                r"5\sqrt{3}",
                r"\{1-\sqrt{2}, 1+\sqrt{2}\}",
                r"(-\infty, -1) \cup (4, \infty)",
                "(2, 5]",
            )
        )
        return (
            case("not_reduced", item, r"First 1/4, so \boxed{\dfrac{6}{8}}.", 1.0),
            case("decimal", item, "1/4 + 1/2 = 3/4.\n**Answer:** 0.75", 1.0),
            case("right_then_wrong", item, "3/4 at first.\nAnswer: 5/4", 0.0),
            case("root_in_signs", root, "The length is 5√3 cm.", 1.0),
            case("root_not_simplified", root, r"Answer: $\sqrt{75}$", 1.0),
            case("root_rounded", root, "Answer: 8.66", 0.0),
            case("plus_minus", both, "Answer: x = 1 ± √2", 1.0),
            case("one_of_two", both, r"Answer: $1+\sqrt{2}$", 0.0),
            case("inequality", ray, "Answer: x < -1 or x > 4", 1.0),
            case("other_side", ray, "Answer: (-1, 4)", 0.0),
            case("open_for_closed", left, "Answer: (2, 5)", 0.0),
            case("tower_of_powers", item, "Answer: 9^{9^{9^{9}}}", 0.0),
            case("words", item, "It is three quarters.", None),
        )
