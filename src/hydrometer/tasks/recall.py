"""Multi-turn recall: facts told in earlier turns, asked for later. The answer is one of the told values."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from hydrometer.items import Item, Message
from hydrometer.outcomes import Grade
from hydrometer.tasks.base import GraderCase
from hydrometer.tasks.common import RepliedTask, case, grade_told

TOLD: dict[str, tuple[str, tuple[str, ...]]] = {
    "dog": ("My dog is called {}.", ("Rex", "Bruno", "Luna", "Milo", "Daisy", "Rocky")),
    "colour": ("My favourite colour is {}.", ("green", "purple", "orange", "yellow", "pink", "brown")),
    "town": ("I live in {}.", ("Lyon", "Bergen", "Porto", "Graz", "Kyoto", "Leeds")),
    "food": ("My favourite food is {}.", ("pizza", "soup", "rice", "pasta", "salad", "curry")),
    "job": ("I work as a {}.", ("nurse", "pilot", "baker", "plumber", "lawyer", "painter")),
    "instrument": ("I play the {}.", ("violin", "piano", "drums", "flute", "trumpet", "cello")),
}
ASK = {
    "dog": "What is my dog called?",
    "colour": "What is my favourite colour?",
    "town": "Which town do I live in?",
    "food": "What is my favourite food?",
    "job": "What is my job?",
    "instrument": "Which instrument do I play?",
}


# The told value stands in every acknowledgement, and no two are alike: a small model repeats the turn before it.
NOTED = ("I see, {}!", "{}, how nice.", "Good to know: {}.", "Thank you for telling me about {}.")


class Recall(RepliedTask):
    """Remember what was said some turns ago."""

    name = "recall"
    capability = "context"
    summary = "facts told in earlier turns of a conversation"

    def make(self, rng: Random, index: int) -> Item:
        """Make item `index`; one, two, three and four told facts take turns."""
        number = index % 4 + 1
        keys = rng.sample(sorted(TOLD), number)
        values = {key: rng.choice(TOLD[key][1]) for key in keys}
        messages: list[Message] = []
        for key, noted in zip(keys, rng.sample(NOTED, number), strict=True):
            told = TOLD[key][0].format(values[key])
            messages += [Message("user", told), Message("assistant", noted.format(values[key]))]
        asked = rng.choice(keys)
        others = [v for key, v in values.items() if key != asked] + [
            v for v in TOLD[asked][1] if v != values[asked]
        ]
        messages.append(Message("user", f"Now a question about me. {ASK[asked]}"))
        gold = {"answer": values[asked], "others": others}
        tier = f"{number} fact{'s' if number > 1 else ''}"
        return Item(task=self.name, messages=tuple(messages), answer=gold, max_tokens=128, tier=tier)

    def grade(self, item: Item, reply: str) -> Grade:
        """The value that the reply settles on; naming none of them is wrong, only an empty reply is unparsed."""
        return grade_told(item, reply)

    def gold_reply(self, item: Item) -> str:
        """A right reply."""
        return str(item.answer["answer"])

    def wrong_reply(self) -> str:
        """Another dog's name."""
        return "Luna"

    def case_item(self) -> Item:
        """One told fact."""
        messages = (
            Message("user", "My dog is called Rex."),
            Message("assistant", "Thanks, I will remember that."),
            Message("user", "What is my dog called? Reply with one word."),
        )
        return Item(task=self.name, messages=messages, answer={"answer": "Rex", "others": ["Bruno", "Luna"]})

    def traps(self) -> Sequence[GraderCase]:
        """Whole words count, wherever they stand."""
        item = self.case_item()
        return [
            case("sentence", item, "Your dog is called Rex.", 1.0),
            case("part_of_a_word", item, "Rexton", 0.0),
        ]
