"""Problems for code: each draws its constants and its twist, and carries a reference that computes what is expected."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from hydrometer.tasks.code_algorithms import ALGORITHM
from hydrometer.tasks.code_sketches import LOOP, ONE_LINE, Call, Sketch

PROBLEMS: dict[str, tuple[Callable[[Random], Sketch], ...]] = {
    "one line": ONE_LINE,
    "loop": LOOP,
    "algorithm": ALGORITHM,
}
"""Families of problems by tier."""

TIERS = tuple(PROBLEMS)
CALLS = 10
"""Calls that a reply is judged by, besides the example in the question."""

_VERBS = ("compute", "find", "make", "get", "derive", "build")
_WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "iris", "juniper", "kelp", "lotus")


class Drawn(NamedTuple):
    """A problem ready to be asked.

    Attributes:
        function: Name of the function.
        arguments: Names of its arguments.
        statement: What it does.
        source: The reference.
        calls: Arguments of each call.
        results: What each returns.
        example: Arguments of the example in the question, which is no call.
        shown: What the example returns.
    """

    function: str
    arguments: tuple[str, ...]
    statement: str
    source: str
    calls: list[Call]
    results: list[Any]
    example: Call
    shown: Any


def draw_problem(family: Callable[[Random], Sketch], rng: Random) -> Drawn:
    """Draw a problem of a family, with its calls and what they return."""
    sketch = family(rng)
    function = f"{rng.choice(_VERBS)}_{rng.choice(_WORDS)}"
    source = f"def {function}({', '.join(sketch.arguments)}):\n{sketch.body}"
    space: dict[str, Any] = {}
    exec(compile(source, "<reference>", "exec"), space)  # noqa: S102 - our own text, from this file
    calls: list[Call] = []
    number = 0
    while len(calls) <= CALLS and number < 20 * CALLS:
        call = sketch.inputs(rng, number)
        number += 1
        if call not in calls:
            calls.append(call)
    # The example is an ordinary case: the edges come first and stay hidden.
    example = calls.pop()
    results = [space[function](*[_copy(value) for value in call]) for call in calls]
    shown = space[function](*[_copy(value) for value in example])
    return Drawn(function, sketch.arguments, sketch.statement, source, calls, results, example, shown)


def _copy(value: Any) -> Any:
    return [_copy(part) for part in value] if isinstance(value, list) else value
