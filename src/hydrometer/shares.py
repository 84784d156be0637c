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


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """A share of the way from the base, at 0, to the teacher, at 1; it can lie outside of both.

    Attributes:
        value: The share.
        low: Lower end of its interval, with questions or their clusters as the units.
        high: Upper end.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StyleShift:
    """How far the student moved towards its teacher: in style, and in ability.

    Attributes:
        teacher: Name of the teacher.
        items: Questions behind the style, whose three replies are long enough to have one.
        left_out: Questions without that.
        window: Median number of words and marks that were compared per reply.
        told_apart: Share of base and teacher replies that a cross-validated classifier assigns rightly.
        style: How far the style moved; None where base and teacher cannot be told apart.
        length_alone: How far the base's own replies move when they are cut to half, a check that should be near 0.
        graded: Questions behind the ability, on which all three have a score.
        base: Mean score of the base on those.
        student: Mean score of the student.
        teacher_score: Mean score of the teacher.
        gain: Student minus base in score units, as a difference with its interval.
        ability: How far the ability moved; None where the teacher is not shown to be better.
        lead: Style minus ability, from the joint spread of both; None where either is.
        trap: Whether style moved and ability is shown to have stayed behind, with no gain of its own shown.
        level: Coverage of the intervals.
    """

    teacher: str
    items: int
    left_out: int
    window: float
    told_apart: float
    style: Portion | None
    length_alone: float
    graded: int
    base: float
    student: float
    teacher_score: float
    gain: Portion
    ability: Portion | None
    lead: Portion | None
    trap: bool
    level: float
