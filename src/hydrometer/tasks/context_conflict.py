"""A text that contradicts what everybody knows: the reply must follow the text.

The reason of a wrong grade says whether the reply `followed the weights` or `followed neither`. The facts are those of
`knowledge_facts`, with another fact's answer put in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from random import Random
from typing import NamedTuple

from hydrometer.graders.asides import pick_main
from hydrometer.graders.text import strip_echo
from hydrometer.items import Item
from hydrometer.outcomes import Grade
from hydrometer.tasks.base import GraderCase
from hydrometer.tasks.common import RepliedTask, case, load_table, user
from hydrometer.tasks.long_texts import PROSE, filler, hide
from hydrometer.tasks.minimal_pairs import PASSING

_TIERS = ("one sentence", "in passing", "beside the truth", "1k tokens")
_ASIDE = re.compile(
    r"\b(?:in reality|in real life|real world|actual\w*|in fact|really|normal\w*|usual\w*|known|truth|many books)\b"
)
_CLOSING = (
    "Answer from the story alone, even where it differs from the real world. Reply in one short sentence."
)


class Fact(NamedTuple):
    """A question, its statement with a gap for the answer, the true answer, and those of other facts of the kind."""

    question: str
    told: str
    true: str
    others: tuple[str, ...]

    def item(self, told: str, new: str, tier: str) -> Item:
        """Return the item of a text that says `new` instead of the truth."""
        others = [other for other in self.others if other != new]
        answer, asked = {"answer": new, "true": self.true, "others": others}, f"{self.question} {_CLOSING}"
        messages = user(f"{told}\n\n{asked}")
        return Item(task="context_conflict", messages=messages, answer=answer, max_tokens=128, tier=tier)


class ContextConflict(RepliedTask):
    """Follow the text, not the weights."""

    name = "context_conflict"
    capability = "context"
    summary = "a text contradicts what everybody knows; the reply must follow the text, not the weights"

    def make(self, rng: Random, index: int) -> Item:
        """Make item `index`; the tiers take turns."""
        fact, tier = rng.choice(_facts()), _TIERS[index % len(_TIERS)]
        new = rng.choice(fact.others)
        told = f"In this story, {fact.told.format(new)}."
        if tier == "in passing":
            told = " ".join((*rng.sample(PASSING, 2), told, *rng.sample(PASSING, 2)))
        elif tier == "beside the truth":
            told = f"Many books say that {fact.told.format(fact.true)}. {told}"
        elif tier == "1k tokens":
            told = hide(rng, [told], filler, int(1000 * PROSE))
        return fact.item(told, new, tier)

    def grade(self, item: Item, reply: str) -> Grade:
        """Judge whose answer the reply gives: that of the text, that of the weights, or neither."""
        said, gold = strip_echo(reply, item.messages[-1].content), item.answer
        if not said:
            return Grade.unparsed("empty reply")
        found = pick_main(said, [gold["answer"], gold["true"], *gold["others"]], _ASIDE) or said[:40]
        if found == gold["answer"]:
            return Grade.right(found, "followed the text")
        return Grade.wrong(found, f"followed {'the weights' if found == gold['true'] else 'neither'}")

    def gold_reply(self, item: Item) -> str:
        """Return the answer of the text."""
        return str(item.answer["answer"])

    def wrong_reply(self) -> str:
        """Return the answer of the weights."""
        return "The capital of France is Paris."

    def case_item(self) -> Item:
        """Return an item about a capital."""
        fact = Fact(
            "What is the capital of France?", "the capital of France is {}", "Paris", ("Rome", "Oslo")
        )
        return fact.item("In this story, the capital of France is Rome.", "Rome", _TIERS[0])

    def traps(self) -> Sequence[GraderCase]:
        """Return replies that name the truth too."""
        item = self.case_item()
        return (
            case("with_comment", item, "In the story it is Rome; in reality it is Paris.", 1.0),
            case("not_the_truth", item, "The capital is Rome, not Paris.", 1.0),
            case("corrected", item, "The capital of France is actually Paris.", 0.0),
            case("denied", item, "It is not Rome. The capital is Paris.", 0.0),
            case("neither", item, "It is a city in Europe.", 0.0),
        )


@cache
def _facts() -> tuple[Fact, ...]:
    told = {row["question"]: row["told"] for row in load_table("context_conflict.json")}
    return tuple(
        Fact(
            group["question"].format(subject),
            told[group["question"]].format(subject, "{}"),
            true,
            tuple(sorted(set(group["facts"].values()) - {true})),
        )
        for group in load_table("knowledge_facts.json")
        if group["question"] in told
        for subject, true in group["facts"].items()
    )
