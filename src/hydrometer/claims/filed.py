"""Claims answered with what the files of both models say: lineage, method and rank, parts, quantisation, context.

Files show what was done to weights, not how well it works: a window that a config names is there, and may be of no use.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from hydrometer.checkpoint.parts import Part
from hydrometer.claims.model import STUDENT, Answer, Checked, Claim, ClaimKind
from hydrometer.files import Question
from hydrometer.inspection import Inspection
from hydrometer.refs import parse_ref
from hydrometer.result import AuditResult
from hydrometer.surface.chain import is_meant, names_of

_Found = tuple[Answer, str] | None
_ANSWERS = {"confirmed": Answer.SUPPORTED, "contradicted": Answer.CONTRADICTED}
_UNTRAINED = ("none", "cast", "quantised copy")
_TRAINED = ("lora", "dense", "changed", "merge", "quantised fine-tune")
_LOW_RANK = ("lora", "qlora")
_LARGEST_RANK = 128
"""Ranks up to which the absence of one is shown."""
_WINDOW = re.compile(r"\bwindow of (?P<a>[\d,]+) tokens|\bwindow is said to be (?P<b>[\d,]+)|shrank from [\d,]+ to (?P<c>[\d,]+)")
_STRETCHED = re.compile(r"yarn|rope|extrapolat|extend|scal", re.IGNORECASE)
_ROUNDING = 1.025
"""128K of context are 131,072 tokens to some and 128,000 to others."""
_LOST = ("missing", "dropped", "incomplete")
_PART = re.compile(r"tower|encoder|weights|projector|MTP|heads?\b|tensors", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What the files of a pair say, as far as claims are about it.

    Attributes:
        is_base: Whether a name on a card means the base whose files were read.
        base: That base as the user gave it.
        student: The student as the user gave it.
        questions: What was asked of the files, with the answers.
        kind: What was done to the base, a word of `checkpoint.edits.Kind`; `""` where that was not asked.
        rank: Rank of a LoRA, 0 for none.
        dtype: Format that holds most of the student's bytes, `""` where it is not told.
        parts: The student's parts, empty where they are not told one by one.
    """

    is_base: Callable[[str], bool]
    base: str
    student: str
    questions: tuple[Question, ...]
    kind: str = ""
    rank: int = 0
    dtype: str = ""
    parts: tuple[Part, ...] = ()

    def asked(self, name: str) -> Question | None:
        """Return a question with its answer, None where it was not asked."""
        return next((question for question in self.questions if question.name == name), None)


def facts_of_audit(audit: AuditResult) -> FileFacts | None:
    """Return what an audit read in the files of its pair, None if it read nothing."""
    if audit.files is None or audit.files.skipped:
        return None
    audited = f"{audit.base.reference} {audit.base.identity.label}".lower()
    return FileFacts(
        is_base=lambda name: bool(last := name.rpartition("/")[2].lower()) and last in audited,
        base=audit.base.reference, student=audit.student.reference, questions=audit.files.questions,
        kind=audit.files.kind,
    )  # fmt: skip


def facts_of_inspection(found: Inspection, base: str, student: str) -> FileFacts:
    """Return what an inspection found.

    Args:
        found: The inspection.
        base: Reference of its base.
        student: Reference of its student.
    """
    ref = parse_ref(base)
    names = names_of(ref.target if ref.text.startswith("bundled:") else ref.text)
    edit = found.edit
    return FileFacts(
        is_base=lambda name: is_meant(name, names), base=base, student=student, questions=found.questions,
        kind=edit.kind if edit else "", rank=edit.rank if edit else 0, dtype=found.student.dtype,
        parts=found.ledger.parts,
    )  # fmt: skip


def with_facts(row: Checked, facts: FileFacts) -> Checked:
    """Return a claim with the answer of the files, unchanged where they have none.

    Args:
        row: The claim with the answer so far; one that is settled stays.
        facts: What the files say.
    """
    test = _TESTS.get(row.claim.kind)
    if test is None or row.answer is not Answer.UNPROVEN:
        return row
    found = test(row.claim, facts)
    if found is None:
        return row
    answer, words = found
    return row.because(answer, f"the files of both models: {words}")


def _lineage(claim: Claim, facts: FileFacts) -> _Found:
    asked = facts.asked("lineage")
    if not facts.is_base(claim.subject):
        return Answer.UNPROVEN, f"{facts.base} was read as the base, which is not known to be {claim.subject}"
    if asked is None or asked.answer not in _ANSWERS:
        return (Answer.UNPROVEN, asked.text) if asked else None
    relation = claim.settings.get("relation", "")
    wrong = {"quantized": ("lora", "dense"), "finetune": _UNTRAINED, "adapter": _UNTRAINED}.get(relation, ())
    edit = facts.asked("edit")
    if facts.kind in wrong and edit:
        return Answer.CONTRADICTED, f"not what `{relation}` says: {edit.text}"
    return _ANSWERS[asked.answer], asked.text


