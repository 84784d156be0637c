"""Claims against an audit: equivalence, superiority, differences and lengths are each tested as what they are."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))

import sample

from hydrometer.claims import evidence
from hydrometer.claims.evidence import answer
from hydrometer.claims.model import BASE, STUDENT, Answer, Card, Claim, ClaimKind
from hydrometer.files import FilesFound
from hydrometer.planning import read_pilot
from hydrometer.result import AuditResult, TokenPrice

NAMES = {
    "worse": sample.WORSE,
    "better": sample.BETTER,
    "equivalent": sample.EQUIVALENT,
    "open": sample.NOT_ENOUGH,
}


def audit(ratio: tuple[float, float, float] = (0.7, 0.65, 0.76)) -> AuditResult:
    rows = tuple(replace(row, capability=name) for name, row in NAMES.items())
    price = TokenPrice(
        capability="", base=100.0, student=70.0, ratio=ratio[0], low=ratio[1], high=ratio[2], n=100,
        base_per_correct=None, student_per_correct=None,
    )  # fmt: skip
    return sample.sample(capabilities=rows, tokens=(price, replace(price, capability="open", low=0.3, ratio=0.4, high=0.5)))


def one(kind: ClaimKind, subject: str, value: float | None = None, **more: object) -> Answer:
    claim = Claim(kind=kind, subject=subject, value=value, **more)  # type: ignore[arg-type]
    (row,) = answer(Card(source="card", claims=(claim,)), audit())
    assert row.reasons or row.plan
    return row.answer


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        (ClaimKind.KEPT, "worse", Answer.CONTRADICTED),
        (ClaimKind.KEPT, "equivalent", Answer.SUPPORTED),
        (ClaimKind.KEPT, "better", Answer.SUPPORTED),
        (ClaimKind.KEPT, "open", Answer.UNPROVEN),
        (ClaimKind.KEPT, "", Answer.CONTRADICTED),
        (ClaimKind.BETTER, "better", Answer.SUPPORTED),
        (ClaimKind.BETTER, "equivalent", Answer.CONTRADICTED),
        (ClaimKind.BETTER, "worse", Answer.CONTRADICTED),
        (ClaimKind.BETTER, "open", Answer.UNPROVEN),
        (ClaimKind.KEPT, "vision", Answer.UNPROVEN),
    ],
)
def test_words_are_tested_as_what_they_are(kind: ClaimKind, name: str, expected: Answer) -> None:
    assert one(kind, name) is expected


@pytest.mark.parametrize(
    ("name", "claimed", "expected"),
    [
        ("better", 0.05, Answer.SUPPORTED),
        ("better", 0.12, Answer.UNPROVEN),
        ("better", 0.20, Answer.CONTRADICTED),
        ("worse", 0.02, Answer.CONTRADICTED),
        ("worse", -0.03, Answer.SUPPORTED),
        ("open", 0.05, Answer.UNPROVEN),
        ("open", 0.20, Answer.CONTRADICTED),
    ],
)
def test_a_difference_is_held_against_the_interval(name: str, claimed: float, expected: Answer) -> None:
    assert one(ClaimKind.DIFFERENCE, name, claimed) is expected


@pytest.mark.parametrize(
    ("claimed", "up_to", "expected"),
    [
        (0.8, False, Answer.SUPPORTED),
        (0.7, False, Answer.UNPROVEN),
        (0.5, False, Answer.CONTRADICTED),
        (0.5, True, Answer.SUPPORTED),
        (0.1, True, Answer.CONTRADICTED),
        (1.2, False, Answer.CONTRADICTED),
    ],
)
def test_lengths_and_up_to(claimed: float, up_to: bool, expected: Answer) -> None:
    assert one(ClaimKind.LENGTH, "reply length", claimed, up_to=up_to) is expected


def test_what_is_open_comes_with_a_plan_that_names_the_pair() -> None:
    (row,) = answer(Card(source="c", claims=(Claim(kind=ClaimKind.KEPT, subject="open"),)), audit())
    assert row.plan.startswith("hydrometer audit models/base.gguf")
    # The pairs that the report itself names for it, spread over its tasks.
    assert "--items 1810" in row.plan


def test_no_measurement_makes_a_percentage_possible() -> None:
    claim = Claim(kind=ClaimKind.SCORE, subject="humaneval", value=0.9691, digits=2)
    (row,) = answer(Card(source="c", claims=(claim,)), audit())
    assert row.answer is Answer.IMPOSSIBLE


def test_an_audit_that_is_not_comparable_answers_nothing() -> None:
    (row,) = answer(Card(source="c", claims=(Claim(kind=ClaimKind.KEPT, subject="worse"),)), sample.invalid())
    assert row.answer is Answer.NOT_COMPARABLE


@pytest.mark.parametrize("kind", ClaimKind)
@pytest.mark.parametrize("found", [None, audit(), replace(audit(), files=FilesFound(questions=()))])
def test_no_claim_is_unproven_without_a_word_why(kind: ClaimKind, found: AuditResult | None) -> None:
    for of in (BASE, STUDENT):
        claim = Claim(kind=kind, subject="vision", value=0.7, of=of)
        (row,) = answer(Card(source="c", claims=(claim,)), found)
        assert row.answer is Answer.UNPROVEN
        assert row.reasons or row.plan


def test_what_a_plan_takes_from_an_audit_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[AuditResult] = []
    monkeypatch.setattr(evidence, "read_pilot", lambda given: read.append(given) or read_pilot(given))
    claims = tuple(Claim(kind=ClaimKind.DIFFERENCE, subject="open", value=value / 100) for value in range(1, 6))
    assert all(row.plan for row in answer(Card(source="c", claims=claims), audit()))
    assert len(read) == 1


def test_a_plan_names_its_cost_as_far_as_it_was_measured() -> None:
    claim = Claim(kind=ClaimKind.KEPT, subject="code")
    (row,) = answer(Card(source="c", claims=(claim,)))
    assert "hydrometer audit BASE STUDENT --task code_functions --items" in row.plan
    assert "requests; tokens and time are unknown until a first audit" in row.plan
    found = audit()
    (row,) = answer(Card(source="c", claims=(replace(claim, subject="open"),)), found)
    pilot, pairs = read_pilot(found), 1810
    assert pilot.tokens_per_item
    assert f"{2 * pairs:,} requests, about {round(pairs * pilot.tokens_per_item):,} tokens" in row.plan
    assert "min as this audit ran" in row.plan or pilot.seconds_per_item is None


def test_a_benchmark_is_planned_with_the_harness_that_has_it() -> None:
    claim = Claim(kind=ClaimKind.SCORE, subject="gsm8k", value=0.9, settings={"shots": "5"})
    (row,) = answer(Card(source="c", claims=(claim,)))
    assert "--tasks gsm8k --num_fewshot 5" in row.plan
    assert "1,319 items, 2,638 requests" in row.plan
