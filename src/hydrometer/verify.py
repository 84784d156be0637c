"""Check a finished audit without a model: digests, grades, verdict and tables, derived again from raw replies."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from hydrometer.canon import canonical_json
from hydrometer.catalog import load_tasks, task_of
from hydrometer.derived import derived_tables
from hydrometer.drift.audited import follows
from hydrometer.errors import EvidenceError, HydrometerError
from hydrometer.grading import grade_completion, grader_name
from hydrometer.inspected import file_findings, with_files
from hydrometer.items import Thinking
from hydrometer.outcomes import Completion, Finish, Status
from hydrometer.preflight import is_valid
from hydrometer.report.json_report import from_json
from hydrometer.result import AuditResult, ItemResult, Reply, Verdict
from hydrometer.store import EVIDENCE, Store
from hydrometer.summary import Kept, Question, collect_items, summarise
from hydrometer.tasks.base import LM_EVAL_PREFIX, Task
from hydrometer.teaching import style_shift, unsigned
from hydrometer.verdict import overall

REPORT = "report.json"
_LAST_DIGITS = 1e-4
"""How far the figures of a fit may be apart from one machine to the next."""

_Find = Callable[[str], Task | None]
"""Returns the task that graded a stored item, None if it is not known here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What a check found.

    Attributes:
        completions: Replies whose digests were checked.
        grades: Grades that were derived again.
        reports: Reports whose verdicts were derived again.
        problems: What does not match, empty if all is well.
    """

    completions: int
    grades: int
    reports: int
    problems: tuple[str, ...]


def find_reports(folder: Path) -> list[Path]:
    """Return the `report.json` files of a folder, newest first.

    Raises:
        EvidenceError: There is none.
    """
    if folder.is_file():
        return [folder]
    found = [folder / REPORT] if (folder / REPORT).is_file() else sorted(folder.glob(f"*/{REPORT}"))
    if not found:
        msg = f"no {REPORT} in {folder}: give the folder of an audit, or the --out folder of one"
        if (folder / EVIDENCE).is_file():
            msg = (
                f"no audit in {folder} has finished: run its command again, every answer so far is kept in {EVIDENCE}"
            )
        raise EvidenceError(msg)
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def load_report(path: Path) -> AuditResult:
    """Return the result behind a `report.json`, or behind the newest one of a folder.

    Raises:
        EvidenceError: It is not there, or damaged, or from a newer version.
    """
    file = find_reports(path)[0]
    try:
        return from_json(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        msg = f"cannot read {file}: {error}"
        raise EvidenceError(msg) from error


def verify_folder(folder: Path) -> Verification:
    """Derive digests, grades and verdicts of a folder again.

    Args:
        folder: An audit's folder or the `--out` folder of several.

    Raises:
        EvidenceError: There is nothing to check, or it cannot be read.
    """
    reports = find_reports(folder)
    found = [
        _verify_store(evidence, [report for report in reports if evidence_of(report) == evidence])
        for evidence in dict.fromkeys(evidence_of(report) for report in reports)
    ]
    return Verification(
        completions=sum(part.completions for part in found),
        grades=sum(part.grades for part in found),
        reports=len(reports),
        problems=tuple(problem for part in found for problem in part.problems),
    )


def evidence_of(report: Path) -> Path:
    """Return the store of a report: its own, as an unpacked bundle has one, else the one that audits beside it share.

    Raises:
        EvidenceError: There is none.
    """
    for folder in (report.parent, report.parent.parent):
        if (folder / EVIDENCE).is_file():
            return folder / EVIDENCE
    msg = (
        f"no {EVIDENCE} beside {report.parent}: without the raw replies it could not be checked; "
        "keep reports and evidence together"
    )
    raise EvidenceError(msg)


def _verify_store(evidence: Path, reports: Sequence[Path]) -> Verification:
    """Check one store and the reports made from it."""
    with Store(evidence, read_only=True) as store:
        problems = store.verify()
        results = [(report, load_report(report)) for report in reports]
        foreign, wrong = _foreign_tasks([result for _, result in results])
        problems += wrong

        def find(name: str) -> Task | None:
            return foreign.get(name) or task_of(name)

        grades, wrong = _regrade(store, find)
        problems += wrong
        for report, result in results:
            problems += _recompute(store, result, report.parent.name, find)
        return Verification(
            completions=store.counts()["completions"],
            grades=grades,
            reports=len(reports),
            problems=tuple(problems),
        )


def _foreign_tasks(results: Sequence[AuditResult]) -> tuple[dict[str, Task], list[str]]:
    """Load the tasks whose graders are another package's, as the audits named them; say which cannot be had here."""
    tasks: dict[str, Task] = {}
    problems = []
    named = (name for result in results for name in result.spec.tasks if name.startswith(LM_EVAL_PREFIX))
    for name in dict.fromkeys(named):
        try:
            loaded = load_tasks(name)
        except HydrometerError as error:
            problems.append(f"task {name!r}: its grades cannot be derived again here: {error}")
        else:
            tasks |= {task.name: task for task in loaded}
    return tasks, problems


def _regrade(store: Store, find: _Find) -> tuple[int, list[str]]:
    problems: list[str] = []
    checked = 0
    for row in store.grades():
        task = find(row.item.task)
        if task is None:
            problems.append(f"grade of {row.item.id}: the task {row.item.task!r} is not known here")
            continue
        completion = store.completion(row.key)
        if completion is None:
            problems.append(f"grade of {row.item.id}: its reply {row.key} is missing")
        elif row.grader == grader_name(task):
            checked += 1
            if grade_completion(task, row.item, completion).grade != row.grade:
                problems.append(f"grade of {row.item.id} ({row.item.task}): the grader now finds another")
    return checked, problems


