"""Tools that are offered in questions, what is said about each parameter, and what the tools that look things up give.

A tool is a dictionary like those of `templates.tools`. Everything that a call needs is said in words that determine
its value, so that one call is right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, NamedTuple

from hydrometer.tasks.common import NAMES

CITIES = ("Lyon", "Bergen", "Porto", "Graz", "Kyoto", "Leeds", "Quito", "Cork", "Turin", "Malmo")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class Parameter(NamedTuple):
    """A parameter and how it comes up in a conversation.

    Attributes:
        schema: Its JSON schema.
        draw: Makes a value.
        said: How a user states the value: `{}` stands for it.
        asked: Words of which a question for it holds at least one.
        optional: Whether a call may leave it out.
    """

    schema: Mapping[str, Any]
    draw: Callable[[Random], Any]
    said: str
    asked: tuple[str, ...]
    optional: bool = False


class Tool(NamedTuple):
    """A tool.

    Attributes:
        name: Its name.
        summary: What it does.
        request: How a user asks for it; the parameters' words follow.
        parameters: Its parameters.
        wanted: Field of the result that a user wants to know, `""` for tools that act.
        result: Makes the result, a number in each field.
        question: How a user asks for the wanted field.
    """

    name: str
    summary: str
    request: str
    parameters: Mapping[str, Parameter]
    wanted: str = ""
    result: Callable[[Random], dict[str, Any]] = lambda _: {"status": "done"}
    question: str = ""

    @property
    def schema(self) -> dict[str, Any]:
        """The tool as it is offered."""
        required = [name for name, parameter in self.parameters.items() if not parameter.optional]
        properties = {name: dict(parameter.schema) for name, parameter in self.parameters.items()}
        parameters = {"type": "object", "properties": properties, "required": required}
        return {"name": self.name, "description": self.summary, "parameters": parameters}


def spoken(parameter: Parameter, value: Any) -> str:
    """Return a value as a user says it."""
    if isinstance(value, dict):
        return parameter.said.format(**value)
    return parameter.said.format(" and ".join(map(str, value)) if isinstance(value, list) else value)


def _text(about: str) -> dict[str, Any]:
    return {"type": "string", "description": about}


def _one_of(options: tuple[str, ...], about: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(options), "description": about}


def _whole(about: str) -> dict[str, Any]:
    return {"type": "integer", "description": about}


def _pick(options: tuple[Any, ...]) -> Callable[[Random], Any]:
    return lambda rng: rng.choice(options)


def _between(low: int, high: int) -> Callable[[Random], int]:
    return lambda rng: rng.randint(low, high)


def _person(rng: Random) -> dict[str, str]:
    return {"name": rng.choice(NAMES), "city": rng.choice(CITIES)}


_PERSON = {
    "type": "object",
    "description": "Who gets it",
    "properties": {"name": _text("First name"), "city": _text("City")},
    "required": ["name", "city"],
}
_FLAG = {"type": "boolean", "description": "Only if it is asked for"}
_ROOMS, _MONEY = ("kitchen", "bedroom", "office", "garage"), ("EUR", "USD", "GBP", "JPY")
_MEALS, _PARTS = ("breakfast", "lunch", "dinner"), ("morning", "afternoon", "evening")

TOOLS: tuple[Tool, ...] = (
    Tool(
        "book_table",
        "Book a table in a restaurant.",
        "Please book a table",
        {
            "restaurant": Parameter(
                _text("Name of the restaurant"),
                _pick(("Aurora", "Basilico", "Caravel", "Delphi", "Estrella")), "at the restaurant {}",
                ("restaurant", "where", "place"),
            ),
            "day": Parameter(_one_of(DAYS, "Day of the week"), _pick(DAYS), "on {}", ("day", "when", "date")),
            "people": Parameter(
                _whole("Number of guests"), _between(2, 9), "for {} people",
                ("people", "guests", "many", "persons", "party", "size"),
            ),
            "outdoors": Parameter(_FLAG, _pick((True,)), "outdoors", ("outdoors", "outside"), optional=True),
        },
    ),
    Tool(
        "send_parcel",
        "Send a parcel to a person.",
        "Please send a parcel",
        {
            "recipient": Parameter(
                _PERSON, _person, "to {name} in {city}", ("who", "recipient", "address", "whom", "name", "where")
            ),
            "weight_kg": Parameter(
                _whole("Weight in kilograms"), _between(2, 30), "weighing {} kg", ("weigh", "heavy", "kg", "kilogram")
            ),
            "insured": Parameter(_FLAG, _pick((True,)), "with insurance", ("insur",), optional=True),
        },
    ),
    Tool(
        "create_event",
        "Put an event into the calendar.",
        "Please put an event into my calendar",
        {
            "title": Parameter(
                _text("Title"), _pick(("Budget review", "Team lunch", "Roof repair", "Choir practice")), 'called "{}"',
                ("title", "call", "name", "event about"),
            ),
            "day": Parameter(_one_of(DAYS, "Day of the week"), _pick(DAYS), "on {}", ("day", "when", "date")),
            "guests": Parameter(
                {"type": "array", "items": {"type": "string"}, "description": "First names of the guests"},
                lambda rng: rng.sample(NAMES, 2), "with {} as guests", ("who", "guest", "invite", "attend", "people"),
            ),
        },
    ),
    Tool(
        "set_heating",
        "Set the heating of a room.",
        "Please set the heating",
        {
            "room": Parameter(_one_of(_ROOMS, "Room"), _pick(_ROOMS), "in the {}", ("room", "where")),
            "celsius": Parameter(
                _whole("Degrees Celsius"), _between(14, 27), "to {} degrees Celsius",
                ("degree", "temperature", "celsius", "warm", "high"),
            ),
            "hours": Parameter(_whole("How long"), _between(2, 9), "for {} hours", ("long", "hours"), optional=True),
        },
    ),
    Tool(
        "order_meal",
        "Order a meal for the office.",
        "Please order food for the office",
        {
            "meal": Parameter(
                _one_of(_MEALS, "Which meal"), _pick(_MEALS), "for {}", ("breakfast", "lunch", "which meal")
            ),
            "portions": Parameter(
                _whole("Number of portions"), _between(3, 40), "with {} portions", ("portion", "many", "people")
            ),
            "day": Parameter(_one_of(DAYS, "Day of the week"), _pick(DAYS), "on {}", ("day", "when", "date")),
            "vegetarian": Parameter(_FLAG, _pick((True,)), "all vegetarian", ("vegetarian",), optional=True),
        },
    ),
    Tool(
        "convert_money",
        "Convert an amount of money at today's rate.",
        "Please convert",
        {
            "amount": Parameter(_whole("Amount"), _between(20, 900), "an amount of {}", ("amount", "much", "many")),
            "source": Parameter(
                _one_of(_MONEY, "Currency of the amount"), _pick(_MONEY[:2]), "from {}", ("from", "currency", "source")
            ),
            "target": Parameter(
                _one_of(_MONEY, "Wanted currency"), _pick(_MONEY[2:]), "to {}", ("currency", "into", "target")
            ),
        },
        "converted",
        lambda rng: {"fee": rng.randint(1, 9), "converted": round(rng.randint(15, 990) + rng.randint(1, 99) / 100, 2)},
        "Tell me only the converted amount.",
    ),
    Tool(
        "find_train",
        "Find the next train between two cities.",
        "Please find a train",
        {
            "origin": Parameter(
                _text("City of departure"), _pick(CITIES[:5]), "from {}", ("from", "depart", "start", "origin", "leav")
            ),
            "destination": Parameter(
                _text("City of arrival"), _pick(CITIES[5:]), "to {}", ("where", "destination", "arriv", "going")
            ),
            "part_of_day": Parameter(
                _one_of(_PARTS, "Part of the day"), _pick(_PARTS), "in the {}", ("when", "time", "part of", "morning")
            ),
            "seats": Parameter(_whole("Number of seats"), _between(2, 6), "with {} seats", ("seat",), optional=True),
        },
        "platform",
        lambda rng: {"cars": rng.randint(7, 10), "platform": rng.randint(11, 48)},
        "Tell me only from which platform it leaves.",
    ),
    Tool(
        "count_stock",
        "Count how many pieces of an article are in a warehouse.",
        "Please count the stock",
        {
            "article": Parameter(
                _text("Name of the article"), _pick(("lamps", "chairs", "tents", "kettles", "ropes")), "of {}",
                ("article", "item", "product", "goods"),
            ),
            "warehouse": Parameter(
                _text("City of the warehouse"), _pick(CITIES), "in {}", ("warehouse", "where", "city", "location")
            ),
        },
        "pieces",
        lambda rng: {"shelves": rng.randint(2, 19), "pieces": rng.randint(120, 980)},
        "Tell me only how many there are.",
    ),
)  # fmt: skip
