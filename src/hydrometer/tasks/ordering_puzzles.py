"""Puzzles of an order: what comes next, which number is largest, who is tallest, and the tiers that they make."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from random import Random
from typing import NamedTuple

from hydrometer.tasks.common import NAMES

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_RELATIONS = (
    ("taller", "tallest", "shortest"), ("older", "oldest", "youngest"), ("faster", "fastest", "slowest"),
)  # fmt: skip


class Puzzle(NamedTuple):
    """A question, its answers, the right one first, the word asked for, answers said in passing, and an example.

    The example is a question of the kind with its reply, a turn of its own before the question.
    """

    question: str
    options: tuple[str, ...]
    cue: str = ""
    passing: tuple[str, ...] = ()
    example: tuple[str, ...] = ()


def _next(rng: Random) -> Puzzle:
    """What comes next in a list; the example is from the other list, whose names are wrong answers here."""
    (own, other), start, first = rng.sample((_DAYS, _MONTHS), 2), rng.randrange(12), rng.randrange(12)
    shown, (*before, example) = _run(own, start, 3), _run(other, first, 4)
    right, *others = _run(own, start + 3, len(own) - 3)
    asked = "{}, {}, {}. What comes next?"
    return Puzzle(
        asked.format(*shown),
        (right, *others),
        passing=(*shown, *other),
        example=(asked.format(*before), f"{example}."),
    )


def _run(names: tuple[str, ...], start: int, number: int) -> tuple[str, ...]:
    return tuple(names[(start + step) % len(names)] for step in range(number))


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


TIERS: dict[str, Callable[[Random], Puzzle]] = {
    "next in line": _next,
    "two numbers": partial(_numbers, number=2),
    "two people": partial(_people, number=2),
    "three numbers": partial(_numbers, number=3),
    "three people": partial(_people, number=3),
    "near day": partial(_day, far=False),
    "four people": partial(_people, number=4),
    "far day": partial(_day, far=True),
    "five people": partial(_people, number=5),
}
"""Makers by tier, easy ones first."""
