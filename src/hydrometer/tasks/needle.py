"""Retrieval from a longer text: one fact among generated filler of about 60 to 400 words."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from hydrometer.items import Item
from hydrometer.outcomes import Grade
from hydrometer.tasks.base import GraderCase
from hydrometer.tasks.common import RepliedTask, case, grade_told, user

SUBJECTS = (
    "The harbour",
    "The museum",
    "A small shop",
    "The library",
    "The old mill",
    "The bakery",
    "The square",
)
ACTS = (
    "opens early",
    "closes at dusk",
    "is painted white",
    "stands near the hill",
    "has a new roof",
    "is quiet in winter",
    "draws many visitors",
    "was built long ago",
)
ENDS = (
    "and people like it",
    "as the guide says",
    "even on Sundays",
    "when the weather is good",
    "for most of the year",
)
OBJECTS = ("key", "letter", "map", "ring", "coin", "photo")
PLACES = ("drawer", "basket", "suitcase", "cupboard", "teapot", "mailbox", "backpack", "piano")
SENTENCES = (6, 12, 20, 40)


class Needle(RepliedTask):
    """Find one sentence in many."""

    name = "needle"
    capability = "context"
    summary = "one fact in 60 to 400 words of filler"

    def make(self, rng: Random, index: int) -> Item:
        """Make item `index`; four lengths take turns, the fact's depth is random."""
        length = SENTENCES[index % len(SENTENCES)]
        filler = [f"{rng.choice(SUBJECTS)} {rng.choice(ACTS)} {rng.choice(ENDS)}." for _ in range(length)]
        thing, place = rng.choice(OBJECTS), rng.choice(PLACES)
        filler.insert(rng.randrange(length + 1), f"The {thing} is hidden in the {place}.")
        text = f"{' '.join(filler)}\n\nWhere is the {thing} hidden? Reply with one word."
        gold = {"answer": place, "others": [other for other in PLACES if other != place]}
        tier = f"{length} sentences"
        return Item(task=self.name, messages=user(text), answer=gold, max_tokens=128, tier=tier)

    def grade(self, item: Item, reply: str) -> Grade:
        """The place that the reply settles on; naming none of them is wrong, only an empty reply is unparsed."""
        return grade_told(item, reply)

    def gold_reply(self, item: Item) -> str:
        """A right reply."""
        return str(item.answer["answer"])

    def wrong_reply(self) -> str:
        """Another place."""
        return "drawer"

    def case_item(self) -> Item:
        """One sentence of filler."""
        text = "The mill is old. Where is the key hidden? Reply with one word."
        return Item(
            task=self.name,
            messages=user(text),
            answer={"answer": "teapot", "others": ["drawer", "piano"]},
        )

    def traps(self) -> Sequence[GraderCase]:
        """Sentences count like single words."""
        item = self.case_item()
        return [
            case("capital", item, "Teapot.", 1.0),
            case("sentence", item, "The key is hidden in the teapot.", 1.0),
        ]
