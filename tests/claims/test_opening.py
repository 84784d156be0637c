"""Cards from files, and nonsense in place of cards: one clear line, no crash, no claim invented."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import gguf
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from commands import hydrometer
from hydrometer.claims.card import read_card
from hydrometer.claims.evidence import answer
from hydrometer.claims.model import Answer
from hydrometer.claims.opening import dump_claims, load_claims, open_card
from hydrometer.errors import CardError
from hydrometer.refs import bundled_adapter

BOMB = "---\na: &a [x,x]\n" + "\n".join(f"b{i}: &b{i} [*a,*a,*a]" for i in range(30)) + "\n---\n"


def test_the_bundled_card_is_read_where_it_stands() -> None:
    card = open_card(str(bundled_adapter()))
    lines = (bundled_adapter() / "README.md").read_text(encoding="utf-8").splitlines()
    kinds = [claim.kind.value for claim in card.claims]
    assert kinds.count("kept") == 3
    assert {"lineage", "difference", "length ratio", "method", "training data"} <= set(kinds)
    for claim in card.claims:
        if claim.line > 20:
            assert claim.quote.split()[0].strip("*").rstrip(":") in lines[claim.line - 1]


def test_claims_go_through_yaml_unchanged() -> None:
    card = open_card(str(bundled_adapter()))
    again = load_claims(dump_claims(card), card.source)
    assert again.claims == card.claims
    assert dump_claims(again) == dump_claims(card)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "aliases"),
        ("---\na: [1, 2\n---\n", "front matter is no YAML in line"),
        ("x" * 2_000_001, "no model card is longer"),
    ],
)
def test_cards_that_are_refused(text: str, message: str) -> None:
    with pytest.raises(CardError, match=message):
        read_card(text, "card")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "expected a list under"),
        ("claims: 3", "expected a list under"),
        ("claims: [{kind: wish}]", "claim 0.kind"),
        ("claims: [{kind: score, vlaue: 1}]", "claim 0.vlaue"),
        ("a: [", "is no YAML"),
        ("claims: [{kind: score, subject: gsm8k, value: .nan}]", "score nan: must lie between 0 and 1"),
        ("claims: [{kind: score, subject: gsm8k, value: 3}]", "score 3.0: must lie between 0 and 1"),
        ("claims: [{kind: difference, subject: code, value: .inf}]", "difference inf: must lie between -1 and 1"),
        ("claims: [{kind: length ratio, value: 0}]", "length ratio 0.0: must lie between"),
        ("claims: [{kind: score, value: 0.5, digits: -400}]", "digits -400"),
    ],
)
def test_claims_by_hand_say_where_they_are_wrong(text: str, message: str) -> None:
    with pytest.raises(CardError, match=message):
        load_claims(text, "claims.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "\u202eLUMM 99 %\u202c and [[[[" + "(" * 5000,
        "| MMLU |\n|---|\n" * 2000,
        "MMLU " + "9" * 100_000 + " %",
        "<table>" * 3000 + "<script>MMLU 99 %",
        "\x00\x1b[31m\ud800 MMLU",
        "from " * 20_000 + "5 to 6 on",
        "thinking " * 20_000 + "9 % shorter",
        "---\nmodel-index: [1, {results: 3}, {results: [{dataset: 5, metrics: [7]}]}]\nbase_model: {a: 1}\n---\n",
    ],
    ids=["marks", "heads", "digits", "tags", "controls", "from", "words", "metadata"],
)
def test_hostile_cards_are_read_quickly_and_claim_nothing(text: str) -> None:
    start = time.process_time()
    card = read_card(text, "card")
    assert time.process_time() - start < 10
    assert all(claim.kind.value != "score" for claim in card.claims)


@pytest.mark.parametrize("items", ["many", "0", "-5", "[1]", "99999999999999999999", "\u00b2"])
def test_a_number_of_items_that_is_none_is_none(items: str) -> None:
    meta = "---\nmodel-index:\n- name: x\n  results:\n  - dataset: {{name: GSM8K, args: {{items: {}}}}}\n    metrics: [{{value: 78.54}}]\n---\n"
    (row,) = answer(read_card(meta.format(items), "card"))
    assert row.claim.items == 0
    assert row.answer is Answer.UNPROVEN


def test_the_command_answers_and_writes(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("HumanEval 96.91 %. Preserves coding.\n", encoding="utf-8")
    done = hydrometer("claims", ".", "--json", "--write", "claims.yaml", cwd=tmp_path)
    assert done.returncode == 10, done.stderr
    answers = [row["answer"] for row in json.loads(done.stdout)["claims"]]
    assert answers == ["impossible", "unproven"]
    again = hydrometer("claims", "claims.yaml", cwd=tmp_path)
    assert again.returncode == 10
    assert "impossible: humaneval 96.91 % (student)" in again.stdout
    assert "2 claims of claims.yaml: 1 unproven, 1 impossible" in again.stdout


@pytest.mark.parametrize("given", ["nowhere.md", ".", "no/such", "text.gguf"])
def test_no_card_is_one_line(tmp_path: Path, given: str) -> None:
    (tmp_path / "text.gguf").write_text("no model")
    done = hydrometer("claims", given, cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_what_a_gguf_file_states_of_itself_is_read_as_front_matter_is(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "x.gguf", "llama")
    for key, value in (
        ("general.base_model.0.repo_url", "https://huggingface.co/a/base"), ("general.dataset.0.name", "Traces"), ("general.license", "Apache-2.0"),
    ):  # fmt: skip
        writer.add_string(key, value)
    writer.add_uint32("general.base_model.count", 1)
    writer.add_uint32("general.dataset.count", 1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    found = [(claim.kind.value, claim.subject) for claim in open_card(str(tmp_path / "x.gguf")).claims]
    assert found == [("lineage", "https://huggingface.co/a/base"), ("training data", "Traces"), ("licence", "apache-2.0")]
