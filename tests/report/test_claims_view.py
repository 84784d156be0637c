"""Claims on top of the report: quoted as text, beside their evidence, and kept when the report is written again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import sample
from typer.testing import CliRunner

from hydrometer.claims.card import read_card
from hydrometer.claims.evidence import answer
from hydrometer.claims.model import Answer, Card, Claim, ClaimKind
from hydrometer.cli.main import app
from hydrometer.files import FilesFound, Question
from hydrometer.report import json_report
from hydrometer.report.claims_view import build_claims
from hydrometer.report.html import render_pages
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


def test_an_audit_with_a_card_writes_its_report_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = tmp_path / "card.md"
    card.write_text(CARD, encoding="utf-8")
    written: list[object] = []
    monkeypatch.setattr(json_report, "render_pages", lambda *a, **k: written.append(a) or render_pages(*a, **k))
    pair = ("fake:echo", "fake:echo?seed=1")
    small = ("--task", "arithmetic", "--items", "4", "--fixed")
    done = CliRunner().invoke(app, ["audit", *pair, *small, "--card", str(card), "--out", str(tmp_path / "out")])
    assert "1 impossible" in done.output
    (page,) = (tmp_path / "out").glob("*/report.html")
    assert page.read_text(encoding="utf-8").count('id="claims-h"') == 1
    assert (page.parent / CLAIMS_NAME).is_file()
    assert len(written) == 1
