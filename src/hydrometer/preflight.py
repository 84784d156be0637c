"""Is the setup comparable? Template, sampling, precision, engine and identity, before any item is asked.

A difference that the user did not declare makes the run invalid instead of making a score.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hydrometer.errors import UsageError
from hydrometer.items import Decoding, Thinking
from hydrometer.provenance import ModelIdentity
from hydrometer.result import Finding, Standing
from hydrometer.sampling import Sampling
from hydrometer.templates.render import switches_thinking

_CURES = {
    "template": (
        "the two models would be asked in different formats: --template base renders both with the base's, "
        "--allow template audits each as it is downloaded, --template 2x2 also tells template and weights apart"
    ),
    "precision": "a difference could come from the quantisation: compare files of one type, or --allow precision",
    "engine": "a difference could come from the engine: use one for both, or --allow engine",
    "tokenizer": "token counts and choice scores would be in different units: --allow tokenizer if that is meant",
    "context": "one model would see longer texts than the other: set --context, or --allow context",
}


def compare_setups(
    base: ModelIdentity,
    student: ModelIdentity,
    *,
    references: tuple[str, str],
    samplings: tuple[Sampling, Sampling],
    allow: Collection[str],
) -> tuple[Finding, ...]:
    """Compare the two sides, aspect by aspect.

    Args:
        base: Identity of the base.
        student: Identity of the student.
        references: Both models as the user wrote them.
        samplings: Decoding settings of both and their sources.
        allow: Aspects whose difference the user declared.
    """
    findings = [
        _identity(base, student, references, allow),
        *_served(base, student, allow),
        _aspect("engine", _engine(base), _engine(student), allow),
        _aspect("precision", base.precision, student.precision, allow),
        _aspect("tokenizer", base.tokenizer, student.tokenizer, allow),
        _aspect("template", base.template, student.template, allow),
        _aspect("context", _window(base), _window(student), allow),
        _sampling(*samplings),
        _note("architecture", base.architecture, student.architecture),
        _note("think dialect", base.dialect, student.dialect),
        _note("adapter", base.adapter or "none", student.adapter or "none"),
    ]
    return tuple(findings)


def check_thinking(mode: Thinking, templates: Sequence[tuple[str, str]]) -> None:
    """Refuse to switch thinking where a template cannot: the leg would have the name of one and be another.

    Args:
        mode: What is asked of the templates.
        templates: Name of each model and the source of the template that it is asked with, `""` if it cannot be seen.

    Raises:
        UsageError: A template has no such switch.
    """
    without = [label for label, source in templates if not switches_thinking(source)]
    if mode is Thinking.DEFAULT or not without:
        return
    other = " --template base or student renders both with one that has it," if len(without) < len(templates) else ""
    msg = (
        f"the chat template of {' and of '.join(without)} has no thinking switch, so --thinking {mode.value} would "
        f"change nothing in it:{other} --thinking default asks each as its template does"
    )
    raise UsageError(msg)


def is_valid(findings: Collection[Finding]) -> bool:
    """Whether no undeclared difference was found."""
    return all(finding.standing is not Standing.UNDECLARED for finding in findings)


def _identity(
    base: ModelIdentity, student: ModelIdentity, references: tuple[str, str], allow: Collection[str]
) -> Finding:
    # Two names of one server have two identities, but the same replies.
    prints = base.details.get("fingerprint", ""), student.details.get("fingerprint", "")
    if base.weights != student.weights and not (prints[0] and prints[0] == prints[1]):
        return Finding(
            aspect="identity",
            base=base.weights,
            student=student.weights,
            standing=Standing.EQUAL,
            message="two different models, as they should be",
        )
    if references[0] == references[1]:
        return Finding(
            aspect="identity",
            base=base.weights,
            student=student.weights,
            standing=Standing.NOTE,
            message="the same model was given twice: this run shows the noise floor, not a distillation",
        )
    what = (
        "both addresses serve the same model"
        if base.engine == "http"
        else "both references hold the same weights"
    )
    return Finding(
        aspect="identity",
        base=base.weights,
        student=student.weights,
        standing=Standing.DECLARED if "identity" in allow else Standing.UNDECLARED,
        message=f"{what}: nothing would be compared; check what is served, or --allow identity",
    )


def _served(base: ModelIdentity, student: ModelIdentity, allow: Collection[str]) -> list[Finding]:
    """Servers that answer under another name than they were asked for."""
    findings = []
    for side in (base, student):
        asked, served = side.details.get("asked_model", ""), side.details.get("served_model", "")
        if not asked or not served or _plain(asked) == _plain(served):
            continue
        findings.append(
            Finding(
                aspect="served model",
                base=f"{asked} -> {served}" if side is base else "",
                student=f"{asked} -> {served}" if side is student else "",
                standing=Standing.DECLARED if "identity" in allow else Standing.UNDECLARED,
                message=f"asked for {asked!r}, served {served!r}: name the served one, or --allow identity",
            )
        )
    return findings


def _plain(name: str) -> str:
    """A model name without folder, tag and file ending, which servers add and drop at will."""
    return name.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".gguf").removesuffix(":latest").lower()


def _aspect(aspect: str, base: str, student: str, allow: Collection[str]) -> Finding:
    if base == student:
        return Finding(
            aspect=aspect, base=base or "not visible", student=base or "not visible", standing=Standing.EQUAL
        )
    if not base or not student:
        return Finding(
            aspect=aspect,
            base=base or "not visible",
            student=student or "not visible",
            standing=Standing.NOTE,
            message=f"the {aspect} of one side cannot be seen, so it cannot be compared",
        )
    standing = Standing.DECLARED if aspect in allow else Standing.UNDECLARED
    return Finding(aspect=aspect, base=base, student=student, standing=standing, message=_CURES[aspect])


def _note(aspect: str, base: str, student: str) -> Finding:
    standing = Standing.EQUAL if base == student else Standing.NOTE
    return Finding(
        aspect=aspect, base=base or "not visible", student=student or "not visible", standing=standing
    )


def _sampling(base: Sampling, student: Sampling) -> Finding:
    # Vendors ask for different settings; each model then runs as its maker says, and both are shown.
    standing = Standing.EQUAL if base.decoding == student.decoding else Standing.DECLARED
    return Finding(
        aspect="sampling",
        base=_words(base.decoding, base.source),
        student=_words(student.decoding, student.source),
        standing=standing,
    )


def _words(decoding: Decoding, source: str) -> str:
    if decoding.greedy:
        return source
    parts = [f"T {decoding.temperature:g}", f"top-p {decoding.top_p:g}", f"top-k {decoding.top_k}"]
    if decoding.min_p:
        parts.append(f"min-p {decoding.min_p:g}")
    if decoding.presence_penalty:
        parts.append(f"presence {decoding.presence_penalty:g}")
    if decoding.repetition_penalty != 1.0:
        parts.append(f"repetition {decoding.repetition_penalty:g}")
    return f"{', '.join(parts)} ({source})"


def _engine(identity: ModelIdentity) -> str:
    return f"{identity.engine} {identity.engine_version}".strip()


def _window(identity: ModelIdentity) -> str:
    return str(identity.context_length) if identity.context_length else ""
