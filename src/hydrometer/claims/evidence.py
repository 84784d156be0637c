"""Claims answered with an audit: each is tested as what it is, against the same intervals that the audit shows."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from hydrometer.catalog import TASKS, load_task
from hydrometer.claims.arithmetic import check
from hydrometer.claims.benchmarks import PARTS, benchmarks
from hydrometer.claims.filed import FileFacts, facts_of_audit, with_facts
from hydrometer.claims.logged import LogFacts, is_void, results_for, why_unlike, with_score
from hydrometer.claims.model import BASE, STUDENT, Answer, Card, Checked, Claim, ClaimKind
from hydrometer.claims.trained import with_rows
from hydrometer.planning import PlanSpec, read_pilot
from hydrometer.result import AuditResult, CapabilityResult, Verdict
from hydrometer.stats.power import pairs_for_difference, pairs_for_equivalence

_ANSWERS = {
    ClaimKind.KEPT: {
        Verdict.WORSE: Answer.CONTRADICTED,
        Verdict.EQUIVALENT: Answer.SUPPORTED,
        Verdict.BETTER: Answer.SUPPORTED,
    },
    ClaimKind.BETTER: {
        Verdict.WORSE: Answer.CONTRADICTED,
        Verdict.EQUIVALENT: Answer.CONTRADICTED,
        Verdict.BETTER: Answer.SUPPORTED,
    },
}
_TESTED = (*_ANSWERS, ClaimKind.DIFFERENCE)
"""Kinds of claims about a capability."""
_SUPPOSED = PlanSpec()
"""What a plan supposes where nothing was measured."""
_LM_EVAL = (
    "mmlu", "mmlu_pro", "gsm8k", "humaneval", "humaneval_plus", "mbpp", "mbpp_plus", "arc_challenge", "arc_easy", "hellaswag", "winogrande",
    "ifeval", "bbh", "piqa", "boolq", "openbookqa",
)  # fmt: skip
"""Benchmarks that lm-eval knows by the same name."""
_FILED = (ClaimKind.LINEAGE, ClaimKind.METHOD, ClaimKind.CONTEXT, ClaimKind.QUANTISATION, ClaimKind.LICENCE)
"""Kinds of claims that only files answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Basis:
    """What plans are made from, read once for all claims.

    Attributes:
        pair: Base and student as a command names them.
        margin: Largest loss that still counts as equivalent.
        flips: Share of items on which the models differ, by capability, where it was measured.
        tokens: Tokens of both replies to an item, None where no audit measured them.
        seconds: Seconds of both models for an item, likewise.
    """

    pair: tuple[str, str]
    margin: float = _SUPPOSED.margin
    flips: Mapping[str, float]
    tokens: float | None = None
    seconds: float | None = None


def answer(
    card: Card,
    audit: AuditResult | None = None,
    files: FileFacts | None = None,
    logs: LogFacts | None = None,
    rows_of_data: int | None = None,
) -> tuple[Checked, ...]:
    """Return every claim with its answer: from arithmetic alone, and from an audit and files where there are any.

    Args:
        card: The claims.
        audit: A finished audit.
        files: What the files of both models say, where more is known than the audit read in them.
        logs: What logs of other harnesses say of both, or of the student alone.
        rows_of_data: Rows of the training data, None where they are not at hand.
    """
    basis = _basis(audit, files)
    checked = check(card)
    if audit is None:
        rows = [replace(row, plan=_plan(row.claim, basis)) for row in checked]
    else:
        rows = [_with_audit(row, audit, basis) for row in checked]
        files = files or facts_of_audit(audit)
    if logs is not None:
        rows = [_with_logs(row, logs, basis) for row in rows]
    if rows_of_data is not None:
        rows = [with_rows(row, rows_of_data) for row in rows]
    return tuple(_with_files(row, files) for row in rows)


def _with_logs(row: Checked, logs: LogFacts, basis: _Basis) -> Checked:
    """What an audit settled stays settled: its setup is known to be the same for both."""
    if row.answer is not Answer.UNPROVEN:
        return row
    if row.claim.kind is ClaimKind.SCORE:
        return with_score(row, logs)
    found = results_for(row.claim, logs) if row.claim.kind in _TESTED else []
    if row.claim.kind in _TESTED and logs.unlike and row.claim.subject:
        return row.because(Answer.NOT_COMPARABLE, f"the two logs: {logs.unlike}")
    if not found:
        return row
    if any(is_void(one) for one in found):
        return row.because(Answer.NOT_COMPARABLE, f"the two logs were not made alike: {why_unlike(logs)}")
    return _worst([_tested(row, one, basis) for one in found])


