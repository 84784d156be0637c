"""Small deductions with a word or number as the answer: the next weekday, the largest number, who is tallest.

Tiers go from one look to ordering five people whose relations come shuffled. The answer is taken from wherever
the reply settles it: behind "answer", beside the asked-for word, or as the last name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

from hydrometer.graders.text import pick_option, strip_echo
from hydrometer.items import Item
from hydrometer.outcomes import Grade
from hydrometer.tasks.base import GraderCase
from hydrometer.tasks.common import NAMES, RepliedTask, case, user

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_RELATIONS = (
    ("taller", "tallest", "shortest"),
    ("older", "oldest", "youngest"),
    ("faster", "fastest", "slowest"),
    ("richer", "richest", "poorest"),
    ("stronger", "strongest", "weakest"),
)


class Puzzle(NamedTuple):
    """A question, all answers it allows with the right one first, and the word it asks for."""

    question: str
    options: tuple[str, ...]
    cue: str


class Ordering(RepliedTask):
    """One name, day or number."""

    name = "ordering"
    capability = "reasoning"
    summary = "weekdays, largest numbers, who is tallest: small deductions with one word as the answer"
    chance = 0.28  # mean of 1/6, 1/3, 1/3, 1/4 over the tiers as they take turns, and 1/5

    def make(self, rng: Random, index: int) -> Item:
        """Make item `index`; the tiers take turns."""
        tier = tuple(_TIERS)[index % len(_TIERS)]
        puzzle = _TIERS[tier](rng)
        return Item(
            task=self.name,
            messages=user(puzzle.question),
            answer={"right": puzzle.options[0], "options": sorted(puzzle.options), "cue": puzzle.cue},
            max_tokens=192,
            tier=tier,
        )

    def grade(self, item: Item, reply: str) -> Grade:
        """Judge the option that the reply settles on; case and punctuation make no difference."""
        said = strip_echo(reply, item.messages[-1].content)
        found = pick_option(said, item.answer["options"], item.answer["cue"])
        if found is None:
            return Grade.unparsed("none of the possible answers in the reply")
        right: str = item.answer["right"]
        return Grade.right(found) if found == right else Grade.wrong(found, f"expected {right}")

    def gold_reply(self, item: Item) -> str:
        """Return the answer."""
        return str(item.answer["right"])

    def wrong_reply(self, item: Item) -> str:
        """Return another option."""
        return next(o for o in item.answer["options"] if o != item.answer["right"])

    def case_item(self) -> Item:
        """Return an item about three people, where names in passing are the trap."""
        question = "Anna is taller than Ben. Clara is taller than Anna. Who is the tallest? Reply with only the name."
        answer = {"right": "Clara", "options": ["Anna", "Ben", "Clara"], "cue": "tallest"}
        return Item(task=self.name, messages=user(question), answer=answer, max_tokens=192, tier="three people")

    def traps(self) -> Sequence[GraderCase]:
        """Return replies that name the others too."""
        item = self.case_item()
        return (
            case("reason_behind", item, "The tallest is Clara, because she is taller than Anna.", 1.0),
            case("reason_before", item, "Anna is taller than Ben, so Clara is the tallest of Anna and Ben.", 1.0),
            case("trace", item, "1. Anna > Ben\n2. Clara > Anna\n\n**Answer:** Clara", 1.0),
            case("marked", item, "**Answer:** Clara is taller than Anna.", 1.0),
            case("wrong_reason", item, "Anna is the tallest, since Clara is taller than Anna.", 0.0),
            case("nobody", item, "The tallest one is the one on the left.", None),
        )


def _weekday(rng: Random, steps: int, wording: str) -> Puzzle:
    start = rng.randrange(7)
    right = _DAYS[(start + steps) % 7]
    others = tuple(day for day in _DAYS if day not in (right, _DAYS[start]))
    return Puzzle(f"{wording.format(_DAYS[start])} Reply with only the day.", (right, *others), "")


def _near_day(rng: Random) -> Puzzle:
    steps = rng.choice((1, 2, -1))
    where = {1: "right after", 2: "two days after", -1: "right before"}[steps]
    return _weekday(rng, steps, rng.choice((f"Which day comes {where} {{}}?", f"What is the day {where} {{}}?")))


def _far_day(rng: Random) -> Puzzle:
    steps = rng.choice([n for n in range(3, 60) if n % 7])
    return _weekday(rng, steps, f"Today is {{}}. Which day is it in {steps} days?")


def _numbers(rng: Random) -> Puzzle:
    values = rng.sample(range(2, 100), 3)
    word, pick = rng.choice((("largest", max), ("smallest", min)))
    right = pick(values)
    others = tuple(str(v) for v in values if v != right)
    shown = ", ".join(map(str, values))
    question = f"Which of these numbers is the {word}: {shown}? Reply with only the number."
    return Puzzle(question, (str(right), *others), word)


def _people(number: int) -> Callable[[Random], Puzzle]:
    def draw(rng: Random) -> Puzzle:
        ranked = rng.sample(NAMES, number)
        more, most, least = rng.choice(_RELATIONS)
        facts = [f"{a} is {more} than {b}." for a, b in zip(ranked, ranked[1:], strict=False)]
        rng.shuffle(facts)
        place, cue = rng.choice(((0, most), (-1, least)) if number < 5 else ((1, f"second {most}"), (-1, least)))
        right = ranked[place]
        question = f"{' '.join(facts)} Who is the {cue}? Reply with only the name."
        return Puzzle(question, (right, *(name for name in ranked if name != right)), cue)

    return draw


_TIERS: dict[str, Callable[[Random], Puzzle]] = {
    "near day": _near_day,
    "numbers": _numbers,
    "three people": _people(3),
    "four people": _people(4),
    "far day": _far_day,
    "five people": _people(5),
}
