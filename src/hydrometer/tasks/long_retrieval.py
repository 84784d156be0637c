"""One fact out of a long text, 1k to 32k tokens, alone or among others of its kind.

`needle` asks the same of a few hundred words. Here sizes go up to a window of 32,768 tokens; an item that does not
fit a model's window fails in the engine and is counted apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from hydrometer.items import Item
from hydrometer.outcomes import Grade
from hydrometer.tasks.base import GraderCase
from hydrometer.tasks.common import RepliedTask, case, grade_told, user
from hydrometer.tasks.long_texts import PROSE, Size, filler, hide, size, words

_RIVALS = (0, 1, 3)
"""How many other things the text says the place of; drawn for each item."""


class LongRetrieval(RepliedTask):
    """Find one sentence in very many."""

    name = "long_retrieval"
    capability = "context"
    summary = "one fact in 1k to 32k tokens, alone or among facts of its kind"

    def make(self, rng: Random, index: int) -> Item:
        """Make item `index`; smaller sizes come more often, places and depths are random."""
        number = 1 + rng.choice(_RIVALS)
        owners, things, places = (rng.sample(words(kind), number) for kind in ("owners", "things", "places"))
        told = [
            f"The {thing} of {owner} is in the {place}."
            for owner, thing, place in zip(owners, things, places, strict=True)
        ]
        asked = f"Where is the {things[0]} of {owners[0]}?"
        rng.shuffle(told)
        return self._item(rng, told, asked, places[0], size(index))

    def grade(self, item: Item, reply: str) -> Grade:
        """Judge the place that the reply settles on; naming none is wrong, only an empty reply is unparsed."""
        return grade_told(item, reply)

    def gold_reply(self, item: Item) -> str:
        """Return the place."""
        return str(item.answer["answer"])

    def wrong_reply(self) -> str:
        """Return the place of something else."""
        return "The ring is in the drawer."

    def case_item(self) -> Item:
        """Return a short item with one rival."""
        told = ["The ring of the baker is in the teapot.", "The map of the judge is in the drawer."]
        return self._item(Random(1), told, "Where is the ring of the baker?", "teapot", Size("short", 60))  # noqa: S311

    def traps(self) -> Sequence[GraderCase]:
        """Return replies in sentences, and one that names no place."""
        item = self.case_item()
        return (
            case("sentence", item, "The ring of the baker is in the teapot.", 1.0),
            case("capital", item, "Teapot", 1.0),
            case("not_the_other", item, "In the teapot, not in the drawer: **Answer:** teapot", 1.0),
            case("no_place", item, "The baker has it.", 0.0),
        )

    def _item(self, rng: Random, told: Sequence[str], asked: str, place: str, long: Size) -> Item:
        text = hide(rng, told, filler, int(long.tokens * PROSE))
        gold = {"answer": place, "others": [other for other in words("places") if other != place]}
        return Item(
            task=self.name,
            messages=user(f"{text}\n\n{asked} Reply with one word."),
            answer=gold,
            max_tokens=128,
            tier=long.tier,
        )
