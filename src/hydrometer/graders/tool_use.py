"""Judge what a reply does with offered tools: the right call, a question, the use of a result, or an answer without."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from hydrometer.graders.numbers import final_number, find_numbers
from hydrometer.graders.text import normalise
from hydrometer.outcomes import Grade
from hydrometer.templates.tool_calls import CallState, ToolReply
from hydrometer.templates.tools import ToolCall

VERSION = 1

_ASKS = re.compile(
    r"\?|\b(?:please (?:tell|give|specify|provide|let)|let me know|could you|can you|need(?:ed)? to know|i need|missing"
    r"|specify|provide|which|what)\b",
    re.IGNORECASE,
)


def grade_call(found: ToolReply, wanted: ToolCall) -> Grade:
    """Grade a reply that had to make one call: name and arguments must be equal, optional ones left out included."""
    if found.state is not CallState.VALID:
        return Grade.wrong(found.state.value, found.fault or "no call")
    if len(found.calls) > 1:
        return Grade.wrong(_shown(found.calls), f"{len(found.calls)} calls where one was needed")
    call = found.calls[0]
    if call.name != wanted.name:
        return Grade.wrong(_shown(found.calls), f"expected {wanted.name}")
    fault = _difference(call.arguments, wanted.arguments)
    return Grade.wrong(_shown(found.calls), fault) if fault else Grade.right(_shown(found.calls))


def grade_question(found: ToolReply, reply: str, words: Sequence[str]) -> Grade:
    """Grade a reply that had to ask for what is missing: no call, and a question with one of some words."""
    if found.state is not CallState.NONE:
        return Grade.wrong(_shown(found.calls) or found.state.value, "called, though something was missing")
    if not _ASKS.search(reply):
        return Grade.wrong("", "neither called nor asked")
    named = next((word for word in words if word in reply.lower()), "")
    return Grade.right(named) if named else Grade.wrong("", f"asks, but not for {words[0]}")


def grade_used(found: ToolReply, reply: str, value: float) -> Grade:
    """Grade a reply that had to tell a number from a tool's result: the number it ends with, or the only ones."""
    if found.state is not CallState.NONE:
        return Grade.wrong(_shown(found.calls) or found.state.value, "called again, though the result was there")
    wanted = Decimal(str(value))
    numbers = find_numbers(reply)
    if not numbers:
        return Grade.wrong("", "no number of the result in the answer")
    if wanted in numbers and len(set(numbers)) <= 3:
        return Grade.right(str(value))
    return Grade.wrong(str(numbers[-1]), f"expected {value}")


def grade_direct(found: ToolReply, reply: str, answer: str, options: Sequence[str]) -> Grade:
    """Grade a reply that had to answer without any tool.

    Args:
        found: Its calls.
        reply: The reply.
        answer: The right answer, a number or one of the options.
        options: All answers that the question allows; empty for a number.
    """
    if found.state is not CallState.NONE:
        return Grade.wrong(_shown(found.calls) or found.state.value, "called, though no tool fits")
    if not options:
        number = final_number(reply)
        return Grade.right(answer) if number == Decimal(answer) else Grade.wrong(str(number), f"expected {answer}")
    plain = f" {normalise(reply)} "
    named = [option for option in options if f" {normalise(option)} " in plain]
    # The question's own word may come up beside the answer; a list of them all is no answer.
    if answer in named and len(named) <= 2:
        return Grade.right(answer)
    return Grade.wrong(", ".join(named[:3]), f"expected {answer}")


def _difference(given: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Say where arguments differ, `""` if nowhere; an explicit null is an argument left out."""
    present = {key: value for key, value in given.items() if value is not None}
    for key, value in wanted.items():
        if key not in present:
            return f"{key} is left out"
        if not _same(present[key], value):
            return f"{key} is {_short(present[key])}, expected {_short(value)}"
    extra = next((key for key in present if key not in wanted), "")
    return f"{extra} was not asked for" if extra else ""


def _same(given: Any, wanted: Any) -> bool:
    if isinstance(wanted, bool) or isinstance(given, bool):
        return given is wanted
    if isinstance(wanted, str):
        return isinstance(given, str) and given.strip().casefold() == wanted.casefold()
    if isinstance(wanted, list):
        rest = list(given) if isinstance(given, list) else []
        return len(rest) == len(wanted) and all(any(_same(g, w) for g in rest) for w in wanted)
    if isinstance(wanted, Mapping):
        return isinstance(given, Mapping) and not _difference(given, wanted)
    return isinstance(given, int | float) and given == wanted


def _shown(calls: Sequence[ToolCall]) -> str:
    return "; ".join(f"{call.name}({_short(call.arguments)})" for call in calls[:2])


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else text[:117] + "..."
