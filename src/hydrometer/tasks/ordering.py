"""Small deductions with one word as the answer: the next weekday, the larger number, who is tallest.

Tiers go from one look to five people in shuffled relations. The answer counts wherever the reply settles on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from random import Random
from typing import NamedTuple

from hydrometer.graders.text import grade_option, strip_echo
from hydrometer.items import Item
from hydrometer.outcomes import Grade
from hydrometer.tasks.base import GraderCase
from hydrometer.tasks.common import NAMES, RepliedTask, case, user

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_RELATIONS = (
    ("taller", "tallest", "shortest"), ("older", "oldest", "youngest"), ("faster", "fastest", "slowest"),
)  # fmt: skip


class Puzzle(NamedTuple):
    """A question, its answers, the right one first, the word asked for, and answers said in passing."""

    question: str
    options: tuple[str, ...]
    cue: str = ""
    passing: tuple[str, ...] = ()


class Ordering(RepliedTask):
    """One name, day or number as the answer."""

    name = "ordering"
    capability = "reasoning"
    summary = "weekdays, largest numbers, who is tallest: small deductions with one word as the answer"
    chance = 0.31  # mean over the tiers of one in the number of options

    def make(self, rng: Random, index: int) -> Item:
        """Make item `index`; the tiers take turns."""
        tier = tuple(_TIERS)[index % len(_TIERS)]
        return self._item(_TIERS[tier](rng), tier)

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
        question, (right, *others), cue, passing = puzzle
        answer = {"right": right, "options": sorted([right, *others]), "cue": cue, "passing": list(passing)}
        return Item(task=self.name, messages=user(question), answer=answer, max_tokens=192, tier=tier)


def _day(rng: Random, *, far: bool) -> Puzzle:
    steps = rng.choice([n for n in range(3, 60) if n % 7] if far else [1, 2, -1])
    start, near = rng.randrange(7), {1: "right after", 2: "two days after", -1: "right before"}.get(steps)
    options = dict.fromkeys(_DAYS[(start + step) % 7] for step in (steps, *range(1, 7)))
    wording = "Today is {0}. Which day is it in {1} days?" if far else "Which day comes {2} {0}?"
    question = f"{wording.format(_DAYS[start], steps, near)} Reply with only the day."
    return Puzzle(question, tuple(options), passing=(_DAYS[start],))


def _numbers(rng: Random, *, number: int) -> Puzzle:
    values = rng.sample(range(2, 100), number)
    words, pick = rng.choice(((("larger", "largest"), max), (("smaller", "smallest"), min)))
    word, shown = words[number > 2], (" or " if number == 2 else ", ").join(map(str, values))
    ranked = sorted(map(str, values), key=lambda value: value != str(pick(values)))
    return Puzzle(f"Which number is {word}: {shown}? Reply with only the number.", tuple(ranked), word)


def _people(rng: Random, *, number: int) -> Puzzle:
    ranked = rng.sample(NAMES, number)
    more, most, least = rng.choice(_RELATIONS)
    facts = [f"{a} is {more} than {b}." for a, b in pairwise(ranked)]
    rng.shuffle(facts)
    asked = {2: ((0, more),), 5: ((1, f"second {most}"), (-1, least))}
    place, cue = rng.choice(asked.get(number, ((0, most), (-1, least))))
    options = sorted(ranked, key=lambda name: name != ranked[place])
    return Puzzle(f"{' '.join(facts)} Who is {cue}? Reply with only the name.", tuple(options), cue)


_TIERS: dict[str, Callable[[Random], Puzzle]] = {
    "two numbers": partial(_numbers, number=2),
    "two people": partial(_people, number=2),
    "three numbers": partial(_numbers, number=3),
    "three people": partial(_people, number=3),
    "near day": partial(_day, far=False),
    "four people": partial(_people, number=4),
    "far day": partial(_day, far=True),
    "five people": partial(_people, number=5),
}
