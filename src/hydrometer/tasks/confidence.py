"""Questions with an answer that can be checked, and how sure the model is of it, in percent.

The grade is whether the answer is right. The confidence is kept beside it, and whether it fits the answers better or
worse than the base's does is tested over all items (`calibrated`). Half of the questions are facts with four answers,
half are products, which a model can neither look up nor always work out.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from hydrometer.graders.confidence import split_confidence
from hydrometer.graders.numbers import grade_number
from hydrometer.graders.text import grade_option, strip_echo
from hydrometer.items import Item
from hydrometer.outcomes import Grade
from hydrometer.tasks.base import GraderCase
from hydrometer.tasks.common import RepliedTask, case, user
from hydrometer.tasks.knowledge_facts import facts

_ASKED = (
    "{} Give the answer, then how sure you are that it is right, in percent, in this form:\n"
    "Answer: <answer>\nConfidence: <number>%"
)


class Confidence(RepliedTask):
    """Answer, and say how sure you are."""

    name = "confidence"
    capability = "answers with confidence"
    summary = (
        "facts and products with a stated confidence; right answers count, calibration is tested beside them"
    )
    chance = 0.125  # one of four for the facts, nothing for the products
    asks_confidence = True

    def make(self, rng: Random, index: int) -> Item:
        """Make item `index`; facts and products take turns."""
        if index % 2:
            left, right = rng.randint(12, 99), rng.randint(3, 29)
            return self._item(f"What is {left} x {right}?", left * right, (), "product")
        fact = rng.choice(facts())
        options = [fact.right, *rng.sample(fact.others, 3)]
        rng.shuffle(options)
        question = fact.question.removesuffix(" Reply with only the answer.")
        return self._item(f"{question} ({', '.join(options)})", fact.right, options, "fact", question)

    def grade(self, item: Item, reply: str) -> Grade:
        """Judge the answer alone; what is said of the confidence is no part of it."""
        said, _ = split_confidence(strip_echo(reply, item.messages[-1].content))
        gold, options = item.answer["answer"], item.answer["options"]
        return grade_option(said, gold, options) if options else grade_number(said, gold)

    def gold_reply(self, item: Item) -> str:
        """Return the answer, and a confidence."""
        return f"Answer: {item.answer['answer']}\nConfidence: 90%"

    def wrong_reply(self) -> str:
        """Return another fact, stated surely."""
        return "Answer: Rome\nConfidence: 99%"

    def case_item(self) -> Item:
        """Return a fact."""
        return self._item(
            "What is the capital of France? (Rome, Paris)", "Paris", ("Rome", "Paris"), "fact", "France"
        )

    def traps(self) -> Sequence[GraderCase]:
        """Return replies without a confidence, with one that looks like an answer, and in other words."""
        fact, product = self.case_item(), self._item("What is 12 x 8?", 96, (), "product")
        return (
            case("without_confidence", fact, "Paris.", 1.0),
            case("only_confidence", fact, "Confidence: 90%", None),
            case("in_words", fact, "I am 80% sure that it is Paris.", 1.0),
            case("confidence_is_no_answer", product, "Answer: 98\nConfidence: 96%", 0.0),
            case("answer_before", product, "12 x 8 = 96. Confidence: 100%", 1.0),
            case("confidence_first", product, "Confidence: 70%\n**Answer:** 96", 1.0),
            case("only_a_percentage", product, "96%", None),
        )

    def _item(
        self, question: str, gold: str | int, options: Sequence[str], tier: str, shared: str = ""
    ) -> Item:
        return Item(
            task=self.name,
            messages=user(_ASKED.format(question)),
            answer={"answer": gold, "options": list(options)},
            max_tokens=192,
            tier=tier,
            cluster=shared or question,
        )
