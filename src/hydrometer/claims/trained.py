"""Claims of how much a model was trained on, held against the training data themselves."""

from __future__ import annotations

from dataclasses import replace

from hydrometer.claims.model import Answer, Checked, ClaimKind

_ROUNDING = 0.035
"""Cards round: 14k stands for 13,500 to 14,500."""


def with_rows(row: Checked, rows: int) -> Checked:
    """Return a claimed number of samples with what the data say, unchanged for every other claim.

    Another number does not contradict it: what is at hand may be a part, or hold what was filtered out.

    Args:
        row: The claim with the answer so far; one that is settled stays.
        rows: Rows with text in the training data that are at hand.
    """
    claim = row.claim
    if claim.kind is not ClaimKind.DATA or not claim.value or row.answer is not Answer.UNPROVEN:
        return row
    words = f"the training data at hand hold {rows:,} rows, claimed {claim.value:,.0f}"
    if abs(rows - claim.value) <= _ROUNDING * claim.value:
        return row.because(Answer.SUPPORTED, words)
    unlike = f"{words}: {'more' if rows > claim.value else 'fewer'}, which may be another cut of it"
    return replace(row, reasons=(unlike, *row.reasons))
