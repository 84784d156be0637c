"""From completions to results: items side by side, tables per task and capability, token prices.

Pure: completions in, results out, so a report can be made again from the evidence alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from hydrometer.behaviours.base import Observed
from hydrometer.behaviours.registry import find
from hydrometer.graders.confidence import split_confidence
from hydrometer.grading import grade_completion
from hydrometer.items import Item, Kind, Thinking
from hydrometer.outcomes import NOT_THE_MODELS_FAULT, Completion, Finish, Status
from hydrometer.pairing import Scores, cluster_labels, count_statuses, counted
from hydrometer.pairing import answered as answered_pairs
from hydrometer.result import (
    CapabilityResult,
    Course,
    Efficiency,
    Floor,
    ItemResult,
    Reply,
    TaskResult,
    TokenPrice,
)
from hydrometer.stats.estimate import Estimate, Paired
from hydrometer.stats.floor import noise_floor
from hydrometer.stats.lengths import length_ratio, pareto, tokens_per_point_ratio
from hydrometer.stats.paired import estimate
from hydrometer.stats.panel import panel_estimate
from hydrometer.tasks.base import Task
from hydrometer.templates.dialects import ThinkSplit
from hydrometer.verdict import CapabilityTable, judge

CAP_ALARM = 0.10
"""Share of replies cut by the token cap above which a task says so: its scores then depend on the cap."""


class Question(NamedTuple):
    """A task and one item of it: what a completion answers."""

    task: Task
    item: Item


class Kept(NamedTuple):
    """A completion and its key in the store."""

    key: str
    completion: Completion


def collect_items(
    questions: Sequence[Question],
    base: Mapping[str, Kept],
    student: Mapping[str, Kept],
    dialects: tuple[str, str] = ("none", "none"),
    mode: Thinking = Thinking.DEFAULT,
) -> tuple[ItemResult, ...]:
    """Grade both replies of every item, look for behaviours, and put the two side by side.

    Args:
        questions: Tasks and items.
        base: Item id to the base's reply.
        student: Item id to the student's reply.
        dialects: Think dialects that the chat templates of the two speak.
        mode: Whether the requests switched thinking on or off.
    """
    return tuple(
        ItemResult(
            item_id=question.item.id,
            task=question.task.name,
            capability=question.task.capability,
            tier=question.item.tier,
            messages=question.item.messages,
            choices=question.item.choices,
            expected=question.item.answer,
            cluster=question.item.cluster,
            together=question.task.group if question.task.together else 0,
            asks_confidence=question.task.asks_confidence,
            sampled=question.task.sampled,
            base=_reply(question, base[question.item.id], dialects[0], mode),
            student=_reply(question, student[question.item.id], dialects[1], mode),
        )
        for question in questions
    )


def summarise(
    items: Sequence[ItemResult],
    chances: Mapping[str, float],
    *,
    margin: float,
    alpha: float,
    courses: Mapping[str, Course],
    floor: Floor | None = None,
) -> tuple[CapabilityResult, ...]:
    """Judge every capability over its items.

    Args:
        items: All items, those of a capability in the order in which they were asked.
        chances: Score of guessing, by task.
        margin: Largest difference that still counts as equivalent.
        alpha: Error rate, see `verdict.judge`.
        courses: How far each capability was asked.
        floor: The base against itself, if it was measured.
    """
    tables = capability_tables(items, chances, courses, floor)
    results = judge(tables, margin=margin, alpha=alpha)
    return tuple(replace(result, course=courses[result.capability]) for result in results)


def capability_tables(
    items: Sequence[ItemResult],
    chances: Mapping[str, float],
    courses: Mapping[str, Course],
    floor: Floor | None = None,
) -> dict[str, CapabilityTable]:
    """Return the evidence on every capability; arguments as for `summarise`."""
    own = {name: [item for item in items if item.capability == name] for name in courses}
    return {name: _table(rows, chances, courses[name], floor) for name, rows in own.items() if rows}


def core_estimate(
    items: Sequence[ItemResult], courses: Mapping[str, Course], *, alpha: float
) -> Estimate | None:
    """Return the difference over all capabilities with equal weights, from the items up to each one's first look.

    Those are asked whatever comes out; a mean over everything that was asked would be biased, for a capability stops
    early where chance helped. None where nothing was answered.
    """
    panels = [answered_pairs(rows) for rows in _first_looks(items, courses)]
    return panel_estimate(panels, 1.0 - alpha)


def efficiency(
    items: Sequence[ItemResult], courses: Mapping[str, Course], *, margin: float, alpha: float
) -> Efficiency | None:
    """Return what the student gets out of its tokens, over the items of `core_estimate` whose replies are generated.

    None where nothing was generated or no tokens were counted.
    """
    rows = [
        item
        for own in _first_looks(items, courses)
        for item in counted(own)
        if not item.choices
        and None not in (item.base.tokens, item.student.tokens)
        and not {item.base.status, item.student.status} & set(NOT_THE_MODELS_FAULT)
    ]
    if not rows:
        return None
    sides = [row.base for row in rows], [row.student for row in rows]
    scores = [np.array([reply.value or 0.0 for reply in side]) for side in sides]
    base, student = (np.array([float(reply.tokens or 0) for reply in side]) for side in sides)
    clusters = cluster_labels([row.cluster or row.item_id for row in rows])
    paired = Paired(base=scores[0], student=scores[1], clusters=clusters)
    ratio = tokens_per_point_ratio(paired, base, student, 1.0 - alpha)
    both = pareto(paired, base, student, margin=margin, alpha=alpha)
    return Efficiency(
        ratio=ratio.ratio, low=ratio.low, high=ratio.high, n=ratio.n, noninferior=both.noninferior,
        shorter=both.shorter, shown=both.shown,
    )  # fmt: skip


def _first_looks(items: Sequence[ItemResult], courses: Mapping[str, Course]) -> list[list[ItemResult]]:
    """Items of each capability up to its first look: those that are asked whatever comes out."""
    own = {name: [item for item in items if item.capability == name] for name in courses}
    return [own[name][: course.planned[0]] for name, course in courses.items()]


def _table(
    items: Sequence[ItemResult], chances: Mapping[str, float], course: Course, floor: Floor | None
) -> CapabilityTable:
    rows, scores = counted(items), Scores.of(items)
    seen, strictly = scores.looks(course)
    answered = scores.answered()
    noise = noise_floor(floor.flips, floor.estimate.n, max(answered.n, 1)) if floor else 0.0
    return CapabilityTable(
        answered=answered,
        strict=scores.strict(),
        chance=sum(chances[row.task] for row in rows) / len(rows) if rows else 0.0,
        tasks=tuple(dict.fromkeys(item.task for item in items)),
        answered_looks=seen,
        strict_looks=strictly,
        margin_floor=noise,
    )


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
                method=(task.method or choice_method) if task.kind is Kind.CHOICES else "",
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
        and not (i.base.cut or i.student.cut)
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
        base_per_correct=_per_correct([row.base for row in counted(items)]),
        student_per_correct=_per_correct([row.student for row in counted(items)]),
    )


def _per_correct(replies: Sequence[Reply]) -> float | None:
    """Tokens spent per point scored; cut replies cost their tokens too."""
    points = sum(reply.value or 0.0 for reply in replies)
    spent = sum(reply.tokens or 0 for reply in replies)
    return spent / points if points > 0 else None


def _reply(question: Question, kept: Kept, dialect: str, mode: Thinking) -> Reply:
    completion = kept.completion
    grade, split = grade_completion(question.task, question.item, completion)
    chosen = grade.extracted if question.item.choices else split.answer
    return Reply(
        key=kept.key,
        status=grade.status,
        value=grade.value,
        answer=chosen,
        thinking=split.thinking,
        think_state=split.state.value,
        extracted=grade.extracted,
        reason=grade.reason,
        tokens=None if question.item.choices else completion.completion_tokens,
        scores=tuple(choice.logprob for choice in completion.choices),
        signs=() if question.item.choices else _signs(question.item, completion, split, dialect, mode),
        confidence=split_confidence(split.answer)[1] if question.task.asks_confidence else None,
    )


def _signs(
    item: Item, completion: Completion, split: ThinkSplit, dialect: str, mode: Thinking
) -> tuple[str, ...]:
    if completion.finish is Finish.ERROR:
        return ()
    observed = Observed(
        text=completion.text,
        thinking=split.thinking,
        answer=split.answer,
        think_state=split.state.value,
        dialect=split.dialect.value,
        expected_dialect=dialect,
        mode=mode.value,
        finish=completion.finish,
        token_ids=completion.token_ids,
        asked=next((m.content for m in reversed(item.messages) if m.role in ("user", "raw")), ""),
        system=next((m.content for m in item.messages if m.role == "system"), ""),
    )
    return tuple(f"{behaviour.name}: {sign.reason}" for behaviour, sign in find(observed))


def _alarms(task: Task, items: Sequence[ItemResult]) -> Iterator[str]:
    """Sentences that point at the harness or the setup before they blame a model."""
    rows = counted(items)
    for side, replies, joint in (
        ("base", [i.base for i in items], [row.base for row in rows]),
        ("student", [i.student for i in items], [row.student for row in rows]),
    ):
        values = [reply.value for reply in joint if reply.value is not None]
        cut = sum(reply.cut for reply in replies)
        if not values:
            yield f"no reply of the {side} could be graded: look at the replies and the template first"
        elif task.chance and sum(values) / len(values) <= task.chance:
            yield f"the {side} scores no better than guessing: this task says little about it"
        if cut > CAP_ALARM * len(replies):
            yield f"{cut} of {len(replies)} replies of the {side} were cut: a larger --max-tokens may change this"
