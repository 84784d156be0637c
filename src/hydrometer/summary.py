"""From completions to results: items side by side, tables per task and capability, token prices.

Pure: completions in, results out, so a report can be made again from the evidence alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hydrometer.grading import grade_completion, grader_name
from hydrometer.items import Item, Kind
from hydrometer.outcomes import Completion, Grade, Status
from hydrometer.pairing import answered as answered_pairs
from hydrometer.pairing import count_statuses
from hydrometer.pairing import strict as strict_pairs
from hydrometer.provenance import ModelIdentity
from hydrometer.result import CapabilityResult, ItemResult, Reply, TaskResult, TokenPrice
from hydrometer.stats.lengths import length_ratio
from hydrometer.stats.paired import estimate
from hydrometer.tasks.base import Task
from hydrometer.verdict import CapabilityTable, judge

CAP_ALARM = 0.10
"""Share of replies cut by the token cap above which a task says so: its scores then depend on the cap."""


class Question(NamedTuple):
    """A task and one item of it: what a completion answers."""

    task: Task
    item: Item


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """All answers of one model to a plan.

    Attributes:
        completions: Item id to completion.
        keys: Item id to the key of that completion in the store.
        asked: Requests asked in this run.
        reused: Requests the store already had.
        seconds: Wall time of the asking.
    """

    identity: ModelIdentity
    completions: Mapping[str, Completion]
    keys: Mapping[str, str]
    asked: int
    reused: int
    seconds: float

    def grade_rows(self, questions: Iterable[Question]) -> Iterator[tuple[str, Item, str, Grade]]:
        """Yield (key, item, grader, grade) of every item that was answered."""
        for question in questions:
            grade = grade_completion(question.task, question.item, self.completions[question.item.id]).grade
            if grade.status is not Status.ENGINE_ERROR:
                yield self.keys[question.item.id], question.item, grader_name(question.task), grade


def collect_items(questions: Sequence[Question], answered: Mapping[str, Answered]) -> tuple[ItemResult, ...]:
    """Put both graded replies of every item side by side."""
    return tuple(
        ItemResult(
            item_id=question.item.id,
            task=question.task.name,
            capability=question.task.capability,
            tier=question.item.tier,
            messages=question.item.messages,
            choices=question.item.choices,
            expected=question.item.answer,
            base=_reply(question, answered["base"]),
            student=_reply(question, answered["student"]),
        )
        for question in questions
    )


def summarise(
    items: Sequence[ItemResult], questions: Sequence[Question], *, margin: float, alpha: float
) -> tuple[CapabilityResult, ...]:
    """Judge every capability over its items."""
    if not items:
        return ()
    tasks = {question.task.name: question.task for question in questions}
    tables = {}
    for capability in dict.fromkeys(item.capability for item in items):
        own = [item for item in items if item.capability == capability]
        names = tuple(dict.fromkeys(item.task for item in own))
        tables[capability] = CapabilityTable(
            answered=answered_pairs(own),
            strict=strict_pairs(own),
            chance=sum(tasks[item.task].chance for item in own) / len(own),
            tasks=names,
        )
    return judge(tables, margin=margin, alpha=alpha)


def task_results(
    items: Sequence[ItemResult], questions: Sequence[Question], choice_method: str
) -> tuple[TaskResult, ...]:
    """Return one result per task, in plan order."""
    if not items:
        return ()
    results = []
    for task in dict.fromkeys(question.task for question in questions):
        own = [item for item in items if item.task == task.name]
        pairs = answered_pairs(own)
        counts = count_statuses([i.base for i in own]), count_statuses([i.student for i in own])
        results.append(
            TaskResult(
                task=task.name,
                capability=task.capability,
                summary=task.summary,
                version=task.version,
                items=len(own),
                chance=task.chance,
                method=choice_method if task.kind is Kind.CHOICES else "",
                estimate=estimate(pairs) if pairs.n else None,
                base_counts=counts[0],
                student_counts=counts[1],
                alarms=tuple(_alarms(task, own)),
            )
        )
    return tuple(results)


def token_prices(items: Sequence[ItemResult]) -> tuple[TokenPrice, ...]:
    """Return what replies cost, over all generated items first, then per capability."""
    generated = [item for item in items if not item.choices]
    if not generated:
        return ()
    names = ["", *dict.fromkeys(item.capability for item in generated)]
    return tuple(_price(name, [i for i in generated if name in ("", i.capability)]) for name in names)


def _price(name: str, items: Sequence[ItemResult]) -> TokenPrice:
    finished = [
        (i.base.tokens, i.student.tokens)
        for i in items
        if i.base.tokens is not None
        and i.student.tokens is not None
        and Status.TRUNCATED not in (i.base.status, i.student.status)
        and Status.ENGINE_ERROR not in (i.base.status, i.student.status)
    ]
    base, student = [float(b) for b, _ in finished], [float(s) for _, s in finished]
    ratio = length_ratio(base, student)
    return TokenPrice(
        capability=name,
        base=sum(base) / len(base) if base else 0.0,
        student=sum(student) / len(student) if student else 0.0,
        ratio=ratio.ratio,
        low=ratio.low,
        high=ratio.high,
        n=len(finished),
        base_per_correct=_per_correct([i.base for i in items]),
        student_per_correct=_per_correct([i.student for i in items]),
    )


def _per_correct(replies: Sequence[Reply]) -> float | None:
    """Tokens spent per point scored; cut replies cost their tokens too."""
    points = sum(reply.value or 0.0 for reply in replies)
    spent = sum(reply.tokens or 0 for reply in replies)
    return spent / points if points > 0 else None


def _reply(question: Question, side: Answered) -> Reply:
    completion = side.completions[question.item.id]
    grade, split = grade_completion(question.task, question.item, completion)
    chosen = grade.extracted if question.item.choices else split.answer
    return Reply(
        key=side.keys[question.item.id],
        status=grade.status,
        value=grade.value,
        answer=chosen,
        thinking=split.thinking,
        think_state=split.state.value,
        extracted=grade.extracted,
        reason=grade.reason,
        tokens=None if question.item.choices else completion.completion_tokens,
        scores=tuple(choice.logprob for choice in completion.choices),
    )


def _alarms(task: Task, items: Sequence[ItemResult]) -> Iterator[str]:
    """Sentences that point at the harness or the setup before they blame a model."""
    for side, replies in (("base", [i.base for i in items]), ("student", [i.student for i in items])):
        values = [reply.value for reply in replies if reply.value is not None]
        cut = sum(reply.status is Status.TRUNCATED for reply in replies)
        if not values:
            yield f"no reply of the {side} could be graded: look at the replies and the template first"
        elif task.chance and sum(values) / len(values) <= task.chance:
            yield f"the {side} scores no better than guessing: this task says little about it"
        if cut > CAP_ALARM * len(replies):
            yield f"{cut} of {len(replies)} replies of the {side} were cut: a larger --max-tokens may change this"
