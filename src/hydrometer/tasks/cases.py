"""The grader cases that every task has: right, wrong, empty, refusal, and the prompt echoed back."""

from __future__ import annotations

from hydrometer.items import Item
from hydrometer.outcomes import Status
from hydrometer.tasks.base import GraderCase

REFUSAL = "I'm sorry, but I can't help with that request."


def case(name: str, item: Item, reply: str, value: float | None) -> GraderCase:
    """Return a case: graded with `value`, or unparsed if that is None."""
    status = Status.UNPARSED if value is None else Status.GRADED
    return GraderCase(name=name, item=item, reply=reply, status=status, value=value)


def common_cases(
    item: Item, *, right: str, wrong: str, refusal: float | None, echo: float | None
) -> list[GraderCase]:
    """Return the five common cases.

    Args:
        item: The item they answer.
        right: A reply that is right.
        wrong: A reply that answers and is wrong.
        refusal: Grade of a refusal that reached the grader; never 1.
        echo: Grade of the last user turn given back; never 1.
    """
    return [
        case("right", item, right, 1.0),
        case("wrong", item, wrong, 0.0),
        case("empty", item, "", None),
        case("refusal", item, REFUSAL, refusal),
        case("template_echo", item, item.messages[-1].content, echo),
    ]
