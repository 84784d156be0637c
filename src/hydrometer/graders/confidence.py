"""Read how sure a reply says it is, apart from whether it is right."""

from __future__ import annotations

import re
from typing import NamedTuple

from hydrometer.outcomes import Grade

VERSION = 1

SEPARATOR = " | "
"""Between answer and confidence in what a grade has extracted."""

_LOOK = 2000
_NUMBER = r"(?<![\d.])(\d{1,3}(?:\.\d{1,3})?)(?![\d.]*\d)\s*(%|percent\b|/\s*100\b|out of 100\b)?"
_WORD = r"(?:confiden(?:ce|t)|certain(?:ty)?|sure|probability|likelihood)"
_BEHIND = re.compile(
    rf"\b{_WORD}\b(?:[ \t]+(?:level|score|in percent|is|of|about|around|that)\b)*[^\w\n]{{0,9}}{_NUMBER}",
    re.IGNORECASE,
)
_BEFORE = re.compile(rf"{_NUMBER}[ \t*]{{0,9}}{_WORD}\b", re.IGNORECASE)
_PERCENT = re.compile(r"(?<![\d.])(\d{1,3}(?:\.\d{1,3})?)\s*(%|percent\b)", re.IGNORECASE)


class Stated(NamedTuple):
    """What one reply claims and what it was worth; the arguments of `stats.calibration`, one item at a time.

    Attributes:
        confidence: Stated confidence in 0..1.
        right: Whether the answer was right.
    """

    confidence: float
    right: bool


def split_confidence(reply: str) -> tuple[str, float | None]:
    """Return a reply without its last statement of confidence, and the confidence in 0..1, None without any."""
    head, tail = reply[:-_LOOK], reply[-_LOOK:]
    for pattern in (_BEHIND, _BEFORE, _PERCENT):
        found = list(pattern.finditer(tail))
        if found:
            match = found[-1]
            return f"{head}{tail[: match.start()]}\n{tail[match.end() :]}", _share(match[1], match[2])
    return reply, None


def with_confidence(grade: Grade, confidence: float | None) -> Grade:
    """Return a grade that also keeps the stated confidence, in percent: `42 | 80`; `42 | ?` where none was stated.

    A missing confidence is no wrong answer, and makes none.
    """
    if grade.value is None:
        return grade
    said = "?" if confidence is None else f"{100.0 * confidence:g}"
    return Grade(
        status=grade.status,
        value=grade.value,
        extracted=f"{grade.extracted}{SEPARATOR}{said}",
        reason=grade.reason,
    )


def stated(grade: Grade) -> Stated | None:
    """Return what a grade of `with_confidence` says, None where there is no answer or no confidence."""
    said = grade.extracted.rpartition(SEPARATOR)[2]
    if grade.value is None or not re.fullmatch(r"\d{1,3}(?:\.\d+)?", said):
        return None
    return Stated(confidence=float(said) / 100.0, right=grade.value == 1.0)


def _share(digits: str, unit: str | None) -> float | None:
    number = float(digits)
    # "Confidence: 0.9" is a share, "Confidence: 1" is one percent of a model that was asked for percent.
    if not unit and "." in digits and number <= 1.0:
        return number
    return number / 100.0 if number <= 100.0 else None