def _method(claim: Claim, facts: FileFacts) -> _Found:
    """A low rank shows in the files, and so does that nothing was trained; a loss or a way to merge does not."""
    edit = facts.asked("edit")
    if edit is None:
        return None
    rank = int(claim.value or 0)
    if facts.kind in _UNTRAINED:
        return Answer.CONTRADICTED, edit.text
    if claim.subject in _LOW_RANK and facts.kind == "lora":
        if not rank or rank == facts.rank:
            return Answer.SUPPORTED, edit.text
        if facts.rank > rank:
            return Answer.CONTRADICTED, f"rank {rank} is claimed: {edit.text}"
        return Answer.UNPROVEN, f"rank {rank} is claimed, of which so many may have stayed unused: {edit.text}"
    if claim.subject in _LOW_RANK and facts.kind == "dense" and rank <= _LARGEST_RANK:
        return (Answer.CONTRADICTED if rank else Answer.UNPROVEN), edit.text
    if claim.subject.startswith("full") and facts.kind in {"lora", "dense"}:
        return (Answer.SUPPORTED if facts.kind == "dense" else Answer.CONTRADICTED), edit.text
    return Answer.UNPROVEN, edit.text


def _context(claim: Claim, facts: FileFacts) -> _Found:
    asked = facts.asked("settings")
    match = _WINDOW.search(asked.text) if asked else None
    if match is None or claim.value is None:
        return None
    window = int(next(number for number in match.groups() if number).replace(",", ""))
    words = f"a window of {window:,} tokens, claimed {claim.value:,.0f}"
    if claim.value <= window * _ROUNDING:
        return Answer.SUPPORTED, f"{words}; whether it is of use there only an audit shows"
    if _STRETCHED.search(claim.quote):
        return Answer.UNPROVEN, f"{words}; stretching it is a setting of the engine"
    return Answer.CONTRADICTED, words


def _kept(claim: Claim, facts: FileFacts) -> _Found:
    """A part that is gone is not kept; one that is there bit for bit is, where the claim is about the part itself."""
    name = "multi-token" if claim.subject == "mtp" else claim.subject
    part = next((part for part in facts.parts if name and part.name.startswith(name)), None)
    if part is None:
        return None
    words = f"{part.name} {part.state}, {part.student} of the base's {part.base} weights"
    if part.state in _LOST:
        return Answer.CONTRADICTED, words
    if part.state == "complete" and part.unmoved >= 1.0 and _PART.search(claim.quote):
        return Answer.SUPPORTED, f"{words}, all as in the base wherever they were compared"
    return None


def _quantisation(claim: Claim, facts: FileFacts) -> _Found:
    claimed, found = _bits(claim.subject), _bits(facts.dtype)
    if not claimed or not found:
        return None
    words = f"most of the student is stored as {facts.dtype}, claimed {claim.subject}"
    if claimed == found:
        return Answer.SUPPORTED, words
    # A mix of formats lies near the one that names it.
    far = max(claimed, found) >= 2 * min(claimed, found)
    return (Answer.CONTRADICTED if far else Answer.UNPROVEN), words


def _licence(claim: Claim, facts: FileFacts) -> _Found:
    """The licence against the base's. Whether terms allow another one is a lawyer's question: a conflict is told as a risk."""
    asked = facts.asked("licence")
    if asked is None or claim.of != STUDENT:
        return None
    if asked.answer == "confirmed":
        return Answer.SUPPORTED, asked.text
    return Answer.UNPROVEN, f"a risk: {asked.text}" if asked.answer == "contradicted" else asked.text


def _bits(name: str) -> int:
    """Bits of a format by its name, 0 where the name does not say: packed codes are stored as whole numbers."""
    match = re.search(r"(?<![a-z])(?:(?:ud-)?i?q|[bn]?v?m?x?fp?|int|nf)(\d{1,2})(?!\d)|\b(\d{1,2})-bits?\b", name.lower())
    return int(match[1] or match[2]) if match else 0


_TESTS: dict[ClaimKind, Callable[[Claim, FileFacts], _Found]] = {
    ClaimKind.LINEAGE: _lineage,
    ClaimKind.METHOD: _method,
    ClaimKind.CONTEXT: _context,
    ClaimKind.KEPT: _kept,
    ClaimKind.QUANTISATION: _quantisation,
    ClaimKind.LICENCE: _licence,
}
