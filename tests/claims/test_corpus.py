"""Claims of a labelled corpus of cards: precision and recall, and no claim invented."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from hydrometer.claims.card import read_card
from hydrometer.claims.model import BASE, STUDENT, Claim

CORPUS: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "corpus.yaml").read_text(encoding="utf-8"))


def same(claim: Claim, label: list[Any]) -> bool:
    kind, subject, value, of = label
    if (claim.kind.value, claim.subject) != (kind, subject):
        return False
    if of == "other":
        return claim.of not in {STUDENT, BASE}
    return claim.of == of and (value is None or claim.value == pytest.approx(value, abs=6e-4, rel=1e-4))


def compared(card: dict[str, Any]) -> tuple[list[list[Any]], list[Claim], list[list[Any]]]:
    """Labels that were found, claims that no label has, labels that were missed."""
    left = list(read_card(card["text"], card.get("models", {}).get("student", "card")).claims)
    found, missed = [], []
    for label in card["claims"]:
        match = next((claim for claim in left if same(claim, label)), None)
        if match is None:
            missed.append(label)
        else:
            left.remove(match)
            found.append(label)
    return found, left, missed


def test_the_corpus_is_large_and_labelled() -> None:
    assert len(CORPUS) >= 40
    assert sum(len(card["claims"]) for card in CORPUS) >= 100


def test_precision_and_recall() -> None:
    results = [compared(card) for card in CORPUS]
    found, invented, missed = (sum(len(result[i]) for result in results) for i in range(3))
    assert found / (found + invented) >= 0.95, [c for r in results for c in r[1]]
    assert found / (found + missed) >= 0.85, [c for r in results for c in r[2]]
    said = (Path(__file__).parents[2] / "docs" / "claims.md").read_text(encoding="utf-8")
    figures = f"precision {found / (found + invented):.2f}, recall {found / (found + missed):.2f}"
    counts = f"{len(CORPUS)} cards written for the tests after published patterns, {found + missed} labelled claims"
    assert counts in " ".join(said.split())
    assert figures in " ".join(said.split())


@pytest.mark.parametrize("card", [c for c in CORPUS if not c["claims"]], ids=lambda c: str(c["name"]))
def test_nothing_is_invented(card: dict[str, Any]) -> None:
    assert not read_card(card["text"], "card").claims


@pytest.mark.parametrize("card", [c for c in CORPUS if c.get("unread")], ids=lambda c: str(c["name"]))
def test_what_cannot_be_read_is_said(card: dict[str, Any]) -> None:
    assert len(read_card(card["text"], "card").unread) == card["unread"]
