"""The files of a pair inside an audit: read before anything is asked, and what that means for the setup.

A comparison with a base that the student does not come from is worth nothing, and so is one of a model with itself.
Both are settled by files in a second, so they are part of the setup like template and precision. What else the files
say (parts lost, a copy in another format) makes no setup invalid: it explains, and stands beside the verdict.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from hydrometer.checkpoint.opening import HUB
from hydrometer.checkpoint.weightmap import weight_map
from hydrometer.errors import HydrometerError, UnreadableModelError
from hydrometer.files import FilesFound
from hydrometer.inspection import Depth, Inspection, has_files, inspect_models
from hydrometer.progress import Progress
from hydrometer.result import Finding, Standing
from hydrometer.spec import AuditSpec, ModelRef, TemplatePolicy

_SCRIPTED = ("fake", "replay", "traces")
_COPIES = ("cast", "quantised copy")
_MEANT = ("context", "engine", "precision", "template", "tokenizer")
"""Differences that can be what an audit is about."""


def look_at_files(spec: AuditSpec, progress: Progress) -> FilesFound | None:
    """Read the files of a pair quickly: lineage, parts, and a few values of every weight.

    Args:
        spec: The audit; only its models are looked at.
        progress: Told about what is going on.

    Returns:
        What was found, or in `skipped` why nothing was read: that must not stop an audit, for the engine may well be
        able to read what the inspection refuses. None where there is nothing to say: inspection is switched off, the
        same model was given twice, or a side is no model but a script.
    """
    refs = (spec.base, spec.student)
    if not spec.inspect or spec.base == spec.student or any(ref.engine in _SCRIPTED for ref in refs):
        return None
    sides = [name for name, ref in zip(("base", "student"), refs, strict=True) if not has_files(ref)]
    if sides:
        return FilesFound(skipped=f"the {' and the '.join(sides)} is behind a server, whose files cannot be seen here")
    start = time.perf_counter()
    # From the far end of a network a glance at every weight would be hundreds of megabytes.
    depth: Depth = "quick" if any(_remote(ref) for ref in refs) else "glance"
    try:
        found = inspect_models(refs, depth=depth, progress=progress)
    except HydrometerError as error:
        return FilesFound(skipped=str(error), seconds=time.perf_counter() - start)
    return _carried(found, time.perf_counter() - start)


def refuse_harm(found: FilesFound | None, policy: TemplatePolicy) -> None:
    """Stop before a chat template that does harm is rendered for the first time.

    Args:
        found: What was read.
        policy: Whose template renders the requests.

    Raises:
        UnreadableModelError: One that would be used is unsafe.
    """
    lenders: dict[TemplatePolicy, tuple[str, ...]] = {
        TemplatePolicy.BASE: ("base",), TemplatePolicy.STUDENT: ("student",),
    }  # fmt: skip
    used = lenders.get(policy, ("base", "student"))
    if found is None or not set(found.unsafe) & set(used):
        return
    safe = next((side for side in ("base", "student") if side not in found.unsafe), "")
    cure = f"--template {safe} renders both with the {safe}'s" if safe else "--chat-template FILE names another"
    msg = f"nothing was asked: {found.text('template safety')}, or audit it without that template: {cure}"
    raise UnreadableModelError(msg)


def file_findings(
    found: FilesFound | None, references: tuple[str, str], allow: Collection[str]
) -> tuple[Finding, ...]:
    """Return what the files mean for the setup.

    Args:
        found: What was read.
        references: Both models as the user wrote them.
        allow: Differences that the user declared.
    """
    if found is None or found.skipped:
        return ()
    rows = [*_lineage(found, allow), *_training(found, allow)]
    rows += [
        (question.name, Standing.NOTE, question.text)
        for question in found.questions
        if question.name != "lineage" and question.answer in ("contradicted", "unsafe")
    ]
    base, student = references
    return tuple(
        Finding(aspect=aspect, base=base, student=student, standing=standing, message=message)
        for aspect, standing, message in rows
    )


def with_files(findings: Sequence[Finding], files: Sequence[Finding]) -> tuple[Finding, ...]:
    """Put what the files mean behind the setups compared; each aspect once, the graver finding.

    Args:
        findings: The setups compared.
        files: What the files mean.
    """
    grave = {f.aspect for f in findings if f.standing is not Standing.EQUAL}
    meant = any(f.aspect in _MEANT and f.standing is Standing.DECLARED for f in findings)
    kept = [_same_but(f) if meant else f for f in files if f.aspect not in grave]
    doubled = {f.aspect for f in kept}
    return (*(f for f in findings if f.aspect not in doubled), *kept)


def _same_but(finding: Finding) -> Finding:
    """The same weights are something to compare where another difference is declared: then that is what differs."""
    if finding.aspect != "identity" or finding.standing is not Standing.UNDECLARED:
        return finding
    message = "the files of both hold the same weights: what differs comes from the declared difference, not from them"
    return replace(finding, standing=Standing.NOTE, message=message)


def files_clause(found: FilesFound | None) -> str:
    """Return what a headline must say of the files, `""` where they say nothing that colours a verdict."""
    if found is None or found.skipped:
        return ""
    if found.answer("lineage") == "contradicted":
        return " By its files the student does not come from this base."
    if found.kind in _COPIES:
        return " By its files the student is the base in another format: nothing was trained."
    if found.same:
        same = "holds the same weights as the base" if found.whole else "is the base wherever both were read"
        return f" By its files the student {same}."
    return ""


def _lineage(found: FilesFound, allow: Collection[str]) -> Iterator[tuple[str, Standing, str]]:
    answer, text = found.answer("lineage"), found.text("lineage")
    if answer == "contradicted":
        standing = Standing.DECLARED if "lineage" in allow else Standing.UNDECLARED
        cure = "give the base that it was made from, or --allow lineage to compare two models that are not related"
        yield "lineage", standing, f"the student does not come from this base ({text}): {cure}"
    elif answer == "insufficient":
        yield "lineage", Standing.NOTE, f"the files do not show whether the student comes from this base: {text}"


def _training(found: FilesFound, allow: Collection[str]) -> Iterator[tuple[str, Standing, str]]:
    if found.kind in _COPIES:
        what = "the student is the base in another format, nothing was trained: what differs comes from the format"
        yield "training", Standing.NOTE, f"{what} ({found.text('edit')})"
    elif found.same and found.whole:
        standing = Standing.DECLARED if "identity" in allow else Standing.UNDECLARED
        what = f"the files of both hold the same weights, all {found.compared:,} values of them"
        yield "identity", standing, f"{what}: nothing would be compared; give the student's own, or --allow identity"
    elif found.same:
        yield "training", Standing.NOTE, f"no difference between the weights in the {found.compared:,} values read"


def _carried(found: Inspection, seconds: float) -> FilesFound:
    edit = found.edit
    changes = edit.changes if edit else ()
    return FilesFound(
        questions=found.questions,
        notes=(*found.ledger.faults[1:], *found.ledger.notes, *found.remarks, *(r.text for r in found.readings)),
        kind=edit.kind if edit else "",
        compared=sum(change.compared for change in changes),
        whole=bool(changes) and found.alike and all(change.compared == change.elements for change in changes),
        cells=weight_map(edit) if edit else (),
        seconds=seconds,
        unsafe=found.surface.unsafe,
    )


def _remote(ref: ModelRef) -> bool:
    return ref.text.startswith(HUB) or ref.adapter.startswith(HUB) or not Path(ref.target).exists()
