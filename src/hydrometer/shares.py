"""Shares of a difference told apart: what the weights did, and what the chat template did. Values only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One share of a difference, in score units.

    Attributes:
        difference: Its size; negative is a loss.
        low: Lower end of its interval, with items or their clusters as the units.
        high: Upper end.
        p_value: Two-sided p-value of "no such share".
        shown: Whether it is shown after Holm's correction over the three shares.
    """

    difference: float
    low: float
    high: float
    p_value: float
    shown: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateShares:
    """Weights crossed with chat templates on the same items.

    `total` = `weights` + `template` + `interaction`, item by item and so on average.

    Attributes:
        capability: Capability it covers, `""` for all items of the panel.
        strict: Whether a reply that was cut, unreadable or refused counts as failed; else only items count that were
            answered in all four cells.
        n: Items behind it.
        base_own: Score of the base's weights under the base's template.
        base_swapped: Score of the base's weights under the student's template.
        student_swapped: Score of the student's weights under the base's template.
        student_own: Score of the student's weights under the student's template.
        total: Student as it is downloaded minus base as it is downloaded.
        weights: What changes if only the weights are exchanged.
        template: What changes if only the template is exchanged.
        interaction: What appears only if both are exchanged.
        level: Coverage of the intervals.
    """

    capability: str
    strict: bool
    n: int
    base_own: float
    base_swapped: float
    student_swapped: float
    student_own: float
    total: Share
    weights: Share
    template: Share
    interaction: Share
    level: float
