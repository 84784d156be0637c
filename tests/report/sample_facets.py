"""The sample with everything that can stand beside the verdicts: cuts, budgets, tiers, behaviours, figures."""

from __future__ import annotations

from dataclasses import replace

from sample import CAPABILITIES, HOSTILE, estimate, item, items, reply, sample

from hydrometer.result import (
    AuditResult,
    BehaviourResult,
    BudgetPoint,
    CalibrationResult,
    Course,
    CutReplies,
    DiversityResult,
    Efficiency,
    Floor,
    ItemResult,
    Stopped,
    TierResult,
)
from hydrometer.shares import Portion, StyleShift

STYLE = StyleShift(
    teacher="teacher <b>of</b> both",
    items=180,
    left_out=20,
    window=55.0,
    told_apart=0.93,
    style=Portion(value=0.71, low=0.6, high=0.83),
    length_alone=0.01,
    graded=150,
    base=0.52,
    student=0.53,
    teacher_score=0.88,
    gain=Portion(value=0.01, low=-0.04, high=0.06),
    ability=Portion(value=0.03, low=-0.11, high=0.17),
    lead=Portion(value=0.68, low=0.5, high=0.86),
    trap=True,
    level=0.95,
)
WHOLE = {"missing_base": 0, "missing_student": 0, "missing_both": 0}
NOTHING = estimate(0.0, 0.0, -1.0, 1.0, n=0, gained=0, lost=0, p_value=1.0)

CUT = CutReplies(
    capability="arithmetic",
    hits=estimate(4 / 36, 19 / 36, 0.21, 0.58, n=36, gained=16, lost=1, **WHOLE),
    finished=estimate(0.75, 0.6875, -0.22, 0.11, n=16, **WHOLE),
    worst=-0.5,
    best=0.0833,
    low=-0.64,
    high=0.19,
)
CUT_FEW = CutReplies(
    capability="instruction following",
    hits=estimate(0.0, 2 / 120, -0.01, 0.06, n=120, gained=2, lost=0, **WHOLE),
    finished=estimate(0.71, 0.63, -0.13, -0.03, n=118, **WHOLE),
    worst=-0.1,
    best=-0.0667,
    low=-0.15,
    high=-0.02,
)
CUT_ALL = replace(CUT, capability="long context", finished=None, worst=-1.0, best=1.0, low=-1.0, high=1.0)
CUT_NONE = replace(
    CUT, capability="reasoning", hits=estimate(0.0, 0.0, -0.03, 0.03, n=120, gained=0, lost=0, **WHOLE)
)


def budgets() -> tuple[BudgetPoint, ...]:
    curves = {
        "arithmetic": (
            (16, 0.02, 0.10), (32, 0.08, 0.27), (64, 0.21, 0.35), (128, 0.47, 0.38), (256, 0.61, 0.42),
            (512, 0.64, 0.43),
        ),
        "instruction following": ((16, 0.31, 0.33), (32, 0.50, 0.47), (64, 0.68, 0.60), (128, 0.71, 0.62)),
        "reasoning": tuple(
            (16 * 2**step, 0.015 * step**1.6, 0.02 * step**1.62) for step in range(12)
        ),
        "text editing": ((16, 0.88, 0.882),),
    }  # fmt: skip
    return tuple(
        BudgetPoint(
            capability=name,
            tokens=tokens,
            estimate=estimate(base, student, student - base - 0.08, student - base + 0.08, n=120, **WHOLE),
        )
        for name, curve in curves.items()
        for tokens, base, student in curve
    )


def tiers() -> tuple[TierResult, ...]:
    scores = {
        "arithmetic": (("1 digit", 0.96, 0.95), ("2 digits", 0.83, 0.72), ("3 digits", 0.50, 0.20), ("4 digits", 0.2, 0.03)),
        "constraints": (("one easy", 0.9, 0.88), ("two easy", 0.72, 0.70), ("one hard", 0.55, 0.41), ("easy and hard", 0.4, 0.3)),
        "needle": (("16 sentences", 1.0, 1.0), (HOSTILE[1], 0.95, 0.95), ("256 sentences", None, None)),
        "long_context_with_a_long_name": tuple((f"level {n}", 1 - n / 12, 1 - n / 11) for n in range(1, 11)),
        "alone": (("only", 0.5, 0.4), ("empty", None, None)),
    }  # fmt: skip
    return tuple(
        TierResult(
            task=task,
            capability="reasoning",
            tier=tier,
            estimate=NOTHING
            if base is None
            else estimate(base, student, student - base - 0.17, student - base + 0.15, n=30, **WHOLE),
        )
        for task, rows in scores.items()
        for tier, base, student in rows
    )


