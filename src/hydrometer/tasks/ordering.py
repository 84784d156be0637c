"""Small deductions with one word as the answer: what comes next, the larger number, who is tallest.

Tiers go from a list of days or months, with an example of another list, to five people in shuffled relations. The
answer counts wherever the reply settles on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from hydrometer.graders.text import grade_option, strip_echo
from hydrometer.items import Item, Message
from hydrometer.outcomes import Grade
from hydrometer.tasks.base import GraderCase
from hydrometer.tasks.common import RepliedTask, case, user
from hydrometer.tasks.ordering_puzzles import TIERS, Puzzle


class Ordering(RepliedTask):
    """One name, day or number as the answer."""

    name = "ordering"
    version = 2
    capability = "reasoning"
    summary = "what comes next, largest numbers, who is tallest: small deductions with one word as the answer"
    chance = 0.3  # mean over the tiers of one in the number of options

    def make(self, rng: Random, index: int) -> Item:
        """Make item `index`; the tiers take turns."""
        tier = tuple(TIERS)[index % len(TIERS)]
        return self._item(TIERS[tier](rng), tier)

    def grade(self, item: Item, reply: str) -> Grade:
        """Judge the option that the reply settles on; case and punctuation make no difference."""
        return grade_option(strip_echo(reply, item.messages[-1].content), **item.answer)

    def gold_reply(self, item: Item) -> str:
        """Return the answer."""
        return str(item.answer["right"])

    def wrong_reply(self) -> str:
        """Return another name."""
        return "Ben."

    def case_item(self) -> Item:
        """Return an item about three people, where names in passing are the trap."""
        question = "Anna is taller than Ben. Clara is taller than Anna. Who is the tallest?"
        return self._item(Puzzle(question, ("Clara", "Anna", "Ben"), "tallest"), "three people")

    def traps(self) -> Sequence[GraderCase]:
        """Return replies that name the others too."""
        item = self.case_item()
        return (
            case("reason_behind", item, "The tallest is Clara, because she is taller than Anna.", 1.0),
            case("reason_before", item, "Anna is above Ben, so Clara is the tallest of Anna and Ben.", 1.0),
            case("trace", item, "1. Anna > Ben\n2. Clara > Anna\n\n**Answer:** Clara", 1.0),
            case("nobody", item, "The tallest one is the one on the left.", None),
        )

    def _item(self, puzzle: Puzzle, tier: str) -> Item:
        question, (right, *others), cue, passing, example = puzzle
        turns = (Message("user", example[0]), Message("assistant", example[1])) if example else ()
        answer = {"right": right, "options": sorted([right, *others]), "cue": cue, "passing": list(passing)}
        return Item(task=self.name, messages=turns + user(question), answer=answer, max_tokens=192, tier=tier)