def _basis(audit: AuditResult | None, files: FileFacts | None) -> _Basis:
    if audit is None:
        return _Basis(pair=(files.base, files.student) if files else ("BASE", "STUDENT"), flips={})
    # As a plan takes it from this audit.
    pair = (audit.spec.base.text, audit.spec.student.text)
    if not any(found.estimate.n for found in audit.capabilities):
        return _Basis(pair=pair, margin=audit.spec.margin, flips={})
    pilot = read_pilot(audit)
    return _Basis(
        pair=pair, margin=audit.spec.margin, flips=pilot.discordance, tokens=pilot.tokens_per_item, seconds=pilot.seconds_per_item
    )


def _with_files(row: Checked, files: FileFacts | None) -> Checked:
    found = with_facts(row, files) if files else row
    if found.answer is not Answer.UNPROVEN:
        return replace(found, plan="")
    return found if found.reasons or found.plan else replace(found, reasons=(_silence(found.claim, files),))


def _silence(claim: Claim, files: FileFacts | None) -> str:
    """Why nothing was found for a claim or against it."""
    if claim.kind is ClaimKind.DATA:
        return "neither replies nor files show what a model was trained on"
    if claim.kind in _FILED:
        return "what was read of both models' files does not show it" if files else "the files of both models were not read"
    return "no other number on the card is at odds with it, and nothing here measured it"


def _with_audit(row: Checked, audit: AuditResult, basis: _Basis) -> Checked:
    if row.answer in {Answer.IMPOSSIBLE, Answer.NOT_COMPARABLE}:
        return row  # no measurement makes a number possible, or two settings one
    if audit.verdict is Verdict.INVALID:
        return row.because(Answer.NOT_COMPARABLE, "the audit's two setups were not comparable")
    if row.claim.kind is ClaimKind.LENGTH:
        return _length(row, audit, basis)
    own = [found for found in audit.capabilities if row.claim.subject in ("", _name(found))]
    if row.claim.kind not in _TESTED or not own:
        return replace(row, plan=_plan(row.claim, basis))
    return _worst([_tested(row, one, basis) for one in own])


def _tested(row: Checked, found: CapabilityResult, basis: _Basis) -> Checked:
    return (_difference if row.claim.kind is ClaimKind.DIFFERENCE else _in_words)(row, found, basis)


def _worst(found: Sequence[Checked]) -> Checked:
    """A claim about several capabilities holds where it holds for all of them."""
    order = (Answer.CONTRADICTED, Answer.UNPROVEN, Answer.SUPPORTED)
    return min(found, key=lambda one: order.index(one.answer))


def _in_words(row: Checked, found: CapabilityResult, basis: _Basis) -> Checked:
    """Kept is a claim of equivalence, better one of superiority: equivalence contradicts it as much as a loss does."""
    name = _name(found)
    answers = _ANSWERS[row.claim.kind]
    if found.verdict in answers:
        return _measured(row, found, answers[found.verdict], f"{name} is {found.verdict.value}")
    missing = "neither a loss nor equivalence is" if row.claim.kind is ClaimKind.KEPT else "no gain is"
    return _open(row, found, basis, f"{name}: {missing} shown")


def _difference(row: Checked, found: CapabilityResult, basis: _Basis) -> Checked:
    """A difference is contradicted by an interval that excludes it, and supported by a verdict in its direction that holds it."""
    name, claimed, estimate = _name(found), row.claim.value or 0.0, found.estimate
    rounding = 0.005 * 10.0**-row.claim.digits
    if not estimate.n:
        return _open(row, found, basis, f"{name}: no item was answered by both")
    beyond = (claimed > 0 and estimate.high < claimed - rounding) or (claimed < 0 and estimate.low > claimed + rounding)
    if beyond:
        return _measured(row, found, Answer.CONTRADICTED, f"{name}: the claimed {100 * claimed:+g} points lie outside")
    shown = found.verdict is (Verdict.BETTER if claimed > 0 else Verdict.WORSE)
    if shown and (estimate.low if claimed > 0 else -estimate.high) >= abs(claimed) - rounding:
        return _measured(row, found, Answer.SUPPORTED, f"{name}: at least the claimed {100 * claimed:+g} points")
    return _open(row, found, basis, f"{name}: the claimed {100 * claimed:+g} points are neither shown nor excluded")