def _recompute(store: Store, result: AuditResult, name: str, find: _Find) -> list[str]:
    """Make a report's items and verdicts again from the evidence and compare."""
    loose = _loose_files(result)
    if loose:
        return [f"report {name}: {loose}"]
    if not result.items:
        return []
    dialects = result.base.identity.dialect, result.student.identity.dialect
    items = _again(store, result.items, dialects, result.spec.thinking, name, find)
    # Under the other's template a model is expected to speak the other's dialect.
    swapped = _again(
        store, result.swapped, dialects[::-1], result.spec.thinking, f"{name}, templates swapped", find
    )
    taught = _again(store, result.taught, dialects, result.spec.thinking, f"{name}, the teacher", find)
    problems = [*items.problems, *swapped.problems, *taught.problems]
    return problems or _compare(result, items, swapped, unsigned(taught.items), name)


def _loose_files(result: AuditResult) -> str:
    """What does not follow from what was read in the files; `""` if all does."""
    files = file_findings(result.files, (result.spec.base.text, result.spec.student.text), result.spec.allow)
    if with_files(result.findings, files) != result.findings:
        return "what its files say is not in its setup"
    if not is_valid(result.findings) and result.verdict is not Verdict.INVALID:
        return "its setup is not comparable and its verdict does not say so"
    return ""


class _Again(NamedTuple):
    """Items made again from the evidence, and what stood in the way."""

    questions: list[Question]
    items: tuple[ItemResult, ...]
    problems: list[str]


def _again(
    store: Store,
    rows: tuple[ItemResult, ...],
    dialects: tuple[str, str],
    mode: Thinking,
    name: str,
    find: _Find,
) -> _Again:
    """Grade the replies behind the items of a report again."""
    questions = []
    tasks = {task: find(task) for task in {row.task for row in rows}}
    for row in rows:
        item = store.item(row.item_id)
        task = tasks.get(item.task) if item else None
        if item is None or task is None:
            what = f"item {row.item_id} is not in the evidence, or its task is not known here"
            return _Again([], (), [f"report {name}: {what}"])
        questions.append(Question(task, item))
    sides: list[dict[str, Kept]] = []
    for side, replies in (
        ("base", {row.item_id: row.base for row in rows}),
        ("student", {row.item_id: row.student for row in rows}),
    ):
        found = {item_id: (reply.key, _completion(store, reply)) for item_id, reply in replies.items()}
        missing = sum(completion is None for _, completion in found.values())
        if missing:
            return _Again([], (), [f"report {name}: {missing} replies of the {side} are not in the evidence"])
        sides.append({i: Kept(key, c) for i, (key, c) in found.items() if c is not None})
    return _Again(questions, collect_items(questions, sides[0], sides[1], dialects, mode), [])


def _completion(store: Store, reply: Reply) -> Completion | None:
    """The stored reply; a failure of the engine has none and stands in the report alone."""
    if reply.status is Status.ENGINE_ERROR:
        return Completion(finish=Finish.ERROR, error=reply.reason)
    return store.completion(reply.key)


def _compare(
    result: AuditResult, again: _Again, swapped: _Again, taught: tuple[ItemResult, ...], name: str
) -> list[str]:
    problems = []
    questions, items = again.questions, again.items
    made, shown = (*items, *swapped.items, *taught), (*result.items, *result.swapped, *result.taught)
    changed = sum(_key(a) != _key(b) for a, b in zip(made, shown, strict=True))
    if changed:
        problems.append(f"report {name}: {changed} of {len(shown)} items do not follow from the evidence")
    courses = {row.capability: row.course for row in result.capabilities if row.course}
    try:
        capabilities = summarise(
            items,
            {question.task.name: question.task.chance for question in questions},
            margin=result.spec.margin,
            alpha=result.spec.alpha,
            courses=courses,
            floor=result.floor,
        )
    except ValueError as error:
        return [*problems, f"report {name}: its looks do not fit its items: {error}"]
    # Compared as canonical JSON: a float read back from JSON is the same float.
    same = canonical_json(capabilities) == canonical_json(result.capabilities)
    if not same or overall(capabilities) is not result.verdict:
        problems.append(f"report {name}: the verdicts do not follow from the evidence")
    # A task with a way of its own says nothing of how the others were scored.
    own = {question.task.name for question in questions if question.task.method}
    tables = derived_tables(
        questions,
        items,
        swapped.items,
        courses,
        choice_method=next((row.method for row in result.tasks if row.method and row.task not in own), ""),
        margin=result.spec.margin,
        alpha=result.spec.alpha,
    )
    problems += [
        f"report {name}: the table of {part} does not follow from the evidence"
        for part, table in tables.items()
        if canonical_json(table) != canonical_json(getattr(result, part))
    ]
    if result.drift and (loose := follows(items, result.drift)):
        problems.append(f"report {name}: {loose}")
    if result.style and find_spec("sklearn") and not _style_follows(result, items, taught):
        problems.append(f"report {name}: the comparison of styles does not follow from the evidence")
    return problems


def _style_follows(result: AuditResult, items: Sequence[ItemResult], taught: Sequence[ItemResult]) -> bool:
    """Whether the comparison of styles comes out the same, but for the last digits of its fit."""
    teacher = result.style.teacher if result.style else ""
    made = style_shift(items, taught, teacher, alpha=result.spec.alpha)
    return _near(*(json.loads(canonical_json(shift)) for shift in (made, result.style)))


def _near(one: object, other: object) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_near(one[key], other[key]) for key in one)
    if isinstance(one, float) and isinstance(other, float | int):
        return math.isclose(one, other, rel_tol=_LAST_DIGITS, abs_tol=_LAST_DIGITS)
    return one == other


def _key(item: ItemResult) -> str:
    return canonical_json(item)
