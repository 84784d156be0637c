"""Claims against the files of a pair: what files show is answered with the deciding value, and nothing else is."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from commands import hydrometer
from hydrometer.checkpoint.parts import Part, State
from hydrometer.claims.evidence import answer
from hydrometer.claims.filed import FileFacts
from hydrometer.claims.model import Answer, Card, Checked, Claim, ClaimKind
from hydrometer.files import Question
from hydrometer.surface.answers import Answer as Said

WORDS = {
    "lora": "LoRA of rank 8 on q_proj", "dense": "dense training of q_proj", "none": "nothing: every value is the same",
    "changed": "changed", "quantised copy": "a quantised copy",
}  # fmt: skip


def facts(
    kind: str = "lora", lineage: Said = "confirmed", window: str = "a window of 8,192 tokens", dtype: str = "Q4_K",
    state: State = "complete", unmoved: float = 1.0, licence: Said = "confirmed",
) -> FileFacts:  # fmt: skip
    vision = Part(
        name="vision tower", promised=True, base=9, student=9 if state == "complete" else 0, state=state,
        unmoved=unmoved, grafted=False,
    )  # fmt: skip
    head = replace(vision, name="multi-token prediction")
    return FileFacts(
        is_base=lambda name: name == "a/base", base="base.gguf", student="my student.gguf", kind=kind, rank=8 if kind == "lora" else 0, dtype=dtype,
        parts=(vision, head),
        questions=(
            Question(name="lineage", answer=lineage, text="127 of 128 rows"),
            Question(name="licence", answer=licence, text="the card names mit, and the base is under gemma"),
            Question(name="edit", answer="confirmed", text=WORDS[kind]),
            Question(name="settings", answer="confirmed", text=f"rope base as in the base; {window}"),
        ),
    )  # fmt: skip


def ask(found: FileFacts, kind: ClaimKind, subject: str = "", value: float | None = None, **more: object) -> Checked:
    claim = Claim(kind=kind, subject=subject, value=value, **more)  # type: ignore[arg-type]
    (row,) = answer(Card(source="card", claims=(claim,)), None, found)
    return row


@pytest.mark.parametrize(
    ("kind", "method", "rank", "expected"),
    [
        ("lora", "lora", 8, Answer.SUPPORTED),
        ("lora", "qlora", None, Answer.SUPPORTED),
        ("lora", "lora", 4, Answer.CONTRADICTED),
        ("lora", "lora", 64, Answer.UNPROVEN),
        ("lora", "full fine-tuning", None, Answer.CONTRADICTED),
        ("dense", "full fine-tuning", None, Answer.SUPPORTED),
        ("dense", "lora", 16, Answer.CONTRADICTED),
        ("dense", "lora", 256, Answer.UNPROVEN),
        ("dense", "lora", None, Answer.UNPROVEN),
        ("none", "lora", 8, Answer.CONTRADICTED),
        ("quantised copy", "dpo", None, Answer.CONTRADICTED),
        ("changed", "lora", 8, Answer.UNPROVEN),
        ("lora", "grpo", None, Answer.UNPROVEN),
    ],
)
def test_methods(kind: str, method: str, rank: float | None, expected: Answer) -> None:
    row = ask(facts(kind), ClaimKind.METHOD, method, rank)
    assert row.answer is expected
    assert WORDS[kind] in row.reasons[0]


@pytest.mark.parametrize(
    ("name", "said", "relation", "kind", "expected"),
    [
        ("a/base", "confirmed", "", "lora", Answer.SUPPORTED),
        ("a/base", "contradicted", "", "lora", Answer.CONTRADICTED),
        ("a/base", "insufficient", "", "lora", Answer.UNPROVEN),
        ("a/other", "confirmed", "", "lora", Answer.UNPROVEN),
        ("a/base", "confirmed", "quantized", "quantised copy", Answer.SUPPORTED),
        ("a/base", "confirmed", "quantized", "dense", Answer.CONTRADICTED),
        ("a/base", "confirmed", "finetune", "none", Answer.CONTRADICTED),
        ("a/base", "confirmed", "finetune", "dense", Answer.SUPPORTED),
    ],
)
def test_lineage(name: str, said: Said, relation: str, kind: str, expected: Answer) -> None:
    row = ask(facts(kind, said), ClaimKind.LINEAGE, name, settings={"relation": relation})
    assert row.answer is expected
    assert row.reasons


@pytest.mark.parametrize(
    ("window", "claimed", "quote", "expected"),
    [
        ("a window of 131,072 tokens", 128_000, "", Answer.SUPPORTED),
        ("a window of 131,072 tokens", 131_072, "", Answer.SUPPORTED),
        ("a window of 128,000 tokens", 131_072, "", Answer.SUPPORTED),
        ("a window of 32,768 tokens", 131_072, "128K context", Answer.CONTRADICTED),
        ("a window of 32,768 tokens", 131_072, "128K context with YaRN", Answer.UNPROVEN),
        ("the window shrank from 131,072 to 32,768 tokens", 131_072, "", Answer.CONTRADICTED),
        ("the window is said to be 65,536 tokens, the base's is 8,192", 8_192, "", Answer.SUPPORTED),
        ("14 heads", 8_192, "", Answer.UNPROVEN),
    ],
)
def test_context(window: str, claimed: float, quote: str, expected: Answer) -> None:
    assert ask(facts(window=window), ClaimKind.CONTEXT, "", claimed, quote=quote).answer is expected


@pytest.mark.parametrize(
    ("dtype", "claimed", "expected"),
    [
        ("Q4_K", "Q4_K_M", Answer.SUPPORTED),
        ("BF16", "4-bit", Answer.CONTRADICTED),
        ("F8_E4M3", "FP8", Answer.SUPPORTED),
        ("F16", "NVFP4", Answer.CONTRADICTED),
        ("IQ4_XS", "INT4", Answer.SUPPORTED),
        ("Q5_K", "Q4_K_M", Answer.UNPROVEN),
        ("I32", "AWQ", Answer.UNPROVEN),
        ("I32", "4-bit", Answer.UNPROVEN),
    ],
)
def test_quantisation(dtype: str, claimed: str, expected: Answer) -> None:
    assert ask(facts(dtype=dtype), ClaimKind.QUANTISATION, claimed).answer is expected


@pytest.mark.parametrize(
    ("state", "unmoved", "subject", "quote", "expected"),
    [
        ("missing", 0.0, "vision", "preserves vision", Answer.CONTRADICTED),
        ("dropped", 0.0, "vision", "preserves vision", Answer.CONTRADICTED),
        ("complete", 1.0, "vision", "keeps the vision tower", Answer.SUPPORTED),
        # That a tower is there says nothing of how well the model sees.
        ("complete", 1.0, "vision", "preserves vision", Answer.UNPROVEN),
        ("complete", 0.5, "vision", "keeps the vision tower", Answer.UNPROVEN),
        ("dropped", 0.0, "code", "preserves coding", Answer.UNPROVEN),
        ("dropped", 0.0, "", "preserves the base", Answer.UNPROVEN),
    ],
)
def test_parts(state: State, unmoved: float, subject: str, quote: str, expected: Answer) -> None:
    row = ask(facts(state=state, unmoved=unmoved), ClaimKind.KEPT, subject, quote=quote)
    assert row.answer is expected
    # No task here shows pictures, so no audit would settle what a part of the model can still do.
    planned = expected is Answer.UNPROVEN and subject != "vision"
    assert row.plan.startswith("hydrometer audit base.gguf 'my student.gguf'") == planned


def test_the_bundled_pair_answers_its_own_card(tmp_path: Path) -> None:
    pair = ("--base", "bundled:base", "--student", "bundled:student")
    done = hydrometer("claims", "bundled:student", *pair, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = {row["claim"]["kind"]: row for row in json.loads(done.stdout)["claims"]}
    assert rows["method"]["answer"] == rows["lineage"]["answer"] == "supported"
    assert "LoRA of rank 8" in rows["method"]["reasons"][0]
    assert rows["kept"]["answer"] == rows["difference"]["answer"] == "unproven"


@pytest.mark.parametrize(
    "pair", [("--base", "bundled:base"), ("--student", "x.gguf"), ("--base", "no.gguf", "--student", "no.gguf")]
)
def test_half_a_pair_or_none_is_one_line(tmp_path: Path, pair: tuple[str, ...]) -> None:
    done = hydrometer("claims", "bundled:student", *pair, cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_licence_against_the_terms_of_the_base_is_a_risk_and_no_verdict() -> None:
    assert ask(facts(), ClaimKind.LICENCE, "gemma").answer is Answer.SUPPORTED
    row = ask(facts(licence="contradicted"), ClaimKind.LICENCE, "mit")
    assert row.answer is Answer.UNPROVEN
    assert "a risk: the card names mit" in row.reasons[0]
    # The files say what the student is under, not whether the card is right about the base.
    assert ask(facts(), ClaimKind.LICENCE, "gemma", of="base").answer is Answer.UNPROVEN


@pytest.mark.parametrize(("state", "expected"), [("complete", Answer.SUPPORTED), ("dropped", Answer.CONTRADICTED)])
def test_a_head_for_drafting_is_a_part(state: State, expected: Answer) -> None:
    assert ask(facts(state=state), ClaimKind.KEPT, "mtp", quote="retains the MTP head").answer is expected
