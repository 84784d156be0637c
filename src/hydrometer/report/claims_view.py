"""The claims of a model card as a report shows them: the card's words, the answer, and the evidence beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hydrometer.claims.model import Answer, Card, Checked
from hydrometer.report import words
from hydrometer.report.claims_text import describe, summary

_BADGES = {
    Answer.SUPPORTED: ("better", "✓"),
    Answer.CONTRADICTED: ("worse", "✕"),
    Answer.UNPROVEN: ("not-enough", "?"),
    Answer.NOT_COMPARABLE: ("invalid", "≠"),
    Answer.IMPOSSIBLE: ("worse", "✕"),
}
_ORDER = (Answer.CONTRADICTED, Answer.IMPOSSIBLE, Answer.SUPPORTED, Answer.NOT_COMPARABLE, Answer.UNPROVEN)
SHOWN = 100
"""Claims that are shown; the rest is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRow:
    """One claim.

    Attributes:
        claim: What is claimed, in a few words.
        quote: The card's own words.
        line: Line of the card, `""` where there is none.
        kind: The answer for style sheets, a kind of badge.
        symbol: A symbol for it.
        answer: The answer.
        reasons: Why, the decisive one first.
        plan: The command that would settle it, `""` where there is none.
    """

    claim: str
    quote: str
    line: str
    kind: str
    symbol: str
    answer: str
    reasons: tuple[str, ...]
    plan: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimsView:
    """The claims of a card.

    Attributes:
        lead: How many were answered how, in one line.
        rows: The claims, settled ones first.
        hidden: Claims that are not shown.
        unread: What could not be read, with its line.
    """

    lead: str
    rows: tuple[ClaimRow, ...]
    hidden: int
    unread: tuple[str, ...]


def build_claims(card: Card, checked: Sequence[Checked]) -> ClaimsView:
    """Return the view of a card's claims."""
    rows = sorted(checked, key=lambda row: _ORDER.index(row.answer))
    return ClaimsView(
        lead=f"{summary(card, checked)}.",
        rows=tuple(_row(row) for row in rows[:SHOWN]),
        hidden=max(0, len(rows) - SHOWN),
        unread=tuple(
            f"line {one.line}: {words.line(one.reason)}: {words.line(one.quote, 120)}" for one in card.unread[:SHOWN]
        ),
    )


def _row(row: Checked) -> ClaimRow:
    kind, symbol = _BADGES[row.answer]
    return ClaimRow(
        claim=describe(row.claim),
        quote=words.line(row.claim.quote, 400),
        line=f"line {row.claim.line}" if row.claim.line else "",
        kind=kind,
        symbol=symbol,
        answer=row.answer.value,
        reasons=tuple(words.line(reason, 600) for reason in row.reasons),
        plan=words.line(row.plan, 600),
    )
