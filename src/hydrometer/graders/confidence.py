"""Take apart a reply that was asked for an answer and for how sure it is."""

from __future__ import annotations

import re

from hydrometer.letters import contains_any, lowered

VERSION = 1

_LOOK = 4000
"""How much of the end of a reply is read: the percentage is asked for last."""

_NUMBER = r"(?P<{0}>\d{{1,3}}(?:\.\d{{1,40}})?)"
_STATED = re.compile(
    # The word first: a confidence of 85 percent, of 0.85, a certainty of 9 out of 10.
    rf"\b(?:confidence|certainty)\b(?:\s+(?:level|score|rating|in (?:my|this) answer))?[*_\s]*"
    rf"(?:is|of|at|[:=(-]|\s){{0,3}}[*_\s<\[]*(?:about |around |approximately |roughly |~ ?)?{_NUMBER.format('a')}"
    rf"[>\]]?\s*(?P<unit_a>%|percent\b|per cent\b|/\s*100?\b|out of 100?\b)?"
    # The number first, and a word of how sure; any other percentage is none of confidence, unless a line is only that.
    rf"|{_NUMBER.format('b')}\s*(?P<unit_b>%|percent\b|per cent\b)\s+(?:confiden\w+|sure|certain\w*)"
    rf"|^[*_\s]*{_NUMBER.format('c')}\s*(?P<unit_c>%|percent\b|per cent\b)[*_.\s]*$",
    re.IGNORECASE | re.MULTILINE,
)


_SIGNS = ("confidence", "certain", "%", "percent", "per cent")
"""One of them stands in every statement."""


def split_confidence(reply: str) -> tuple[str, float | None]:
    """Return a reply without what it says of its confidence, and that confidence in 0..1.

    The last statement counts. A bare number is a percentage, a decimal fraction up to 1 a share ("0.85"), and "9 out
    of 10" nine tenths. None where none is stated, or one beyond 100 %.

    Args:
        reply: The answer text.
    """
    head, tail = reply[:-_LOOK], reply[-_LOOK:]
    found = list(_STATED.finditer(tail)) if contains_any(lowered(tail), _SIGNS) else []
    if not found:
        return reply, None
    rest = _STATED.sub(" ", tail)
    return (head + rest).strip(), _share(found[-1])


def _share(match: re.Match[str]) -> float | None:
    text = match["a"] or match["b"] or match["c"]
    unit = (match["unit_a"] or match["unit_b"] or match["unit_c"] or "").replace(" ", "").lower()
    value = float(text)
    if unit in {"/10", "outof10"}:
        value /= 10.0
    elif unit or not ("." in text and value <= 1.0):
        value /= 100.0
    return value if value <= 1.0 else None
