"""Answers about the files around the weights, each with the values that decide it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Answer = Literal["unsafe", "confirmed", "contradicted", "insufficient", "not testable from files"]

WORST: tuple[Answer, ...] = ("unsafe", "contradicted", "insufficient", "confirmed", "not testable from files")
"""The order in which one answer outweighs others; what files cannot tell outweighs nothing."""
_SHOWN = 6
"""Findings that an answer in words names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was compared.

    Attributes:
        name: What was compared, such as `thinking switch`.
        answer: Whether the student has what the base has.
        text: The finding in words.
        base: The value that decides on the base's side.
        student: The same of the student.
    """

    name: str
    answer: Answer
    text: str
    base: str = ""
    student: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """Something in the recipe that has gone wrong for others; files do not show whether it did here.

    Attributes:
        name: Kind of risk, such as `length filter`.
        text: What is named where, and what is known about it.
        file: The file that names it.
        line: Line in that file, from 1.
        quote: What stands there.
    """

    name: str
    text: str
    file: str
    line: int
    quote: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One question about the files around the weights.

    Attributes:
        name: `tokenizer`, `template`, `template safety`, `settings`, `chain`, `licence` or `recipe`.
        answer: The verdict word.
        text: The answer in words, with the value that decides it.
        findings: What was compared.
    """

    name: str
    answer: Answer
    text: str
    findings: tuple[Finding, ...] = ()


def topic(name: str, findings: Sequence[Finding], otherwise: str) -> Topic:
    """Sum findings up: the worst answer, and the words of those that gave it.

    Args:
        name: Name of the question.
        findings: What was compared.
        otherwise: What to say where nothing could be compared.
    """
    for answer in WORST:
        mine = [finding for finding in findings if finding.answer == answer]
        if mine:
            shown = "; ".join(finding.text for finding in mine[:_SHOWN])
            more = f"; and {len(mine) - _SHOWN} more" if len(mine) > _SHOWN else ""
            return Topic(name=name, answer=answer, text=shown + more, findings=tuple(findings))
    return Topic(name=name, answer="not testable from files", text=otherwise)


def quoted(text: str, most: int = 120) -> str:
    """Return a text of a stranger's for one line of output: escaped, and cut where it is long."""
    shown = text if len(text) <= most else text[: most - 3] + "..."
    return repr(shown)
