"""Claims and their answers in a terminal: the card's own words, the answer, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from hydrometer.claims.model import Answer, Card, Checked, Claim, ClaimKind
from hydrometer.report import words
from hydrometer.report.terminal import in_ascii, is_plain

_STYLES = {
    Answer.SUPPORTED: "bold green",
    Answer.CONTRADICTED: "bold red",
    Answer.UNPROVEN: "bold yellow",
    Answer.NOT_COMPARABLE: "bold magenta",
    Answer.IMPOSSIBLE: "bold red",
}


def print_claims(card: Card, checked: Sequence[Checked], console: Console, *, brief: bool = False) -> None:
    """Print the claims of a card in its order, what could not be read, and the sums.

    Args:
        card: What was read.
        checked: Its claims with their answers.
        console: Where to.
        brief: Whether to leave out what is unproven, but for the sums.
    """
    plain = is_plain(console)

    def show(text: str, indent: int = 0, style: str = "") -> None:
        shown = Text(in_ascii(text) if plain else text, style=style)
        for part in shown.wrap(console, max(console.width - indent, 20)):
            part.rstrip()
            console.print(Text(" " * indent).append_text(part), soft_wrap=True)

    for row in checked:
        if brief and row.answer is Answer.UNPROVEN:
            continue
        place = f"line {row.claim.line}: " if row.claim.line else ""
        show(f"{row.answer.value}: {describe(row.claim)}", style=_STYLES[row.answer])
        show(f"{place}\u201c{words.line(row.claim.quote)}\u201d", 2, "dim")
        for reason in row.reasons:
            show(words.line(reason, 600), 2)
        if row.plan:
            show(f"to settle it: {words.line(row.plan, 600)}", 2)
    for unread in card.unread:
        what = f"{words.line(unread.reason)}: {words.line(unread.quote, 120)}"
        show(f"not read, line {unread.line}: {what}", style="yellow")
    show(summary(card, checked), style="bold")


def summary(card: Card, checked: Sequence[Checked]) -> str:
    """Return the sums in one line."""
    counts = Counter(row.answer for row in checked)
    parts = [f"{counts[answer]} {answer.value}" for answer in Answer if counts[answer]]
    unread = f"; {len(card.unread)} could not be read" if card.unread else ""
    return f"{len(checked)} claims of {words.line(card.source, 120)}: {', '.join(parts) or 'none'}{unread}"


def describe(claim: Claim) -> str:
    """Return what is claimed in a few words, such as `humaneval 97.56 % (student)`."""
    subject = words.name(claim.subject)
    value = claim.value
    if value is None:
        return " ".join(part for part in (claim.kind.value, subject) if part)
    up_to = "up to " if claim.up_to else ""
    if claim.kind is ClaimKind.SCORE:
        return f"{subject} {100 * value:.{claim.digits}f} % ({words.line(claim.of, 60)})"
    if claim.kind is ClaimKind.DIFFERENCE:
        return f"{subject} {up_to}{100 * value:+.{claim.digits}f} points"
    if claim.kind in {ClaimKind.LENGTH, ClaimKind.SPEED}:
        return f"{subject} {up_to}x{value:.2f} of the base's"
    return " ".join(part for part in (claim.kind.value, subject, f"{value:,.0f}") if part)


