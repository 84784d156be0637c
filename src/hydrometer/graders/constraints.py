"""Constraints on the form of a reply that a program can verify.

A constraint is a JSON object: `check` names a function of this module, the other keys are its parameters. Words
are runs of letters, digits, apostrophes and hyphens. Blanks around a reply never matter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hydrometer.outcomes import Grade

VERSION = 1

Constraint = Mapping[str, Any]
"""`{"check": "max_words", "number": 12}`"""

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_CLOSING = " \n\t.!?\"'”’*"


def max_words(reply: str, *, number: int) -> bool:
    """At most `number` words."""
    return len(_WORD.findall(reply)) <= number


def includes(reply: str, *, word: str) -> bool:
    """The word occurs, as a whole word, in any case; a plural is another word."""
    return word.casefold() in _words(reply)


def lacks_commas(reply: str) -> bool:
    """There is no comma."""
    return "," not in reply


def starts_with(reply: str, *, phrase: str) -> bool:
    """The reply begins with the phrase, in any case; an opening quote or emphasis before it is tolerated."""
    return reply.strip().lstrip("\"'“‘* ").casefold().startswith(phrase.casefold())


def ends_with(reply: str, *, phrase: str) -> bool:
    """The reply ends with the phrase, in any case; a full stop, quote or the like behind it is tolerated."""
    return reply.rstrip(_CLOSING).casefold().endswith(phrase.rstrip(_CLOSING).casefold())


def lowercase(reply: str) -> bool:
    """There are letters, and none is a capital."""
    return reply != reply.upper() and reply == reply.lower()


def uppercase(reply: str) -> bool:
    """There are letters, and all are capitals."""
    return reply != reply.lower() and reply == reply.upper()


def only(reply: str, *, words: list[str]) -> bool:
    """The reply is one of the words and nothing else, case and closing punctuation aside."""
    return reply.strip(_CLOSING).casefold() in {word.casefold() for word in words}


CHECKS: dict[str, Callable[..., bool]] = {
    check.__name__: check
    for check in (
        ends_with, includes, lacks_commas, lowercase, max_words, only, starts_with, uppercase,
    )
}  # fmt: skip
"""All checks by name."""


def holds(reply: str, constraint: Constraint) -> bool:
    """Whether a reply meets one constraint."""
    parameters = {key: value for key, value in constraint.items() if key != "check"}
    return CHECKS[constraint["check"]](reply, **parameters)


def grade_constraints(reply: str, constraints: Iterable[Constraint], prompt: str = "") -> Grade:
    """Grade a reply: right only if every constraint holds, unparsed only if it is empty.

    Args:
        reply: The reply.
        constraints: What must hold of it.
        prompt: The request. It names what it asks for, so a reply that repeats it could hold by accident.
    """
    if not reply.strip():
        return Grade.unparsed("empty reply")
    if prompt and prompt.strip() in reply:
        return Grade.wrong(reason="repeats the request")
    broken = [str(constraint["check"]) for constraint in constraints if not holds(reply, constraint)]
    return Grade.wrong(reason=f"breaks {', '.join(broken)}") if broken else Grade.right()


def _words(text: str) -> set[str]:
    return {word.casefold().replace("’", "'") for word in _WORD.findall(text)}
