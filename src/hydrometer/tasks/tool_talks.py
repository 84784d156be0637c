"""Conversations about tools, one maker for each kind of question."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from hydrometer.items import Message
from hydrometer.tasks.tool_sets import DAYS, Tool, spoken
from hydrometer.templates.tools import ToolCall, answered, called

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


class Talk(NamedTuple):
    """A conversation and what a grader needs to know."""

    turns: tuple[Message, ...]
    answer: dict[str, Any]


def _request(rng: Random, tool: Tool, left_out: str = "") -> tuple[str, dict[str, Any]]:
    """Return what a user says, and the arguments that it gives."""
    given = {name: p.draw(rng) for name, p in tool.parameters.items() if not p.optional or rng.random() < 0.4}
    given.pop(left_out, None)
    words = [tool.request, *(spoken(tool.parameters[name], value) for name, value in given.items())]
    return f"{' '.join(words)}.", given


def _call(rng: Random, tool: Tool) -> Talk:
    text, given = _request(rng, tool)
    return Talk((Message("user", text),), {"name": tool.name, "arguments": given})


def _missing(rng: Random, tool: Tool) -> Talk:
    name = rng.choice([name for name, parameter in tool.parameters.items() if not parameter.optional])
    text, _ = _request(rng, tool, name)
    return Talk((Message("user", text),), {"words": [*tool.parameters[name].asked, name]})


def _correction(rng: Random, tool: Tool) -> Talk:
    text, given = _request(rng, tool)
    name = rng.choice([name for name, parameter in tool.parameters.items() if not parameter.optional])
    other = given[name]
    while other == given[name]:
        other = tool.parameters[name].draw(rng)
    wrong = f"Sorry, my mistake: I meant {spoken(tool.parameters[name], other)}. Everything else stays. Do it again."
    turns = (
        Message("user", text),
        called(ToolCall(tool.name, given)),
        answered(tool.name, tool.result(rng)),
        Message("assistant", "Done."),
        Message("user", wrong),
    )
    return Talk(turns, {"name": tool.name, "arguments": {**given, name: other}})


def _result(rng: Random, tool: Tool) -> Talk:
    text, given = _request(rng, tool)
    result = tool.result(rng)
    turns = (
        Message("user", f"{text} {tool.question}"),
        called(ToolCall(tool.name, given)),
        answered(tool.name, result),
    )
    return Talk(turns, {"value": result[tool.wanted]})


def _no_tool(rng: Random, _tool: Tool) -> Talk:
    number = rng.randrange(3)
    if number == 0:
        a, b = rng.randint(11, 88), rng.randint(11, 88)
        return Talk((Message("user", f"What is {a} plus {b}?"),), {"answer": str(a + b), "options": []})
    names, what = ((DAYS, "day of the week"), (_MONTHS, "month"))[number - 1]
    place, step = rng.randrange(len(names)), rng.choice((1, 2, -1, -2))
    where = {1: "right after", 2: "two after", -1: "right before", -2: "two before"}[step]
    asked = f"Which {what} comes {where} {names[place]}?"
    answer = names[(place + step) % len(names)]
    return Talk((Message("user", asked),), {"answer": answer, "options": list(names)})


TALKS: dict[str, Callable[[Random, Tool], Talk]] = {
    "call": _call,
    "missing parameter": _missing,
    "correction": _correction,
    "result": _result,
    "no tool": _no_tool,
}
"""Makers by kind of question, in the order in which they take turns."""
