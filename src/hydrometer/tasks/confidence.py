"""Sums from easy to hopeless, each with the question how sure the model is.

The grade tells whether the sum is right, as elsewhere; the stated confidence stands in what was extracted (`42 | 80`)
and is read by `graders.confidence.stated`. A model that claims more than it knows is seen in the calibration, not in
the score.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from hydrometer.graders.confidence import split_confidence, with_confidence
from hydrometer.graders.numbers import grade_number
from hydrometer.graders.text import strip_echo
from hydrometer.items import Item
from hydrometer.outcomes import Grade
from hydrometer.tasks.base import GraderCase
from hydrometer.tasks.common import RepliedTask, case, user

_TIERS: dict[str, tuple[str, range, range]] = {
    "easy": ("+", range(11, 60), range(2, 10)),
    "moderate": ("x", range(11, 60), range(3, 10)),
    "hard": ("x", range(13, 90), range(13, 90)),
    "very hard": ("x", range(123, 980), range(123, 980)),
}
_FORM = "Reply in two lines:\nAnswer: the number\nConfidence: how sure you are that it is right, from 0 to 100 percent"


class Confidence(RepliedTask):
    """A number, and how sure the model is of it."""

    name = "confidence"
    capability = "calibration"
    summary = "sums from easy to hopeless with a stated confidence"

    def make(self, rng: Random, index: int) -> Item:
        """Make item `index`; the tiers take turns."""
        tier = tuple(_TIERS)[index % len(_TIERS)]
        sign, left, right = _TIERS[tier]
        a, b = rng.choice(left), rng.choice(right)
        while (a + b if sign == "+" else a * b) == 100:
            a = rng.choice(left)  # the prompt says 100, and an echo must not be right
        result = a + b if sign == "+" else a * b
        text = f"What is {a} {sign} {b}? {_FORM}"
        return Item(task=self.name, messages=user(text), answer=result, max_tokens=256, tier=tier)

    def grade(self, item: Item, reply: str) -> Grade:
        """Judge the number that is left when the confidence is taken out."""
        said, confidence = split_confidence(strip_echo(reply, item.messages[-1].content))
        return with_confidence(grade_number(said, item.answer), confidence)

    def gold_reply(self, item: Item) -> str:
        """Return the number, and certainty."""
        return f"Answer: {item.answer}\nConfidence: 100%"

    def wrong_reply(self) -> str:
        """Return a near miss whose confidence is the right number."""
        item = self.case_item()
        return f"Answer: {item.answer + 1}\nConfidence: {item.answer}%"

    def case_item(self) -> Item:
        """Return an item whose answer could be a percentage."""
        return Item(task=self.name, messages=user(f"What is 37 + 5? {_FORM}"), answer=42, tier="easy")

    def traps(self) -> Sequence[GraderCase]:
        """Return confidences that look like answers, and answers without any confidence."""
        item = self.case_item()
        return (
            case("confidence_last", item, "42, and I am 90% sure.", 1.0),
            case("confidence_first", item, "Confidence: 95%\nAnswer: 42", 1.0),
            case("no_confidence", item, "Answer: 42", 1.0),
            case("bold", item, "**Answer:** 42\n**Confidence:** 80%", 1.0),
            case("share", item, "Answer: 42\nConfidence: 0.8", 1.0),
            case("only_confidence", item, "Confidence: 42%", None),
            case("wrong_and_unsure", item, "Answer: 43\nConfidence: 10 percent", 0.0),
            case("percent_is_no_answer", item, "Answer: 43\nI am 42% certain.", 0.0),
        )
