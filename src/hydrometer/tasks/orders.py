"""Orders in words, the JSON schema that their facts are to follow, and these facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from hydrometer.tasks.json_output import CITIES, NAMES

Order = Callable[[Random], tuple[str, dict[str, Any], dict[str, Any]]]
"""Draws a text, a schema, and the one value of the schema that says what the text says."""

COLOURS = ("red", "blue", "green", "white", "black")
THINGS = ("lamp", "chair", "table", "shelf", "mirror", "carpet")
WAYS = ("post", "courier", "pickup")


def flat(rng: Random) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """One thing ordered."""
    who, gift = rng.choice(NAMES), rng.random() < 0.5
    thing = _thing(rng)
    text = f"{who} orders {_said(thing)}. It is {'' if gift else 'not '}a gift."
    rules = {"customer": {"type": "string"}, **_THING, "gift": {"type": "boolean"}}
    return text, _object(rules), {"customer": who, **thing, "gift": gift}


def listed(rng: Random) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Two or three things ordered."""
    who, number = rng.choice(NAMES), rng.randint(10, 99)
    things = [_thing(rng) for _ in range(rng.randint(2, 3))]
    text = f"Order A-{number}: {who} orders {', '.join(map(_said, things[:-1]))} and {_said(things[-1])}."
    rules = {
        "order": {"type": "string", "pattern": "^A-[0-9]{2}$"},
        "customer": {"type": "string"},
        "things": {"type": "array", "minItems": 2, "items": _object(_THING)},
    }
    return text, _object(rules), {"order": f"A-{number}", "customer": who, "things": things}


def nested(rng: Random) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """A thing and its delivery."""
    who, city, way, days = rng.choice(NAMES), rng.choice(CITIES), rng.choice(WAYS), rng.randint(1, 9)
    thing = _thing(rng)
    text = f"{who} orders {_said(thing)}, to be sent to {city} by {way} within {days} {'day' if days == 1 else 'days'}."
    delivery = {
        "city": {"type": "string"},
        "way": {"enum": list(WAYS)},
        "days": {"type": "integer", "minimum": 1, "maximum": 9},
    }
    rules = {"customer": {"type": "string"}, "thing": _object(_THING), "delivery": _object(delivery)}
    return text, _object(rules), {
        "customer": who, "thing": thing, "delivery": {"city": city, "way": way, "days": days},
    }  # fmt: skip


_THING: dict[str, Any] = {
    "thing": {"enum": list(THINGS)},
    "colour": {"enum": list(COLOURS)},
    "count": {"type": "integer", "minimum": 1},
}


def _thing(rng: Random) -> dict[str, Any]:
    return {"thing": rng.choice(THINGS), "colour": rng.choice(COLOURS), "count": rng.randint(1, 12)}


def _said(thing: Mapping[str, Any]) -> str:
    word = thing["thing"] if thing["count"] == 1 else {"shelf": "shelves"}.get(thing["thing"], f"{thing['thing']}s")
    return f"{thing['count']} {thing['colour']} {word}"


def _object(rules: Mapping[str, Any]) -> dict[str, Any]:
    """A schema of an object with just these keys."""
    return {"type": "object", "properties": dict(rules), "required": list(rules), "additionalProperties": False}


ORDERS: dict[str, Order] = {"flat": flat, "list": listed, "nested": nested}
"""Kinds of orders by tier."""
