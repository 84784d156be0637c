"""Sentences that one word turns round, by the kind of their answer."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from hydrometer.tasks.common import NAMES


class Pair(NamedTuple):
    """A sentence with a gap, the two words for it, the question, the answer to each, and the word asked for."""

    text: str
    words: tuple[str, str]
    question: str
    answers: tuple[str, str] | tuple[int, int]
    cue: str = ""


Kind = Callable[[Random], Pair]
"""Draws a pair."""


def order(rng: Random) -> Pair:
    """Before and after."""
    a, b = rng.sample(NAMES, 2)
    did = rng.choice(("arrived", "left", "called", "finished", "spoke"))
    return Pair(f"{a} {did} {{}} {b}.", ("before", "after"), f"Who {did} first?", (a, b), "first")


def comparison(rng: Random) -> Pair:
    """Two comparatives."""
    a, b = rng.sample(NAMES, 2)
    more, less = rng.choice(
        (("older", "younger"), ("taller", "shorter"), ("faster", "slower"), ("richer", "poorer"))
    )
    return Pair(f"{a} is {{}} than {b}.", (more, less), f"Who is {more}?", (a, b), more)


def parcel(rng: Random) -> Pair:
    """To and from."""
    a, b = rng.sample(NAMES, 2)
    thing = rng.choice(("parcel", "letter", "postcard", "gift", "book"))
    return Pair(
        f"The {thing} went {{}} {a}, not {{}} {b}.", ("to", "from"), f"Who sent the {thing}?", (b, a), "sent"
    )


def whole_eggs(rng: Random) -> Pair:
    """All and none."""
    number, (things, broken, whole) = rng.randint(3, 40), rng.choice(_BROKEN)
    text = f"There were {number} {things}, and {{}} of them were {broken}."
    return Pair(text, ("all", "none"), f"How many {things} were {whole}?", (0, number))


def more_or_fewer(rng: Random) -> Pair:
    """More and fewer."""
    a, b = rng.sample(NAMES, 2)
    has, n, thing = rng.randint(10, 30), rng.randint(2, 9), rng.choice(_THINGS)
    text = f"{b} has {has} {thing}. {a} has {n} {{}} than {b}."
    return Pair(text, ("more", "fewer"), f"How many {thing} does {a} have?", (has + n, has - n))


def unit(rng: Random) -> Pair:
    """A small unit and a large one."""
    n, thing = rng.randint(2, 9), rng.choice(("rope", "table", "ribbon", "pole", "shelf", "fence"))
    text = f"The {thing} is {n} {{}} long."
    return Pair(text, ("metres", "centimetres"), f"How long is the {thing} in centimetres?", (100 * n, n))


def by_or_to(rng: Random) -> Pair:
    """An increase and a new value."""
    old, new, thing = (
        rng.randint(2, 12),
        rng.randint(15, 40),
        rng.choice(("ticket", "lamp", "chair", "meal", "coat")),
    )
    text = f"The price of the {thing} was {old} euros and has risen {{}} {new} euros."
    return Pair(text, ("by", "to"), f"How many euros does the {thing} cost now?", (old + new, new))


def exception(rng: Random) -> Pair:
    """Including and except."""
    a, got = (
        rng.choice(NAMES),
        rng.choice(("got a letter", "paid the fee", "passed the test", "saw the film")),
    )
    verb = {"got": "get", "paid": "pay", "passed": "pass", "saw": "see"}[got.split()[0]]
    asked = f"Did {a} {verb} {got.partition(' ')[2]}?"
    return Pair(f"Everybody in the group, {{}} {a}, {got}.", ("including", "except"), asked, ("yes", "no"))


def bound(rng: Random) -> Pair:
    """At least and at most."""
    n, (place, people) = rng.randint(4, 20), rng.choice(_PLACES)
    few = rng.random() < 0.5
    number = rng.randint(2, n - 1) if few else rng.randint(n + 1, 2 * n)
    asked = f"May a group of {number} {people} use it?"
    return Pair(
        f"{place} is for groups of at {{}} {n} {people}.",
        ("most", "least"),
        asked,
        ("yes", "no") if few else ("no", "yes"),
    )


def negation(rng: Random) -> Pair:
    """Now and not."""
    day, (place, asked) = rng.choice(_DAYS), rng.choice(_OPEN)
    return Pair(f"The {place} is {{}} open on {day}s.", ("always", "never"), asked.format(day), ("yes", "no"))


def until(rng: Random) -> Pair:
    """Until and from."""
    hour, place = rng.randint(9, 18), rng.choice(("shop", "office", "pool", "bank", "gate", "kitchen"))
    late = rng.random() < 0.5
    asked = f"Is the {place} closed at {hour + 2 if late else hour - 2}:00?"
    return Pair(
        f"The {place} is closed {{}} {hour}:00.",
        ("after", "before"),
        asked,
        ("yes", "no") if late else ("no", "yes"),
    )


_BROKEN = (
    ("eggs", "broken", "whole"), ("seats", "taken", "free"), ("lamps", "on", "off"), ("doors", "open", "closed"),
    ("cups", "full", "empty"), ("tickets", "sold", "left"),
)  # fmt: skip
_THINGS = ("coins", "stamps", "books", "shells", "cards", "marbles")
_PLACES = (
    ("The boat", "people"), ("The hut", "guests"), ("The big table", "people"), ("The tour", "visitors"),
    ("The game", "players"), ("The room", "students"),
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_OPEN = (
    ("bakery", "Can one buy bread there on a {}?"), ("pool", "Can one swim there on a {}?"),
    ("library", "Can one borrow a book there on a {}?"), ("museum", "Can one visit it on a {}?"),
    ("cinema", "Can one see a film there on a {}?"), ("bank", "Can one go in on a {}?"),
)  # fmt: skip
WHO: tuple[Kind, ...] = (order, comparison, parcel)
HOW_MANY: tuple[Kind, ...] = (whole_eggs, more_or_fewer, unit, by_or_to)
YES_OR_NO: tuple[Kind, ...] = (exception, bound, negation, until)
PASSING = (
    "The weather was mild that week.", "The street was quiet as usual.", "A dog slept near the door.",
    "The radio played in the next room.", "Somebody had left a window open.", "The tea was still warm.",
    "The old clock on the wall had stopped.", "There was a smell of fresh paint.", "Two bicycles leaned on the wall.",
    "The lamp above the table was new.", "Leaves lay all over the path.", "The bus had been a little late.",
)  # fmt: skip
"""Sentences that say nothing about the question."""
