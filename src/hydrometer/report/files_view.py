"""What the files of a pair say, as reports show it: each question with its verdict word and the number behind it."""

from __future__ import annotations

from dataclasses import dataclass

from hydrometer.files import FilesFound, Question
from hydrometer.report import words
from hydrometer.report.weightmap_view import MapView, build_map
from hydrometer.surface.answers import Answer

TITLES = {
    "lineage": "comes from the base", "edit": "what was done", "parts": "parts", "chain": "base by its cards",
    "teacher": "teacher",
}  # fmt: skip
"""Questions as they are shown; others under their own name."""

_ANSWERS: dict[Answer, tuple[str, str]] = {
    "unsafe": ("worse", "✕"),
    "confirmed": ("better", "✓"),
    "contradicted": ("worse", "✕"),
    "insufficient": ("not-enough", "?"),
    "not testable from files": ("equivalent", words.NONE),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRow:
    """One question about the files.

    Attributes:
        title: What is asked.
        kind: The answer for style sheets, a kind of badge.
        symbol: A symbol for it.
        answer: The verdict word.
        text: The answer in words, with the number that decides it.
    """

    title: str
    kind: str
    symbol: str
    answer: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesView:
    """What the files say.

    Attributes:
        skipped: Why nothing was read, `""` if it was.
        lead: How much was read, in one sentence.
        answers: The questions with their answers.
        notes: What else is odd about the files.
        map: Where the weights moved, None where they were not compared.
    """

    skipped: str
    lead: str
    answers: tuple[AnswerRow, ...]
    notes: tuple[str, ...]
    map: MapView | None


def build_files(found: FilesFound | None) -> FilesView | None:
    """Return the view of what was read in the files, None where that was not wanted."""
    if found is None:
        return None
    return FilesView(
        skipped=words.line(found.skipped, 600),
        lead="" if found.skipped else _lead(found),
        answers=build_answers(found.questions),
        notes=tuple(words.line(note, 600) for note in found.notes),
        map=build_map(found.cells),
    )


def build_answers(questions: tuple[Question, ...]) -> tuple[AnswerRow, ...]:
    """Return the questions with their answers as rows."""
    return tuple(
        AnswerRow(
            title=TITLES.get(question.name, words.name(question.name)),
            kind=_ANSWERS[question.answer][0],
            symbol=_ANSWERS[question.answer][1],
            answer=question.answer,
            text=words.line(question.text, 600),
        )
        for question in questions
    )


def _lead(found: FilesFound) -> str:
    if not found.compared:
        much = "a few rows of each"
    elif found.whole:
        much = f"all {found.compared:,} values of both"
    else:
        much = f"{found.compared:,} values of both, from every weight or of many experts one"
    return f"Read before anything was asked, in {words.duration(found.seconds)}: {much}."
