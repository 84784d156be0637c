"""Were two logs made alike? Every aspect that both state is compared, task by task.

As in an audit, a difference that changes the question makes a task not comparable until it is declared; one that
may be meant (each model decodes as its maker says) is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from hydrometer.logs.base import TaskLog
from hydrometer.result import Finding, Standing

ALLOWABLE = ("few-shots", "template", "version")
"""Differences that may be declared with `--allow`."""

_CURES = {
    "task version": (
        "version",
        "the task itself may have changed: run both on one version, or --allow version",
    ),
    "few-shots": ("few-shots", "the models saw different numbers of examples: --allow few-shots if meant"),
    "chat template": ("template", "the models were asked in different formats: --allow template if meant"),
    "system prompt": ("template", "the models had different instructions: --allow template if meant"),
    "multi-turn few-shots": ("template", "examples were formatted differently: --allow template if meant"),
    "prompts": (
        "template",
        "the same items reached the models as different texts: --allow template if meant",
    ),
}

_SHOWN = {
    "generation": "settings of decoding differ: a difference in score could come from them",
    "limit": "one log covers fewer items; only those in both are compared",
    "epochs": "means over different numbers of answers are compared",
    "log status": "a run that did not finish left items out, perhaps not at random",
}


def compare_setups(
    base: Mapping[str, TaskLog],
    student: Mapping[str, TaskLog],
    *,
    models: tuple[str, str],
    allow: Sequence[str],
) -> tuple[tuple[Finding, ...], frozenset[str]]:
    """Compare the setups of all common tasks.

    Args:
        base: Tasks of the base's log.
        student: Tasks of the student's log.
        models: Names of both models, `""` if not stated.
        allow: Declared differences.

    Returns:
        The findings, equal ones of several tasks joined, and the tasks that are not comparable.
    """
    rows: dict[Finding, list[str]] = {}
    invalid = set()
    for name in base:
        if name not in student:
            continue
        for finding in _compare(base[name], student[name], allow):
            rows.setdefault(finding, []).append(name)
            if finding.standing is Standing.UNDECLARED:
                invalid.add(name)
    common = sum(name in student for name in base)
    findings = [*_models(models), *_lone(base, student)]
    findings += [_joined(finding, names, common) for finding, names in rows.items()]
    return tuple(findings), frozenset(invalid)


def _compare(base: TaskLog, student: TaskLog, allow: Sequence[str]) -> Iterable[Finding]:
    causes = []
    for aspect in dict.fromkeys([*base.setup, *student.setup]):
        finding = _aspect(aspect, base.setup.get(aspect, ""), student.setup.get(aspect, ""), allow)
        if finding.standing in (Standing.DECLARED, Standing.UNDECLARED):
            causes.append(finding.standing)
        yield finding
    common = [(tally, student.items[key]) for key, tally in base.items.items() if key in student.items]
    both = [(b.prompt, s.prompt) for b, s in common if b.prompt and s.prompt]
    differ = sum(b != s for b, s in both)
    if both:
        shown = ("as logged", f"{differ:,} of {len(both):,} differ") if differ else ("equal", "equal")
        # Other examples or another template make other prompts: who declared the cause declared these as well.
        explained = bool(causes) and set(causes) == {Standing.DECLARED}
        yield _aspect("prompts", *shown, ("template",) if explained else allow)


def _aspect(aspect: str, base: str, student: str, allow: Sequence[str]) -> Finding:
    values = {"aspect": aspect, "base": base or "not stated", "student": student or "not stated"}
    if base == student:
        return Finding(**values, standing=Standing.EQUAL)
    if not base or not student:
        return Finding(**values, standing=Standing.NOTE, message=f"one log does not state the {aspect}")
    if aspect in _CURES:
        name, message = _CURES[aspect]
        if name in allow:
            return Finding(**values, standing=Standing.DECLARED, message=message.split(":")[0])
        return Finding(**values, standing=Standing.UNDECLARED, message=message)
    return Finding(**values, standing=Standing.NOTE, message=_SHOWN.get(aspect, ""))


def _models(models: tuple[str, str]) -> list[Finding]:
    if not models[0] or models[0] != models[1]:
        return []
    message = "both logs name the same model: with one model twice this shows the noise, not a distillation"
    return [
        Finding(aspect="model", base=models[0], student=models[1], standing=Standing.NOTE, message=message)
    ]


def _lone(base: Mapping[str, TaskLog], student: Mapping[str, TaskLog]) -> Iterable[Finding]:
    lone = [
        ", ".join(f"{name} ({len(task.items):,} items)" for name, task in mine.items() if name not in other)
        for mine, other in ((base, student), (student, base))
    ]
    if any(lone):
        yield Finding(
            aspect="tasks in one log only",
            base=lone[0] or "none",
            student=lone[1] or "none",
            standing=Standing.NOTE,
            message="left out: the other model was not asked them",
        )


def _joined(finding: Finding, names: Sequence[str], common: int) -> Finding:
    """Name the tasks of a finding that is not true of all."""
    if len(names) == common or finding.standing is Standing.EQUAL:
        return finding
    where = f"in {', '.join(names)}"
    return Finding(
        aspect=finding.aspect,
        base=finding.base,
        student=finding.student,
        standing=finding.standing,
        message=f"{finding.message} ({where})" if finding.message else where,
    )
