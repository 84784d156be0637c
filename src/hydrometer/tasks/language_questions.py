"""Questions that are the same in every language, made from a table of words: colours, opposites, days, animals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from random import Random
from typing import Any, NamedTuple

from hydrometer.tasks.common import load_table

Words = dict[str, Any]
"""What the table says of one language."""


class Question(NamedTuple):
    """A question, the forms of the right word, those of the other words that could be said, and what is asked about."""

    asked: str
    right: Sequence[str]
    others: Sequence[str]
    cue: str = ""


def colour(rng: Random, words: Words) -> Question:
    """The colour of one of two things that are told."""
    things, colours = rng.sample(words["things"], 2), rng.sample(words["colours"], 2)
    told = [words["told"].format(*pair) for pair in zip(things, (forms[0] for forms in colours), strict=True)]
    at = rng.randrange(2)
    asked = words["asked"].format(things[at])
    text = " ".join([*(line[0].upper() + line[1:] for line in told), asked])
    return Question(text, colours[at], _forms(words["colours"], colours[at]), things[at])


def opposite(rng: Random, words: Words) -> Question:
    """The opposite of a plain adjective."""
    asked, *right = pair = rng.choice(words["opposites"])
    return Question(words["opposite"].format(asked), right, _forms(words["opposites"], pair))


def day(rng: Random, words: Words) -> Question:
    """The day after another, or the one before."""
    today, step = rng.randrange(7), rng.choice((1, -1))
    days = words["days"]
    right = days[(today + step) % 7]
    asked = words["tomorrow" if step == 1 else "yesterday"].format(days[today][0])
    return Question(asked, right, _forms([forms for forms in days if forms != days[today]], right))


def animal(rng: Random, words: Words) -> Question:
    """An animal that everybody knows by what it does."""
    asked, right = rng.choice(sorted(words["animals"].items()))
    return Question(asked, right, _forms(words["animals"].values(), right))


MAKERS: tuple[Callable[[Random, Words], Question], ...] = (
    opposite,
    colour,
    opposite,
    day,
    opposite,
    animal,
)
"""The kinds in their turns: opposites come most often, since a small model can do these and nobody can guess them."""


@cache
def languages() -> dict[str, Words]:
    """Return the words of each language by its code."""
    return dict(load_table("languages.json"))


def _forms(groups: Any, right: Sequence[str]) -> list[str]:
    return [form for group in groups if group != right for form in group]
