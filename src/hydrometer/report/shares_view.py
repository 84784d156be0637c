"""Shares of a difference as a report shows them: what the weights did, and what the chat template did."""

from __future__ import annotations

from collections.abc import Sequence

from hydrometer.report import words
from hydrometer.report.view import ShareRow
from hydrometer.shares import Share, TemplateShares

_LABELS = ("whole", "weights alone", "template alone", "only together")


def build_shares(rows: Sequence[TemplateShares]) -> tuple[ShareRow, ...]:
    """Return a row per panel and way of counting; without an item there are no numbers."""
    return tuple(
        ShareRow(
            name=words.name(row.capability) or "all items",
            counted="unanswered as failed" if row.strict else "answered in all four",
            items=f"{row.n:,}",
            cells=tuple(
                words.percent(cell) if row.n else words.NONE
                for cell in (row.base_own, row.base_swapped, row.student_swapped, row.student_own)
            ),
            shares=tuple(
                (label, *_cell(share, row.n), share.shown)
                for label, share in zip(_LABELS, _parts(row), strict=True)
            ),
        )
        for row in rows
    )


def template_sentence(rows: Sequence[TemplateShares]) -> str:
    """Say which share is shown over the whole panel; where cut or unreadable replies decide it, say that."""
    if not rows:
        return ""
    answered, strict = rows[0], rows[1]
    text = _sentence(answered)
    if _shown(answered) == _shown(strict):
        return text
    return f"{text} With unanswered replies counted as failed: {_sentence(strict)}"


def _sentence(row: TemplateShares) -> str:
    if not row.n:
        return "No item of the panel was answered in all four cells."
    weights, template, interaction = (
        f"{label} {_size(share)}" for label, share in zip(_LABELS[1:], _parts(row)[1:], strict=True)
    )
    names = [label for label, shown in zip(_LABELS[1:], _shown(row), strict=True) if shown]
    found = (
        f"a share is shown for {' and '.join(names)}" if names else "no share is shown to differ from nothing"
    )
    return (
        f"Of {_size(row.total)} points on {row.n:,} items, {found}: {weights}, {template}, {interaction} points."
    )


def _parts(row: TemplateShares) -> tuple[Share, Share, Share, Share]:
    return row.total, row.weights, row.template, row.interaction


def _shown(row: TemplateShares) -> list[bool]:
    return [share.shown for share in _parts(row)[1:]]


def _size(share: Share) -> str:
    return f"{words.points(share.difference)} {words.interval(share.low, share.high)}"


def _cell(share: Share, n: int) -> tuple[str, str]:
    if not n:
        return words.NONE, words.NONE
    return words.points(share.difference), words.interval(share.low, share.high)
