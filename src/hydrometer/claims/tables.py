"""Claims in tables: benchmarks down and models across, or the other way round."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hydrometer.claims.benchmarks import BASE_WORDS, find_mentions
from hydrometer.claims.model import BASE, STUDENT, Claim, ClaimKind, Unread
from hydrometer.claims.numbers import find_quantities
from hydrometer.claims.settings import find_settings

_BASE = re.compile(rf"\b(?:{BASE_WORDS})\b", re.IGNORECASE)
_DELTA = re.compile(r"^\s*(?:\u0394|delta|diff(?:erence)?|change|gain|improvement|\+/-)\b|^\s*\u0394", re.IGNORECASE)
_OURS = re.compile(r"\b(?:ours?|this model|this|distill\w*|fine-?tuned?|tuned|student|sft|score|accuracy|result|acc|value|pass@1)\b", re.IGNORECASE)
_COUNT = re.compile(r"^\s*(?P<k>\d{1,5})\s*/\s*(?P<n>\d{1,5})\s*(?:\(.*\))?\s*$")


@dataclass(frozen=True, slots=True)
class Names:
    """Names of the two models, as far as the card tells: what a column must say to be one of them."""

    student: tuple[str, ...] = ()
    base: tuple[str, ...] = ()

    def owner(self, label: str) -> str:
        """Return whose a column or row is: `student`, `base`, or its own label."""
        low = label.lower()
        for names, of in ((self.student, STUDENT), (self.base, BASE)):
            if any(name and name.lower() == low.strip("* `") for name in names):
                return of
        if _BASE.search(label) or any(n and n.lower() in low for n in self.base if len(n) > 3 and not _is_longer(low, self.student)):
            return BASE
        if _OURS.search(label) or any(n and (n.lower() in low or low in n.lower()) for n in self.student if len(low) > 3):
            return STUDENT
        return label.strip("* `")


def claims_of_table(
    rows: Sequence[Sequence[str]], lines: Sequence[int], names: Names, context: str = ""
) -> tuple[list[Claim], list[Unread]]:
    """Return the claims of a table.

    Args:
        rows: Cells as plain text, the head first.
        lines: Line of the card of each row.
        names: Names of the two models.
        context: Heading and paragraph before it, which may say how it was measured.
    """
    if len(rows) < 2:
        return [], []
    width = len(rows[0])
    down = sum(bool(_benchmark(row[0])) for row in rows[1:] if row)
    across = sum(bool(_benchmark(cell)) for cell in rows[0][1:])
    if not down and not across:
        return [], []
    claims: list[Claim] = []
    unread: list[Unread] = []
    around = find_settings(context)
    for row, line in zip(rows[1:], lines[1:], strict=True):
        quote = " | ".join(row)
        if len(row) != width:
            unread.append(Unread(line=line, quote=quote[:300], reason="the row has other columns than the head"))
            continue
        for column in range(1, width):
            head, label = (rows[0][column], row[0]) if down >= across else (row[0], rows[0][column])
            subject = _benchmark(label)
            if not subject:
                continue
            found = _cell(row[column], subject, head, names)
            if isinstance(found, str):
                if found:
                    unread.append(Unread(line=line, quote=quote[:300], reason=found))
                continue
            own = find_settings(f"{head} ; {label} ; {row[column]}")
            settings = {**around, **own, **found.settings}
            claims.append(replace(found, settings=settings, line=line, quote=quote[:300]))
    return claims, unread


def _cell(text: str, subject: str, head: str, names: Names) -> Claim | str:
    """The claim of a cell, or why there is none; `""` for a cell that claims nothing."""
    if not re.search(r"\d", text):
        return ""
    difference = bool(_DELTA.search(head))
    of = STUDENT if difference else names.owner(head)
    if count := _COUNT.match(text):
        k, n = int(count["k"]), int(count["n"])
        if not n > 0 or k > n:
            return f"{k} of {n} is no count"
        return Claim(
            kind=ClaimKind.SCORE, subject=subject, value=k / n, digits=4, of=of, settings={"items": str(n)}
        )
    numbers = [q for q in find_quantities(text) if not q.other]
    if len(numbers) != 1:
        return f"{len(numbers)} numbers in one cell" if numbers else "no number that is a score"
    (number,) = numbers
    if number.unit == "x" or abs(number.value) > 100:
        return f"{text.strip()} is no percentage"
    difference = difference or number.signed
    # A table of shares: 0.756 for 75.6 %.
    share = 0 < abs(number.value) < 1 and number.digits >= 2 and number.unit == ""
    value, digits = (number.value, max(0, number.digits - 2)) if share else (number.value / 100, number.digits)
    return Claim(
        kind=ClaimKind.DIFFERENCE if difference else ClaimKind.SCORE, subject=subject, value=value, digits=digits, of=of
    )


def _benchmark(text: str) -> str:
    found = [mention for mention in find_mentions(text) if mention.benchmark]
    return found[0].subject if found and len(text) <= 60 else ""


def _is_longer(label: str, names: Sequence[str]) -> bool:
    """Whether a label is a name of the student that holds the base's name, as most do."""
    return any(name and name.lower() in label for name in names)
