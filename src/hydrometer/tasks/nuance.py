"""Minimal pairs: two texts that differ in one word, which flips the answer.

Negation, quantifier, exception, unit, order in time, at least and at most. An item is one question; its twin is the
next item and shares the cluster. Only both right show that the word was read (`together`), since a model that always
says yes, or always names the first person, is right on one of the two.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

from hydrometer.graders.numbers import grade_number
from hydrometer.graders.text import grade_option, strip_echo, yes_or_no
from hydrometer.items import Item
from hydrometer.outcomes import Grade
from hydrometer.tasks.base import GraderCase
from hydrometer.tasks.common import RepliedTask, case, user
from hydrometer.tasks.minimal_pairs import HOW_MANY, PASSING, WHO, YES_OR_NO, Pair

_RECEIVER = re.compile(r"\b(?:sent|went|addressed|came|it) to \w+", re.IGNORECASE)


class Nuance(RepliedTask):
    """One word decides."""

    name = "nuance"
    capability = "nuance"
    summary = "minimal pairs in which one word flips the answer, counted only together"
    version = 3
    chance = 0.18  # a quarter of the pairs with two names or with yes and no, which are 70 %; numbers cannot be guessed
    group = 2
    together = True

    def make(self, rng: Random, index: int) -> Item:
        """Make item `index`: its twin is the next one if it is even, else the one before; the tiers take turns."""
        turn, twin = index // 2, index % 2
        tier = ("easy", "yes or no", "in passing")[turn % 3]
        easy = (WHO, HOW_MANY)[turn // 3 % 2]
        kinds = {"easy": easy, "yes or no": YES_OR_NO}.get(tier, (*WHO, *HOW_MANY, *YES_OR_NO))
        before, behind = rng.sample(PASSING, 2) if tier == "in passing" else ("", "")
        return self._item(rng.choice(kinds)(rng), twin, tier, before, behind)

    def grade(self, item: Item, reply: str) -> Grade:
        """Judge the number, the yes or no, or the name that the reply settles on."""
        said, gold = strip_echo(reply, item.messages[-1].content), item.answer["answer"]
        if isinstance(gold, int):
            return grade_number(said, gold)
        if gold in {"yes", "no"}:
            found = yes_or_no(said)
            if found is None:
                return Grade.unparsed("neither yes nor no in the reply")
            return Grade.right(found) if found == gold else Grade.wrong(found, f"expected {gold}")
        # "It was sent to Ida" says who got it, and not who sent it.
        told = _RECEIVER.sub("", said) if item.answer["cue"] == "sent" else said
        return grade_option(told, gold, item.answer["options"], cue=item.answer["cue"])

    def gold_reply(self, item: Item) -> str:
        """Return the answer."""
        return str(item.answer["answer"])

    def wrong_reply(self) -> str:
        """Return the answer of the twin."""
        return "Ben"

    def case_item(self) -> Item:
        """Return an item about who came first."""
        pair = Pair(
            "Anna arrived {} Ben.", ("before", "after"), "Who arrived first?", ("Anna", "Ben"), "first"
        )
        return self._item(pair, 0, "easy")

    def traps(self) -> Sequence[GraderCase]:
        """Return replies that name both people, both words, or other numbers."""
        who = self.case_item()
        shut, length = (
            self._item(pair, 1, "easy")
            for pair in (
                Pair("All, {} Ida, paid.", ("including", "except"), "Did Ida pay?", ("yes", "no")),
                Pair("The rope is 3 {} long.", ("metres", "centimetres"), "How many centimetres?", (300, 3)),
            )
        )
        sent = Pair("A letter came {} Ida.", ("from", "to"), "Who sent it?", ("Ida", "Max"), "sent")
        post = self._item(sent, 0, "easy")
        return (
            case("receiver", post, "The letter was sent to Ida.", None),
            case("sender", post, "Ida sent it to Max.", 1.0),
            case("reason_behind", who, "Anna, because she arrived before Ben.", 1.0),
            case("both_named", who, "Ben arrived after Anna, so Anna was first.", 1.0),
            case("other_one", who, "Anna came before Ben. **Answer:** Ben", 0.0),
            case("yes_without_no", shut, "Yes, there is no reason why not.", 0.0),
            case("no_behind", shut, "Everybody else did, so the answer is no.", 1.0),
            case("neither", shut, "Everybody got one.", None),
            case("unit_behind", length, "3 centimetres (not 300 centimetres): the answer is 3 cm.", 1.0),
            case("converted", length, "3 metres = 300 centimetres", 0.0),
        )

    def _item(self, pair: Pair, twin: int, tier: str, before: str = "", behind: str = "") -> Item:
        shown = pair.text.replace("{}", pair.words[twin])
        form = (
            "number" if isinstance(pair.answers[0], int) else "yes or no" if "no" in pair.answers else "name"
        )
        reply = f"Reply with {'' if form == 'yes or no' else 'only the '}{form}."
        answer = {"answer": pair.answers[twin], "options": list(pair.answers), "cue": pair.cue}
        return Item(
            task=self.name,
            messages=user(" ".join(f"{before} {shown} {behind} {pair.question} {reply}".split())),
            answer=answer,
            max_tokens=192,
            tier=tier,
            cluster=f"{before} {pair.text} {pair.question}".strip(),
        )
