"""Instructions with verifiable constraints: length, words, case, bullets, endings. All of an item's must hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from hydrometer.graders.constraints import grade_constraints
from hydrometer.items import Item
from hydrometer.outcomes import Grade
from hydrometer.tasks.base import GraderCase
from hydrometer.tasks.common import RepliedTask, case, meeting, user

TOPICS = (
    "the sea", "winter", "bread", "dogs", "music", "the moon", "trees", "trains", "rain", "friends", "gardens",
    "books", "mountains", "coffee", "birds", "the city", "summer", "bicycles", "rivers", "school",
)  # fmt: skip
ENDINGS = ("The end", "That is all", "Thank you", "See you soon")
WORDS = ("blue", "quiet", "happy", "small", "green", "warm", "old", "bright")

Rule = Callable[[Random], tuple[str, str, dict[str, Any]]]
"""Draws (sentence, name of the check, its parameter)."""


def _length(rng: Random) -> tuple[str, str, dict[str, Any]]:
    n = rng.choice((8, 12, 15, 20))
    return f"Use at most {n} words.", "max_words", {"number": n}


def _word(rng: Random) -> tuple[str, str, dict[str, Any]]:
    word = rng.choice(WORDS)
    return f"Use the word '{word}'.", "includes", {"word": word}


def _ending(rng: Random) -> tuple[str, str, dict[str, Any]]:
    phrase = rng.choice(ENDINGS)
    return f"End with the words '{phrase}'.", "ends_with", {"phrase": phrase}


EASY: tuple[Rule, ...] = (
    _length,
    _word,
    lambda _: ("Do not use any commas.", "lacks_commas", {}),
)
HARD: tuple[Rule, ...] = (
    _ending,
    lambda _: ("Use only lowercase letters.", "lowercase", {}),
    lambda _: ("Begin with the word 'Today'.", "starts_with", {"phrase": "Today"}),
)


class Constraints(RepliedTask):
    """Write about a topic within one or two constraints."""

    name = "constraints"
    version = 2
    capability = "instruction following"
    summary = "writing within one or two verifiable constraints"

    def make(self, rng: Random, index: int) -> Item:
        """Make item `index`; one easy, two easy, one hard, one of each take turns."""
        tier = ("one easy", "two easy", "one hard", "easy and hard")[index % 4]
        rules = {
            "one easy": rng.sample(EASY, 1),
            "two easy": rng.sample(EASY, 2),
            "one hard": rng.sample(HARD, 1),
        }.get(tier, [rng.choice(EASY), rng.choice(HARD)])
        drawn = [rule(rng) for rule in rules]
        text = " ".join(
            [f"Write a short sentence about {rng.choice(TOPICS)}.", *(sentence for sentence, _, _ in drawn)]
        )
        checks = [{"check": name, **parameters} for _, name, parameters in drawn]
        return Item(task=self.name, messages=user(text), answer=checks, max_tokens=192, tier=tier)

    def grade(self, item: Item, reply: str) -> Grade:
        """Every constraint against the whole reply, preamble included."""
        return grade_constraints(reply, item.answer, item.messages[-1].content)

    def gold_reply(self, item: Item) -> str:
        """A few words that meet every constraint."""
        return meeting(item.answer)

    def wrong_reply(self) -> str:
        """Short enough, but without the ending."""
        return "Rain is lovely."

    def case_item(self) -> Item:
        """A length and an ending."""
        text = "Write a short sentence about rain. Use at most 8 words. End with the words 'Thank you'."
        return Item(
            task=self.name,
            messages=user(text),
            answer=[{"check": "max_words", "number": 8}, {"check": "ends_with", "phrase": "Thank you"}],
        )

    def traps(self) -> Sequence[GraderCase]:
        """One constraint of two is not enough; quotes around the ending are."""
        item = self.case_item()
        return [
            case("one_of_two", item, "Rain falls on the roof and on the street and on me. Thank you", 0.0),
            case("quoted_end", item, 'Rain again. "Thank you"', 1.0),
        ]
