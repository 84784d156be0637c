"""What is measured over all items together, such as perplexity: asked of both models and said beside the verdicts.

Such a figure has no score per item, so it has no pairs, no interval and no part in a verdict. The figures that a
family of tasks makes of their scores stand beside the verdicts too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import nan

from hydrometer.asking import Respondent
from hydrometer.errors import HydrometerError
from hydrometer.items import Item
from hydrometer.outcomes import Completion, Finish
from hydrometer.plan import Entry
from hydrometer.result import Finding, Standing
from hydrometer.store import Store
from hydrometer.tasks.base import Family, Task


def corpus_findings(
    entries: Sequence[Entry], base: Respondent, student: Respondent, store: Store
) -> tuple[Finding, ...]:
    """Ask both models every item, keep the answers, and return one finding per figure.

    Args:
        entries: Items of tasks with `corpus`.
        base: The base.
        student: The student.
        store: Where the items are kept; the respondents keep their answers there.
    """
    for side, other in ((base, student), (student, base)):
        wanted = [entry.request(side.side) for entry in entries]
        if wanted:
            side.ask(wanted, label=f"ask {side.side} what is measured as a whole", before=other.rest)
    with store.batch():
        for entry in entries:
            store.put_item(entry.item)
    found: list[Finding] = []
    for task in dict.fromkeys(entry.task for entry in entries):
        found += _of_task(task, [entry for entry in entries if entry.task is task], base, student)
    return tuple(found)


def family_findings(entries: Sequence[Entry], base: Respondent, student: Respondent) -> tuple[Finding, ...]:
    """Return one finding per figure of each family of tasks, over the items that both models answered.

    Args:
        entries: Items that both were asked.
        base: The base, which kept its answers.
        student: The student.
    """
    members: dict[Family, dict[Task, list[Entry]]] = {}
    for entry in entries:
        for family in entry.task.families:
            members.setdefault(family, {}).setdefault(entry.task, []).append(entry)
    found: list[Finding] = []
    for family, own in members.items():
        sides: tuple[dict[Task, list[tuple[Item, Completion]]], ...] = {}, {}
        for task, rows in own.items():
            pairs = [[(e.item, who.answer(e.request(who.side))) for e in rows] for who in (base, student)]
            came = [at for at in range(len(rows)) if all(_came(side[at][1]) for side in pairs)]
            for side, answers in zip(sides, pairs, strict=True):
                side[task] = [answers[at] for at in came]
        found += _figures(family, *sides)
    return tuple(found)


def _figures(
    family: Family,
    base: Mapping[Task, Sequence[tuple[Item, Completion]]],
    student: Mapping[Task, Sequence[tuple[Item, Completion]]],
) -> Iterator[Finding]:
    kept, there = sum(map(len, base.values())), sum(task.limit for task in base)
    note = f"over {kept} of {there} items: without an interval; in the verdict every item weighs alike"
    try:
        left, right = map(family.figures, (base, student))
    except HydrometerError as error:
        yield _finding(family.name, "none", "none", str(error))
        return
    for what in left:
        yield _finding(f"{family.name} {what}", f"{left[what]:.6g}", f"{right.get(what, nan):.6g}", note)


def _of_task(task: Task, entries: Sequence[Entry], base: Respondent, student: Respondent) -> Iterator[Finding]:
    sides = [[(e.item, who.answer(e.request(who.side))) for e in entries] for who in (base, student)]
    # What one of the two could not be asked is left out on both sides, or two texts would be compared.
    kept = [at for at in range(len(entries)) if all(_came(side[at][1]) for side in sides)]
    failed = next((answer.error for side in sides for _, answer in side if not _came(answer)), "")
    note = f"over {len(kept)} of {len(entries)} items together" + (f" (the others failed: {failed})" if failed else "")
    if not kept:
        yield _finding(task.name, "none", "none", note)
        return
    try:
        left, right = (task.corpus_metrics([side[at] for at in kept]) for side in sides)
    except HydrometerError as error:
        yield _finding(task.name, "none", "none", str(error))
        return
    for name in left:
        what = f"{task.name} {name}"
        yield _finding(
            what, f"{left[name]:.6g}", f"{right[name]:.6g}", f"{note}: without an interval, and in no verdict"
        )


def _came(answer: Completion) -> bool:
    return answer.finish is not Finish.ERROR


def _finding(aspect: str, base: str, student: str, message: str) -> Finding:
    return Finding(aspect=aspect, base=base, student=student, standing=Standing.NOTE, message=message)
