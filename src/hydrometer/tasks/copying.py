"""Copying and small edits: repeat a sentence, swap a word, remove one. The reply must be the text and no more."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from hydrometer.graders.text import same_text
from hydrometer.items import Item
from hydrometer.outcomes import Grade
from hydrometer.tasks.base import GraderCase
from hydrometer.tasks.common import RepliedTask, case, user

WHO = (
    "The old farmer",
    "My sister",
    "A young doctor",
    "The tall man",
    "Our teacher",
    "The small dog",
    "A tired cook",
)
DID = ("bought", "lost", "found", "painted", "carried", "sold", "cleaned", "hid")
WHAT = (
    "a red kite",
    "three green cups",
    "the wooden box",
    "a silver ring",
    "two heavy bags",
    "the broken clock",
)
WHERE = (
    "near the river",
    "in the kitchen",
    "behind the school",
    "at the market",
    "under the bridge",
    "by the window",
)
WHEN = ("on Monday", "last week", "before noon", "after the storm", "in April", "this morning")


class Copying(RepliedTask):
    """Give a sentence back, unchanged or with one edit."""

    name = "copying"
    capability = "text editing"
    summary = "repeat a sentence exactly, or with one small edit"

    def make(self, rng: Random, index: int) -> Item:
        """Make item `index`; repeating comes twice as often as each edit."""
        tier = ("repeat", "replace", "repeat", "remove")[index % 4]
        did, when = rng.choice(DID), rng.choice(WHEN)
        sentence = f"{rng.choice(WHO)} {did} {rng.choice(WHAT)} {rng.choice(WHERE)} {when}."
        if tier == "repeat":
            text, gold = f"Repeat this sentence exactly: {sentence}", sentence
        elif tier == "replace":
            new = rng.choice([word for word in DID if word != did])
            text = f"Replace the word '{did}' with '{new}' in this sentence: {sentence}"
            gold = sentence.replace(f" {did} ", f" {new} ")
        else:
            text = f"Remove the words '{when}' from this sentence: {sentence}"
            gold = sentence.replace(f" {when}.", ".")
        text += "\nReply with only the sentence."
        return Item(task=self.name, messages=user(text), answer=gold, max_tokens=192, tier=tier)

    def grade(self, item: Item, reply: str) -> Grade:
        """The exact sentence."""
        if not reply.strip():
            return Grade.unparsed("empty reply")
        return (
            Grade.right() if same_text(reply, item.answer) else Grade.wrong(reason="not the exact sentence")
        )

    def gold_reply(self, item: Item) -> str:
        """A right reply."""
        return str(item.answer)

    def wrong_reply(self) -> str:
        """A sentence with a word missing."""
        return "Our teacher lost a kite in April."

    def case_item(self) -> Item:
        """A short sentence."""
        text = "Repeat this sentence exactly: Our teacher lost a red kite in April.\nReply with only the sentence."
        right = "Our teacher lost a red kite in April."
        return Item(task=self.name, messages=user(text), answer=right)

    def traps(self) -> Sequence[GraderCase]:
        """Quotes are fine, anything more or less is not."""
        item = self.case_item()
        right = item.answer
        return [
            case("quoted", item, f'"{right}"', 1.0),
            case("preamble", item, f"Sure! {right}", 0.0),
            case("without_full_stop", item, right[:-1], 0.0),
        ]
