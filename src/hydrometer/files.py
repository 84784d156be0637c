"""What the files of a pair say, as an audit carries it: answers with their numbers, map of weights. Values only."""

from __future__ import annotations

from dataclasses import dataclass

from hydrometer.checkpoint.weightmap import WeightCell
from hydrometer.surface.answers import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question with its answer.

    Attributes:
        name: What is asked, `lineage`, `edit`, `parts`, `teacher`, or a topic of `surface`.
        answer: The verdict word.
        text: The answer in words, with the number that decides it.
    """

    name: str
    answer: Answer
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesFound:
    """What was read in the files of both models before anything was asked.

    Attributes:
        skipped: Why nothing was read, `""` if it was.
        questions: What was asked of the files, with the answers.
        notes: What else is odd about them, one line each.
        kind: What was done to the base, a word of `checkpoint.edits.Kind`; `""` where that was not asked.
        compared: Values compared one by one.
        whole: Whether those are all values of both models.
        cells: The map of weights, as far as they were compared.
        seconds: Time that it took.
        unsafe: Sides, `base` and `student`, whose chat template must not be rendered.
    """

    skipped: str = ""
    questions: tuple[Question, ...] = ()
    notes: tuple[str, ...] = ()
    kind: str = ""
    compared: int = 0
    whole: bool = False
    cells: tuple[WeightCell, ...] = ()
    seconds: float = 0.0
    unsafe: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether every value that was compared is the same in both."""
        return self.kind == "none"

    def answer(self, name: str) -> Answer | None:
        """Return the answer to a question, None where it was not asked."""
        return next((question.answer for question in self.questions if question.name == name), None)

    def text(self, name: str) -> str:
        """Return the words of an answer, `""` where it was not asked."""
        return next((question.text for question in self.questions if question.name == name), "")
