"""Claims on top of the report: quoted as text, beside their evidence, and kept when the report is written again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import sample

from hydrometer.claims.card import read_card
from hydrometer.claims.evidence import answer
from hydrometer.claims.model import Answer, Card, Claim, ClaimKind
from hydrometer.files import FilesFound, Question
from hydrometer.report.claims_view import build_claims
from hydrometer.report.json_report import CLAIMS_NAME, write

CARD = "HumanEval 96.91 %, <script>alert(1)</script> really.\n\nFully preserves the base's reasoning.\n"


def test_claims_stand_on_top_and_survive_another_writing(tmp_path: Path) -> None:
    result, card = sample.sample(), read_card(CARD, "card")
    assert {claim.kind for claim in card.claims} == {ClaimKind.SCORE, ClaimKind.KEPT}
    write(result, tmp_path, card)
    first = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert first.index('id="claims-h"') < first.index('id="verdict-h"')
    assert "impossible" in first
    assert "it is 157 of 162" in first
    assert "<script>alert" not in first
    assert (tmp_path / CLAIMS_NAME).is_file()
    write(result, tmp_path)
    again = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert again.count('<span class="badge worse"') == first.count('<span class="badge worse"')
    assert 'id="claims-h"' in again


def test_a_report_without_a_card_speaks_of_no_claims(tmp_path: Path) -> None:
    write(sample.sample(), tmp_path)
    assert 'id="claims' not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_what_is_settled_comes_first_and_what_was_not_read_is_said() -> None:
    card = read_card(f"Our model is better at vision.\n\n{CARD}\n![benchmark chart](scores.png)\n", "card")
    view = build_claims(card, answer(card, sample.sample()))
    assert view.rows[0].answer in {"impossible", "contradicted"}
    assert view.rows[-1].answer == "unproven"
    assert "an image" in view.unread[0]


@pytest.mark.parametrize(
    ("said", "named", "expected"),
    [
        ("confirmed", "", Answer.SUPPORTED),
        ("contradicted", "", Answer.CONTRADICTED),
        ("insufficient", "", Answer.UNPROVEN),
        ("confirmed", "somebody/another-base", Answer.UNPROVEN),
    ],
)
def test_a_stated_base_is_answered_by_the_files(said: str, named: str, expected: Answer) -> None:
    result = sample.sample()
    files = FilesFound(questions=(Question(name="lineage", answer=said, text="9 of 9 rows"),))  # type: ignore[arg-type]
    label = result.base.identity.label
    claim = Claim(kind=ClaimKind.LINEAGE, subject=named or f"org/{label}")
    (row,) = answer(Card(source="card", claims=(claim,)), replace(result, files=files))
    assert row.answer is expected
    if expected is not Answer.UNPROVEN:
        assert "9 of 9 rows" in row.reasons[0]
