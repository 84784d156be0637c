"""The tables of a report that hold no verdict: a run makes them, and `verify` makes them again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hydrometer.behaviours.registry import BEHAVIOURS
from hydrometer.calibrated import calibration_result
from hydrometer.crossed import template_shares
from hydrometer.facets import behaviour_results, budget_points, cut_replies, tier_results
from hydrometer.result import Course, ItemResult
from hydrometer.sampled import diversity_results
from hydrometer.summary import Question, core_estimate, efficiency, task_results, token_prices


def derived_tables(
    questions: Sequence[Question],
    items: Sequence[ItemResult],
    swapped: Sequence[ItemResult],
    courses: Mapping[str, Course],
    *,
    choice_method: str,
    margin: float,
    alpha: float,
) -> dict[str, Any]:
    """Return the tables by their names in `AuditResult`.

    Style is not among them: the last digits of its fit depend on the machine, so it is compared apart.

    Args:
        questions: Tasks and items, in the order of `items`.
        items: What both models answered.
        swapped: The panel under the other's template.
        courses: How far each capability was asked.
        choice_method: How choices were scored, where a task does not say so itself.
        margin: Largest difference that still counts as equivalent.
        alpha: Error rate of the audit.
    """
    return {
        "tasks": task_results(items, questions, choice_method),
        "tokens": token_prices(items),
        "core": core_estimate(items, courses, alpha=alpha),
        "efficiency": efficiency(items, courses, margin=margin, alpha=alpha),
        "cuts": cut_replies(items, alpha=alpha),
        "budgets": budget_points(items, alpha=alpha),
        "tiers": tier_results(items, alpha=alpha),
        "behaviours": behaviour_results(items, BEHAVIOURS, alpha=alpha),
        "calibration": calibration_result(items, alpha=alpha),
        "diversity": diversity_results(items, alpha=alpha),
        "template_shares": template_shares(items, swapped, alpha=alpha),
    }
