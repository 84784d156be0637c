"""From a raw completion to a graded reply: the one place where a status is decided.

The order matters: an engine's failure is never read as an answer, a cut reply is never judged, an open think
block leaves no answer, and only what remains reaches the task's grader.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from hydrometer.behaviours.refusal import looks_refused
from hydrometer.items import Item, Kind
from hydrometer.outcomes import Completion, Finish, Grade, Status, cut_reason
from hydrometer.tasks.base import Task
from hydrometer.templates.dialects import ThinkSplit, ThinkState, split_thinking


class Graded(NamedTuple):
    """A grade and the reply it belongs to, thinking split off."""

    grade: Grade
    split: ThinkSplit


def grader_name(task: Task) -> str:
    """Return the name and version under which a task's grades are stored."""
    return f"{task.name}@{task.version}"


def grade_completion(task: Task, item: Item, completion: Completion) -> Graded:
    """Grade one completion.

    Args:
        task: The task the item belongs to.
        item: The item.
        completion: The raw reply.
    """
    split = split_thinking(completion.text, opened=completion.opens_thinking, reasoning=completion.reasoning)
    return Graded(_grade(task, item, completion, split), split)


def _grade(task: Task, item: Item, completion: Completion, split: ThinkSplit) -> Grade:
    if completion.finish is Finish.ERROR:
        return Grade(status=Status.ENGINE_ERROR, reason=completion.error)
    if item.kind is Kind.CHOICES:
        if len(completion.choices) != len(item.choices):
            return Grade(status=Status.ENGINE_ERROR, reason="not every choice was scored")
        return task.grade_choices(item, completion)
    if task.verbatim:
        return _as_it_stands(task, item, completion)
    if completion.finish is Finish.LENGTH:
        return Grade(status=Status.TRUNCATED, reason=cut_reason(completion.completion_tokens))
    if split.state is ThinkState.UNCLOSED:
        return Grade.unparsed("the think block was never closed")
    if not split.answer:
        return Grade.unparsed("empty reply")
    if not task.refusal_is_answer and looks_refused(split.answer):
        return Grade(status=Status.REFUSED, reason="the reply refuses")
    return task.grade(item, split.answer)


def _as_it_stands(task: Task, item: Item, completion: Completion) -> Grade:
    grade = task.grade(item, completion.text)
    if completion.finish is Finish.LENGTH:
        cut = cut_reason(completion.completion_tokens)
        return replace(grade, reason=f"{cut}; {grade.reason}" if grade.reason else cut)
    return grade