LOOP = BehaviourResult(
    behaviour="loop",
    summary="turns in circles: exact cycle, the same paragraphs, or a stall without new words",
    version=1,
    fault=True,
    excess=estimate(0.02, 0.31, 0.201, 0.379, n=200, gained=60, lost=2, p_value=1e-9, **WHOLE),
    adjusted_p=3e-9,
    items=tuple(f"s2:{number:032x}" for number in (10, 11, 13, 999)),
)
IDENTITY = BehaviourResult(
    behaviour="identity_claim",
    summary="says to be a certain assistant, or made by a certain company",
    version=2,
    fault=False,
    excess=estimate(0.0, 0.06, 0.02, 0.11, n=200, gained=12, lost=0, p_value=0.0005, **WHOLE),
    adjusted_p=0.0008,
    items=(f"s2:{14:032x}",),
)
VERBOSE = replace(
    IDENTITY,
    behaviour="preamble",
    summary="begins with a sentence about the question",
    excess=estimate(0.41, 0.30, -0.19, -0.03, n=200, p_value=0.01, **WHOLE),
    adjusted_p=0.012,
    items=(),
)
REFUSAL = replace(
    LOOP,
    behaviour="refusal",
    summary=HOSTILE[0],
    excess=estimate(0.015, 0.02, -0.02, 0.03, n=200, p_value=1.0, **WHOLE),
    adjusted_p=1.0,
    items=(),
)

CALIBRATION = CalibrationResult(
    asked=120,
    base_stated=118,
    student_stated=97,
    n=96,
    base_confidence=0.71,
    student_confidence=0.93,
    base_right=0.69,
    student_right=0.67,
    level=0.24,
    slope=0.41,
    level_p=0.0002,
    slope_p=0.003,
    level_shown=True,
    slope_shown=True,
    brier=0.061,
    brier_p=0.0004,
)
DIVERSITY = DiversityResult(
    task="diversity",
    samples=2,
    passes=(
        estimate(0.50, 0.60, 0.02, 0.18, n=60, **WHOLE),
        estimate(0.80, 0.62, -0.29, -0.07, n=60, **WHOLE),
    ),
    added=estimate(0.30, 0.02, -0.36, -0.20, n=60, p_value=1e-6, **WHOLE),
    distinct=estimate(0.95, 0.55, -0.48, -0.32, n=60, p_value=1e-9, **WHOLE),
    added_shown=True,
    distinct_shown=True,
)


def shown_items() -> tuple[ItemResult, ...]:
    """The items of the sample, some with signs."""
    signs = {
        10: ("loop: the last 12 tokens repeat 9 times",),
        11: ("loop: three paragraphs are the same", f"refusal: {HOSTILE[1]}"),
        13: ("loop: no new word in the last 400", "identity_claim: “I am Qwen”"),
        14: ("identity_claim: “I am Qwen”",),
    }
    plain = [
        replace(i, student=replace(i.student, signs=signs.get(int(i.item_id[3:], 16), ()))) for i in items()
    ]
    marked = replace(reply(1.0, "Paris"), signs=("refusal: says that it cannot",))
    return (*plain, item(60, marked, marked))


def courses() -> tuple[Course, ...]:
    return (
        Course(planned=(30, 60, 120), looks=3, stopped=Stopped.COMPLETE),
        Course(planned=(30, 60, 300), looks=2, stopped=Stopped.DECIDED),
        Course(planned=(30, 60, 300), looks=1, stopped=Stopped.UNLIKELY),
    )


def full(**more: object) -> AuditResult:
    """The sample with all facets."""
    courses_ = dict(zip(CAPABILITIES, courses(), strict=False))
    values: dict[str, object] = {
        "capabilities": tuple(replace(row, course=courses_.get(row)) for row in CAPABILITIES),
        "items": shown_items(),
        "core": estimate(0.58, 0.555, -0.05, 0.001, n=420, **WHOLE),
        "efficiency": Efficiency(
            ratio=1.31, low=1.12, high=1.55, n=84, noninferior=0.21, shorter=0.98, shown=False
        ),
        "floor": Floor(
            estimate=estimate(0.58, 0.58, -0.004, 0.004, n=420, gained=1, lost=1, p_value=1.0, **WHOLE),
            excess=0.12,
            excess_p=0.0001,
        ),
        "cuts": (CUT_FEW, CUT, CUT_NONE, CUT_ALL),
        "budgets": budgets(),
        "tiers": tiers(),
        "behaviours": (LOOP, IDENTITY, REFUSAL, VERBOSE),
        "calibration": CALIBRATION,
        "diversity": (DIVERSITY, replace(DIVERSITY, task=HOSTILE[0])),
        "style": STYLE,
        **more,
    }
    return sample(**values)
