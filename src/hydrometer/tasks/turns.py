"""Turns of a conversation: facts with their corrections, promises of the assistant, standing orders, small talk."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from random import Random
from typing import Any, NamedTuple

from hydrometer.tasks.common import load_table
from hydrometer.tasks.recall import ASK, NOTED, TOLD


class Turn(NamedTuple):
    """What is said, what is answered, and the standing order that comes with it."""

    said: str
    answered: str
    order: dict[str, Any] | None = None


class Core(NamedTuple):
    """What a question is about: its turns in their order, the question, all answers, and the right one."""

    turns: list[Turn]
    asked: str
    options: Sequence[str]
    gold: str


def told(key: str, values: Sequence[str]) -> list[Turn]:
    """A fact, corrected as often as there are further values."""
    said = [TOLD[key][0].format(value) for value in values]
    correcting = [said[0], *(f"Sorry, that was wrong. {text}" for text in said[1:])]
    # No two acknowledgements are alike: a small model repeats the turn before it.
    return [
        Turn(text, noted.format(value)) for text, noted, value in zip(correcting, NOTED, values, strict=False)
    ]


def fact(rng: Random, key: str, number: int) -> Core:
    """A fact that was told `number` times, each time with another value."""
    values = rng.sample(TOLD[key][1], number)
    return Core(told(key, values), ASK[key], TOLD[key][1], values[-1])


def promise(rng: Random) -> Core:
    """A choice that the assistant made itself."""
    row = rng.choice(table()["promises"])
    gold = rng.choice(row["values"])
    return Core([Turn(row["asked"], row["promised"].format(gold))], row["later"], row["values"], gold)


def order_turn(order: dict[str, Any]) -> Turn:
    """A standing order of the user, and the assistant's consent."""
    return Turn(f"From now on, {order['say']}.", "I will do that.", order)


def shaped(text: str, order: dict[str, Any] | None) -> str:
    """Return a text in the form that an order wants, as it is without one."""
    dressed = order["shape"].format(text) if order else text
    return dressed.upper() if order and order["rule"]["check"] == "uppercase" else dressed


@cache
def table() -> dict[str, Any]:
    """Return the promises, the orders and the small talk."""
    return dict(load_table("conversation.json"))
