"""Scores in `.eval_results` beside a card: the hub's format, what this package writes, and files that are none."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))
sys.path.insert(0, str(Path(__file__).parents[1]))

import sample

from hydrometer.checkpoint.hub import HubFolder
from hydrometer.claims import opening
from hydrometer.claims.eval_results import FOLDER
from hydrometer.claims.evidence import answer
from hydrometer.claims.model import BASE, STUDENT, Answer, ClaimKind
from hydrometer.claims.opening import dump_claims, load_claims, open_card
from hydrometer.errors import CardError
from hydrometer.report.faces import FACES
from range_server import serving

BOMB = "- &a [x, x]\n" + "\n".join(f"- &b{i} {{<<: [*a, *a]}}" for i in range(30))


def write(folder: Path, text: str, name: str = "scores.yaml") -> None:
    (folder / ".eval_results").mkdir(exist_ok=True)
    (folder / ".eval_results" / name).write_text(text, encoding="utf-8")


def test_what_the_report_writes_is_read_back(tmp_path: Path) -> None:
    result = sample.sample()
    name, make = FACES["eval-results"]
    write(tmp_path, make(result), Path(name).name)
    card = open_card(str(tmp_path))
    rows = [row for row in result.capabilities if row.estimate.n]
    assert not card.unread
    assert len(card.claims) == 2 * len(rows) > 0
    found = {(claim.subject, claim.of): claim for claim in card.claims}
    for row in rows:
        for of, share in ((STUDENT, row.estimate.student), (BASE, row.estimate.base)):
            claim = found[row.capability.replace("_", " "), of]
            assert claim.value == pytest.approx(share, abs=5.1e-5)
            assert claim.items == row.estimate.n
    assert load_claims(dump_claims(card), card.source).claims == card.claims


def test_a_score_of_half_a_percent_is_read_back_as_one(tmp_path: Path) -> None:
    note = "accuracy in %, 200 pairs; against its base x at 0.50 %: worse"
    write(tmp_path, f"- dataset: {{id: hydrometer/quick, task_id: arithmetic}}\n  value: 0.5\n  notes: '{note}'\n")
    assert [claim.value for claim in open_card(str(tmp_path)).claims] == [0.005, 0.005]


def test_scores_stand_behind_the_card_and_are_checked_with_it(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("HumanEval 95.12 %.\n", encoding="utf-8")
    write(
        tmp_path,
        "- dataset: {id: openai/openai_humaneval, task_id: humaneval}\n  value: 96.91\n"
        "- dataset: {id: Idavidrein/gpqa, task_id: gpqa_diamond}\n  value: 0.412\n  notes: 5-shot\n",
    )
    for given in (tmp_path, tmp_path / "README.md"):
        rows = answer(open_card(str(given)))
        assert [(row.claim.subject, row.claim.value, row.claim.line) for row in rows] == [
            ("humaneval", 0.9512, 1), ("humaneval", 0.9691, 1), ("gpqa_diamond", 0.412, 3),
        ]  # fmt: skip
        assert rows[1].answer is Answer.IMPOSSIBLE
        assert "the card also gives 96.91 %" in " ".join(rows[0].reasons)
        assert rows[2].claim.settings == {"shots": "5"}
        assert all(row.claim.kind is ClaimKind.SCORE for row in rows)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BOMB, "YAML aliases"),
        ("a: [", "no list of scores"),
        ("dataset: {id: x}", "expected entries"),
        ("", "expected entries"),
        ("- 5", "no `dataset:`"),
        ("- {dataset: {id: a/b, task_id: zzz}, value: 5}", "no known benchmark"),
        ("- {dataset: {id: openai/gsm8k}, value: .nan}", "no percentage"),
        ("- {dataset: {id: openai/gsm8k}, value: many}", "no percentage"),
        ("- {dataset: {id: openai/gsm8k}, value: 1300}", "no percentage"),
        ("#" * 200_001, "more than 200,000 characters"),
        ("[" * 5000, "no list of scores"),
    ],
)
def test_files_that_are_no_scores_are_named_and_claim_nothing(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "README.md").write_text("Preserves coding.\n", encoding="utf-8")
    write(tmp_path, text)
    card = open_card(str(tmp_path))
    assert [claim.kind for claim in card.claims] == [ClaimKind.KEPT]
    assert any(reason in unread.reason and "scores.yaml" in unread.quote for unread in card.unread)


def test_a_folder_with_neither_is_no_card(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"no README.md"):
        open_card(str(tmp_path))


def test_scores_of_a_repository_on_the_hub_are_read_with_its_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    folder = tmp_path / "repo"
    (folder / FOLDER).mkdir(parents=True)
    (folder / FOLDER / "gsm8k.yaml").write_text("- dataset: {id: openai/gsm8k, task_id: gsm8k}\n  value: 91.2\n", encoding="utf-8")
    (folder / FOLDER / "bad.yaml").write_text("&a [*a]\n", encoding="utf-8")
    card = SimpleNamespace(content="---\nlicense: mit\n---\nMMLU 84.5 %.\n")
    with serving(folder) as server:
        monkeypatch.setattr(opening.ModelCard, "load", lambda *_, **__: card)
        monkeypatch.setattr(opening, "HubFolder", partial(HubFolder, endpoint=server.url))
        read = opening.open_card("org/name")
    assert [(claim.kind.value, claim.subject) for claim in read.claims] == [("licence", "mit"), ("score", "mmlu"), ("score", "gsm8k")]
    assert [unread.quote for unread in read.unread] == [f"{FOLDER}/bad.yaml"]
