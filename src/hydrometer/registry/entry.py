"""What a registry knows of one audit: the few values that lists, filters and pages need, taken from its evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hydrometer.provenance import ModelIdentity
from hydrometer.registry.naming import audit_id, audit_name
from hydrometer.report import words
from hydrometer.report.names import model_name, plain
from hydrometer.result import AuditResult, CapabilityResult, Verdict
from hydrometer.verdict import headline, overall

SCHEMA_VERSION = 1
"""Version of an entry as JSON; raised whenever a field changes its meaning or goes away."""

Run = Literal["student", "base", "either", "unknown"]

_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "float64": 8}
"""Bytes of a number of each dtype in which a whole checkpoint may be loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model of a pair, as the engine that opened it says.

    Attributes:
        label: Its name.
        name: The same without quantisation; models are found together under it.
        weights: Digest of the weights, or of a server's fingerprint.
        quantisation: Weight format or dtype, `""` if unknown.
        family: Vendor's family, else the architecture, `""` if unknown.
        parameters: Number of parameters; None if unknown.
        weight_bytes: Memory that the weights take; None if unknown. Context and engine need more.
        weight_source: Where that number comes from: the size of the file, or parameters times bytes of the dtype.
        adapter: Whether an adapter is applied; its own bytes are not counted.
    """

    label: str
    name: str
    weights: str
    quantisation: str
    family: str
    parameters: int | None
    weight_bytes: int | None
    weight_source: Literal["file", "dtype", ""]
    adapter: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """The verdict on one capability; scores and differences in score units, 0.03 is 3 points.

    Attributes:
        name: Its name.
        base: Score of the base; None where no item was answered by both.
        student: Score of the student.
        difference: Student minus base.
        low: Lower end of the interval of the difference.
        high: Upper end.
        n: Pairs behind it.
        sentence: The finding in plain words.
    """

    name: str
    verdict: Verdict
    base: float | None
    student: float | None
    difference: float | None
    low: float | None
    high: float | None
    n: int
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Tokens of the student over tokens of the base, per item, over `n` items that both finished."""

    ratio: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """That digests, grades and verdicts were derived again from the raw replies, and all matched.

    Attributes:
        replies: Raw replies whose digests were checked.
        grades: Grades derived again.
        hydrometer: Version that did it.
    """

    replies: int
    grades: int
    hydrometer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One audit.

    Attributes:
        schema_version: Version of this structure.
        id: One per spec and pair of models, 16 hexadecimal digits.
        name: Name of its folder and bundle.
        content: Digest of its `report.json`.
        created: Start of the audit, ISO 8601 in UTC.
        suite: Named size of the audit.
        thinking: What was asked of templates that can switch thinking.
        margin: Largest loss that still counts as equivalent, in score units.
        items: Items asked.
        answered: Items that both models answered.
        verdict: The overall verdict.
        headline: It in one sentence, written from the verdicts below.
        run: Which of the two to run, going by the verdict alone.
        tokens: What the replies cost; None where nothing was generated.
        checked: What was derived again from the raw replies when the audit came in; None where that was not done.
        uploader: Name of the token it was uploaded with, `""` otherwise.
        signer: Public key whose owner signed the bundle, `ed25519:` and 64 digits; `""` where nobody did.
    """

    schema_version: int
    id: str
    name: str
    content: str
    created: str
    suite: str
    thinking: str
    margin: float
    items: int
    answered: int
    verdict: Verdict
    headline: str
    run: Run
    base: Model
    student: Model
    capabilities: tuple[Capability, ...]
    tokens: Tokens | None
    checked: Check | None = None
    uploader: str = ""
    signer: str = ""

    @property
    def shorter(self) -> bool:
        """Whether the student's replies are shown to be shorter."""
        return self.tokens is not None and self.tokens.high < 1.0


def entry_of(
    result: AuditResult, content: str, *, checked: Check | None = None, uploader: str = "", signer: str = ""
) -> Entry:
    """Return the entry of an audit.

    Args:
        result: What the audit found.
        content: Digest of its `report.json`.
        checked: What was derived again.
        uploader: Who sent it.
        signer: Who signed it.
    """
    base, student = _model(result.base.identity), _model(result.student.identity)
    price = next((row for row in result.tokens if not row.capability and row.n), None)
    capabilities = tuple(_capability(row, result.spec.margin, plain(base.label)) for row in result.capabilities)
    # Not the words of the file: a sentence can be changed, and the verdicts would still be the right ones.
    sentence = (
        headline(result.capabilities, base.label, student.label) if result.capabilities else result.headline
    )
    # The worst capability decides, as in an audit; without any the audit says why.
    verdict = overall(result.capabilities) if result.capabilities else result.verdict
    return Entry(
        schema_version=SCHEMA_VERSION,
        id=audit_id(result),
        name=audit_name(result),
        content=content,
        created=words.line(result.created, 40),
        suite=words.line(result.spec.suite, 40),
        thinking=result.spec.thinking.value,
        margin=result.spec.margin,
        items=len(result.items),
        answered=sum(row.n for row in capabilities),
        verdict=verdict,
        headline=words.line(sentence, 1000),
        run=_run(verdict),
        base=base,
        student=student,
        capabilities=capabilities,
        tokens=Tokens(ratio=price.ratio, low=price.low, high=price.high, n=price.n) if price else None,
        checked=checked,
        uploader=words.line(uploader, 60),
        signer=signer,
    )


def _run(verdict: Verdict) -> Run:
    known: dict[Verdict, Run] = {
        Verdict.BETTER: "student",
        Verdict.WORSE: "base",
        Verdict.EQUIVALENT: "either",
    }
    return known.get(verdict, "unknown")


def _model(identity: ModelIdentity) -> Model:
    parameters = _whole(identity.details.get("parameters", ""))
    size, source = _weight_bytes(identity, parameters)
    return Model(
        label=words.line(identity.label, 80),
        name=model_name(identity.label),
        weights=words.line(identity.weights, 80),
        quantisation=words.line(identity.precision, 24),
        family=words.line(identity.family or identity.architecture, 40),
        parameters=parameters,
        weight_bytes=size,
        weight_source=source,
        adapter=bool(identity.adapter),
    )


def _weight_bytes(identity: ModelIdentity, parameters: int | None) -> tuple[int | None, Literal["file", "dtype", ""]]:
    """Bytes of the weights in memory, from what the engine recorded."""
    size = _whole(identity.details.get("file size", ""))
    if size:
        return size, "file"
    width = _BYTES.get(str(identity.settings.get("dtype", "")))
    # A checkpoint that is quantised besides has other widths than its dtype says.
    if parameters and width and identity.precision in _BYTES:
        return parameters * width, "dtype"
    return None, ""


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and 0 < len(text) < 17 and int(text) else None


def _capability(row: CapabilityResult, margin: float, base: str) -> Capability:
    found = row.estimate
    known = found.n > 0
    return Capability(
        name=words.name(row.capability),
        verdict=row.verdict,
        base=found.base if known else None,
        student=found.student if known else None,
        difference=found.difference if known else None,
        low=found.low if known else None,
        high=found.high if known else None,
        n=found.n,
        sentence=words.capability_sentence(row, margin, base),
    )