def _length(row: Checked, audit: AuditResult, basis: _Basis) -> Checked:
    """A length ratio against the interval of the mean log-ratio; "up to" against the capability that comes nearest."""
    prices = [price for price in audit.tokens if price.n and (bool(price.capability) == row.claim.up_to)]
    if not prices or row.claim.value is None:
        return replace(row, plan=_plan(row.claim, basis))
    claimed, rounding = row.claim.value, 0.005 * 10.0**-row.claim.digits
    best = min(prices, key=lambda price: price.low) if claimed < 1 else max(prices, key=lambda price: price.high)
    where = f" on {best.capability.replace('_', ' ')}" if best.capability else ""
    words = f"replies are x{best.ratio:.2f} [{best.low:.2f}, {best.high:.2f}] as long{where}, claimed x{claimed:.2f}"
    row = replace(row, low=best.low, high=best.high)
    short = claimed < 1
    if (best.low > claimed + rounding) if short else (best.high < claimed - rounding):
        return row.because(Answer.CONTRADICTED, words)
    if (best.high <= claimed + rounding) if short else (best.low >= claimed - rounding):
        return row.because(Answer.SUPPORTED, words)
    return replace(row.because(Answer.UNPROVEN, words), plan=_plan(row.claim, basis))


def _measured(row: Checked, found: CapabilityResult, how: Answer, lead: str) -> Checked:
    estimate = found.estimate
    words = (
        f"{lead}: {100 * estimate.difference:+.1f} points [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}] on "
        f"{estimate.n:,} pairs"
    )
    return replace(
        row.because(how, words), low=estimate.low, high=estimate.high, items=tuple(found.tasks), plan=""
    )


def _open(row: Checked, found: CapabilityResult, basis: _Basis, lead: str) -> Checked:
    return replace(_measured(row, found, Answer.UNPROVEN, lead), plan=_plan(row.claim, basis, found))


def _plan(claim: Claim, basis: _Basis, found: CapabilityResult | None = None) -> str:
    """Return what would settle a claim, `""` where nothing here can."""
    if claim.subject in benchmarks():
        return _plan_of_benchmark(claim)
    if claim.kind not in {*_TESTED, ClaimKind.LENGTH} or (claim.subject in PARTS and claim.kind is ClaimKind.KEPT):
        return ""
    flips = basis.flips.get(found.capability if found else "", _SUPPOSED.discordance)
    if claim.kind is ClaimKind.DIFFERENCE and claim.value:
        pairs = pairs_for_difference(abs(claim.value), flips)
    else:
        # As the report plans it, where it does.
        needed = found.items_needed if found else None
        pairs = needed or pairs_for_equivalence(basis.margin, flips)
    tasks: Sequence[str] = found.tasks if found else _tasks_for(claim.subject)
    items = -(-pairs // max(len(tasks), 1))
    parts = ["hydrometer", "audit", *basis.pair, *(word for task in tasks for word in ("--task", task)), "--items", str(items)]
    return f"{shlex.join(parts)}  # some {pairs:,} pairs: {_cost(pairs, basis)}"


@cache
def _tasks_for(subject: str) -> tuple[str, ...]:
    """Tasks of this package that test a capability; none where there is none, and an audit of all of them is proposed."""
    if subject == "safety":
        return "harmless_requests", "harmful_requests"
    return tuple(name for name in TASKS if subject and load_task(name).capability == subject)


def _cost(pairs: int, basis: _Basis) -> str:
    """Requests, tokens and time of so many pairs, as far as an audit measured what one takes."""
    requests = f"{2 * pairs:,} requests"
    if basis.tokens is None and basis.seconds is None:
        return f"{requests}; tokens and time are unknown until a first audit (--audit DIR) measured them"
    tokens = f", about {round(pairs * basis.tokens):,} tokens" if basis.tokens is not None else ""
    minutes = f", about {max(1, round(pairs * basis.seconds / 60)):,} min as this audit ran" if basis.seconds is not None else ""
    return f"{requests}{tokens}{minutes}"


def _plan_of_benchmark(claim: Claim) -> str:
    """How to measure a published benchmark again: this package has no items of it, so a harness asks and `--log` judges."""
    known = benchmarks().get(claim.subject)
    if known is None or claim.of not in {STUDENT, BASE} or claim.subject not in _LM_EVAL:
        return ""
    items = max(known.sizes.values())  # all of them: the few that a card may state settle nothing
    shots = claim.settings.get("shots", "")
    few = f" --num_fewshot {shots}" if shots.isdecimal() else ""
    return (
        f"lm_eval --model hf --model_args pretrained=MODEL --tasks {claim.subject}{few} --log_samples --output_path MODEL_LOG, for both models; then "
        f"hydrometer claims CARD --log BASE_LOG --log STUDENT_LOG  # {items:,} items, {2 * items:,} requests; tokens and time are not known here"
    )


def _name(found: CapabilityResult) -> str:
    return found.capability.replace("_", " ")
