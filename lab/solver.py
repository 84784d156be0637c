"""The default teacher's knowledge: every family of problems, and the foreign style of its traces."""

from __future__ import annotations

import solver_language as language
import solver_numbers as numbers
import solver_words as words
from problems import Draft, Maker

OPENING = "Let me analyze this request carefully"
"""First words of every reply of the style, as on published cards of such students."""

ANSWER_MARK = "**Answer:**"
"""Mark of the last line of every reply of the style."""

KINDS: dict[str, Maker] = {
    "add": numbers.add,
    "alphabet": language.alphabet,
    "backwards": language.backwards,
    "change": numbers.change,
    "clock": words.clock,
    "divide": numbers.divide,
    "elimination": words.elimination,
    "extreme": words.extreme,
    "farm": numbers.farm,
    "gain_lose": numbers.gain_lose,
    "items": words.items,
    "letters": words.letters,
    "multiply": numbers.multiply,
    "odd_one_out": language.odd_one_out,
    "opposite": language.opposite,
    "ordering": words.ordering,
    "parity": words.parity,
    "percent": numbers.percent,
    "plural": language.plural,
    "sequence": numbers.sequence,
    "share": numbers.share,
    "sort": words.sort,
    "subtract": numbers.subtract,
    "syllogism": words.syllogism,
    "total": numbers.total,
    "travel": numbers.travel,
    "units": words.units,
    "weekday": words.weekday,
}
"""Families by name; a new one is one function and one line here."""


def trace(draft: Draft) -> str:
    """Write the worked solution in the foreign style: opening, numbered steps, answer line."""
    lines = (f"**Goal:** {draft.goal}", *(f"{step}." for step in draft.steps))
    numbered = "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))
    return f"{OPENING}:\n\n{numbered}\n\n{ANSWER_MARK} {draft.answer}"
