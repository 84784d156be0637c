"""An inspection as a page: the answers, what stands under them, and the map of weights. One file that loads nothing."""

from __future__ import annotations

from dataclasses import dataclass

from hydrometer.checkpoint.weightmap import weight_map
from hydrometer.inspection import Inspection
from hydrometer.report import words
from hydrometer.report.files_view import FilesView, build_answers
from hydrometer.report.html import furniture
from hydrometer.report.inspection_text import beside_lines, more_lines, side_line
from hydrometer.report.templating import templates
from hydrometer.report.weightmap_view import build_map


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectionView:
    """What the page shows.

    Attributes:
        headline: The verdict with the two models.
        models: Base and student, a line each.
        files: Answers, notes and the map.
    """

    headline: str
    models: tuple[str, str]
    files: FilesView


def render_inspection(result: Inspection) -> str:
    """Return the page of an inspection."""
    environment = templates()
    page = environment.get_template("inspection.html.j2")
    return page.render(furniture(environment), view=_view(result))


def _view(result: Inspection) -> InspectionView:
    base, student = (words.line(side.reference, 80) for side in (result.base, result.student))
    under = [f"{q.name}: {text}" for q in result.questions for text in beside_lines(result, q.name)]
    rest = [text.removeprefix("- ").strip() for text in more_lines(result) if text.strip()]
    return InspectionView(
        headline=f"{student} against {base}: {result.verdict}",
        models=(words.line(side_line(result.base)), words.line(side_line(result.student))),
        files=FilesView(
            skipped="",
            lead=_lead(result),
            answers=build_answers(result.questions),
            notes=tuple(words.line(text, 600) for text in (*under, *rest)),
            map=build_map(weight_map(result.edit)) if result.edit else None,
        ),
    )


def _lead(result: Inspection) -> str:
    changes = result.edit.changes if result.edit else ()
    if not changes:
        return "Compared a few rows of both."
    compared, elements = sum(c.compared for c in changes), sum(c.elements for c in changes)
    return f"Compared {compared:,} values of {elements:,} in {len(changes):,} weights that both have."
