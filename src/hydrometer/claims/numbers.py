"""Numbers as cards write them: decimal points and commas, thousands, signs, units."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SIGN = "+\\-\u2212\u2013"
NUMBER = rf"[{_SIGN}]?\d{{1,3}}(?:[,\u202f\u00a0]\d{{3}})+(?:\.\d+)?(?!\d)|[{_SIGN}]?\d{{1,12}}(?:[.,]\d{{1,12}})?(?!\d)"
_UNIT = (
    r"(?P<percent>\s?%|\s?percent\b)|(?P<points>\s?(?:percentage points|points|pts|pp)\b)|(?P<times>\s?(?:[x\u00d7](?![\w])|times\b))"
)
# What makes a number something else than a result: sizes, versions, shots, settings, dates.
_OTHER = re.compile(
    r"\s?(?:-?shots?\b|[BMK]\b(?!\s*(?:samples|examples))|[KMGT]i?B\b|-?bits?\b|tokens?\b|tok/s|questions?\b|problems?\b|items?\b"
    r"|prompts?\b|tasks?\b|cases?\b|samples?\b|examples?\b|traces?\b|conversations?\b|pairs\b|epochs?\b|steps?\b|layers?\b|hours?\b"
    r"|minutes?\b|seconds?\b|gpus?\b|runs?\b|seeds?\b|trials?\b|bugs?\b|languages?\b|k\b|[./]\d|-\w)",
    re.IGNORECASE,
)
_FOUND = re.compile(rf"(?<![\w.@=/#-])(?P<number>{NUMBER})(?:{_UNIT})?")
_SIGNED = re.compile(rf"[{_SIGN}]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A number in a text.

    Attributes:
        start: Its place.
        end: The end of it and its unit.
        value: As written, 97.56 for `97.56 %`.
        digits: Decimals it is written with.
        unit: `%`, `points`, `x`, or `""`.
        signed: Whether a sign is written.
        other: Whether what follows makes it no result: a size, a count, a setting.
    """

    start: int
    end: int
    value: float
    digits: int
    unit: str
    signed: bool
    other: bool


def find_quantities(text: str) -> list[Quantity]:
    """Return the numbers of a text, in order."""
    found = []
    for match in _FOUND.finditer(text):
        written = match["number"]
        if written.startswith("\u2013"):  # a dash of a range or a list, unless a digit and a unit make it a minus
            written = written.replace("\u2013", "-", 1)
        value, digits = read_number(written)
        unit = "%" if match["percent"] else "points" if match["points"] else "x" if match["times"] else ""
        found.append(
            Quantity(
                start=match.start(),
                end=match.end(),
                value=value,
                digits=digits,
                unit=unit,
                signed=bool(_SIGNED.match(match["number"])),
                other=not unit and bool(_OTHER.match(text, match.end())),
            )
        )
    return found


def read_number(written: str) -> tuple[float, int]:
    """Return a number and its decimals.

    A comma before exactly three digits parts thousands, any other one is a decimal comma: `14,000` is fourteen thousand
    and `97,56` is 97.56.
    """
    text = re.sub(r"[\u202f\u00a0]", "", written.replace("\u2212", "-"))
    text = re.sub(r",(?=\d{3}(?!\d))", "", text).replace(",", ".")
    return float(text), len(text.partition(".")[2])
