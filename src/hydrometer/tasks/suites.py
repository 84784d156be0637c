"""Suites: named sizes of an audit. A smaller suite's items are the first items of a larger one."""

from __future__ import annotations

from dataclasses import dataclass

from hydrometer.errors import UnknownNameError


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A named size.

    Attributes:
        name: Its name.
        summary: One line for tables.
        items: Task name to its number of items; a task with fewer gives all it has.
    """

    name: str
    summary: str
    items: dict[str, int]


_TASKS = (
    "knowledge_facts",
    "commonsense",
    "arithmetic",
    "word_problems",
    "ordering",
    "constraints",
    "system_prompt",
    "json_output",
    "recall",
    "needle",
    "copying",
    "nuance",
    "honesty",
    "conversation",
    "context_conflict",
    "tool_calls",
    "code_functions",
    "long_chains",
    "competition_math",
    "languages",
    "confidence",
    "harmless_requests",
    "harmful_requests",
)
_LONG = ("aggregation", "long_retrieval")
"""Contexts of up to 32k tokens: a window that most machines without a GPU have no time for."""

TYPICAL_TOKENS = {
    "arithmetic": 33,
    "word_problems": 67,
    "ordering": 31,
    "constraints": 31,
    "system_prompt": 33,
    "json_output": 27,
    "recall": 33,
    "needle": 28,
    "copying": 45,
    "nuance": 48,
    "honesty": 29,
    "conversation": 28,
    "context_conflict": 44,
    "tool_calls": 88,
    "code_functions": 72,
    "long_chains": 59,
    "competition_math": 95,
    "languages": 52,
    "confidence": 52,
    "harmless_requests": 64,
    "harmful_requests": 154,
    "aggregation": 69,
    "long_retrieval": 24,
}
"""Mean reply tokens of the bundled pair, which does not think; a model that does may take thousands.

Over the quick suite's items, and over four to 48 items of the tasks that it has not.
"""

SUITES: dict[str, Suite] = {
    "quick": Suite(
        name="quick",
        summary="large losses, in minutes on two cores",
        items={
            "knowledge_facts": 20,
            "commonsense": 16,
            "arithmetic": 16,
            "word_problems": 12,
            "ordering": 10,
            "constraints": 14,
            "system_prompt": 12,
            "json_output": 20,
            "recall": 12,
            "needle": 6,
            "copying": 32,
        },
    ),
    "standard": Suite(
        name="standard", summary="differences of some points", items=dict.fromkeys(_TASKS, 300)
    ),
    "full": Suite(
        name="full",
        summary="equivalence within three points, and long contexts",
        items=dict.fromkeys((*_TASKS, *_LONG), 1500),
    ),
}


def suite(name: str) -> Suite:
    """Return a suite by its name.

    Raises:
        UnknownNameError: There is no such suite.
    """
    if name not in SUITES:
        raise UnknownNameError.among("suite", name, SUITES)
    return SUITES[name]
