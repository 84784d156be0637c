"""Risks and licences named in cards and training files: each planted once with its line, and clean files without any."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hydrometer.checkpoint.cards import split_card
from hydrometer.surface.files import SurfaceFiles
from hydrometer.surface.licence import compare_licences
from hydrometer.surface.recipe import KINDS, find_risks, recipe_topic

CLEAN = """---
license: apache-2.0
base_model: Qwen/Qwen3.5-9B
---
# A model
A distillation in bf16 with sequences of up to 65,536 tokens and a held-out validation set. No Claude was used.
"""


def model(card: str = "", family: str = "qwen3_5", config: dict[str, Any] | None = None, **files: str) -> SurfaceFiles:
    texts = {**({"README.md": card} if card else {}), **{name.replace("__", "."): text for name, text in files.items()}}
    return SurfaceFiles(
        label="model", gguf=bool(config), config=config or {"model_type": family}, texts=texts,
        front=split_card(card, "card").front if card else {},
    )  # fmt: skip


def risks(student: SurfaceFiles) -> dict[str, tuple[str, int, str]]:
    return {risk.name: (risk.file, risk.line, risk.text) for risk in find_risks(model(), student)}


def test_a_clean_recipe_raises_nothing() -> None:
    good = {"training_args__json": '{\n "max_seq_length": 65536,\n "load_in_4bit": false,\n "eval_strategy": "steps"\n}'}
    student = model(CLEAN, **good)
    assert not risks(student)
    assert recipe_topic(student, ()).answer == "confirmed"
    assert recipe_topic(model(), ()).answer == "not testable from files"


PLANTED: dict[str, list[tuple[str, int, str]]] = {
    "4-bit training": [
        ("train.py", 2, "model = load(\n    load_in_4bit = True,\n)"),
        ("axolotl.yaml", 1, "load_in_4bit: true"),
        ("adapter_config.json", 2, '{\n "base_model_name_or_path": "unsloth/Qwen3.5-27B-bnb-4bit"\n}'),
        ("README.md", 6, CLEAN.replace("in bf16", "with QLoRA")),
    ],
    "length filter": [
        ("train.py", 1, "MAX_CONTEXT_WINDOW = 8192"),
        ("training_args.json", 1, '{"max_seq_length": 16384}'),
        ("axolotl.yaml", 1, "sequence_len: 8k"),
    ],
    "no evaluation": [
        ("train.py", 1, "trainer = SFTTrainer(eval_dataset = None, # none"),
        ("training_args.json", 1, '{"do_eval": false}'),
        ("axolotl.yaml", 1, "val_set_size: 0.0"),
        ("training_args.json", 1, '{"eval_strategy": "no"}'),
    ],
    "synthetic traces": [
        ("README.md", 6, CLEAN.replace("A distillation", "Trained on Claude-opus-4.6-TraceInversion-9000x, a distillation")),
        ("README.md", 6, CLEAN.replace("A distillation", "Only synthetic reasoning traces; a distillation")),
    ],
    "teacher's terms": [
        ("README.md", 4, CLEAN.replace("---\n#", "datasets:\n- nohurry/Opus-4.6-Reasoning-3000x\n---\n#").replace("base_model: Qwen/Qwen3.5-9B\ndatasets:", "datasets:")),
        ("README.md", 6, CLEAN.replace("A distillation", "A distillation of GPT-5 outputs")),
    ],
    "licence": [("README.md", 1, CLEAN.replace("license: apache-2.0\n", ""))],
}  # fmt: skip


@pytest.mark.parametrize(("name", "place"), [(name, i) for name, rows in PLANTED.items() for i in range(len(rows))])
def test_each_risk_is_named_with_its_line(name: str, place: int) -> None:
    file, line, content = PLANTED[name][place]
    student = model(content) if file == "README.md" else model(CLEAN, **{file.replace(".", "__"): content})
    assert risks(student)[name][:2] == (file, line)


@pytest.mark.parametrize("card", ["", CLEAN])
def test_code_that_loaders_would_run(card: str) -> None:
    config = {"model_type": "qwen3_5", "auto_map": {"AutoModelForCausalLM": "modeling_own.Own\x1b[2J"}}
    student = replace(model(card, config=config), gguf=False)
    file, _, text = risks(student)["own code"]
    assert file == "config.json"
    assert "modeling_own.Own\\x1b" in text
    assert "1 known risk is named (own code)" in recipe_topic(student, tuple(find_risks(model(), student))).text
    assert "own code" not in risks(model(CLEAN, config={"auto_map": []}))
    other = replace(model(CLEAN), tokenizer_config={"auto_map": {"AutoTokenizer": ["tok.Own", None]}})
    assert risks(other)["own code"][0] == "tokenizer_config.json"


def test_every_kind_is_planted_somewhere() -> None:
    assert {*PLANTED, "think dialect", "own code"} == set(KINDS)


def test_what_is_no_risk_for_the_family() -> None:
    assert "4-bit training" not in risks(model(CLEAN, family="llama", axolotl__yaml="load_in_4bit: true"))
    assert "length filter" not in risks(model(CLEAN, family="llama", axolotl__yaml="sequence_len: 8192"))


def test_gemma_trained_with_qwens_tags() -> None:
    card = CLEAN + "Replies think in <think> tags.\n"
    assert "think dialect" in risks(model(card, family="gemma4"))
    assert "think dialect" not in risks(model(card))


@pytest.mark.parametrize(("base", "student", "answer"), [
    ("apache-2.0", "apache-2.0", "confirmed"), ("gemma", "apache-2.0", "contradicted"), ("llama3.2", "mit", "contradicted"),
    ("apache-2.0", "other", "insufficient"), ("", "mit", "not testable from files"), ("mit", "", "not testable from files"),
])  # fmt: skip
def test_licences(base: str, student: str, answer: str) -> None:
    cards = [CLEAN.replace("apache-2.0", name) if name else CLEAN.replace("license: apache-2.0\n", "") for name in (base, student)]
    assert compare_licences(model(cards[0]), model(cards[1])).answer == answer


def test_licences_of_gguf_files_and_by_name() -> None:
    gguf = model(config={"general.architecture": "gemma4", "general.license": "gemma"})
    assert compare_licences(gguf, model(CLEAN)).answer == "contradicted"
    named = CLEAN.replace("apache-2.0", "other\nlicense_name: gemma")
    assert compare_licences(gguf, model(named)).answer == "confirmed"


def test_long_lines_take_no_time() -> None:
    """Patterns run over what strangers wrote."""
    import time

    start = time.process_time()
    student = model(CLEAN, train__py="\n".join(("max_length " * 100_000, "no " * 300_000, "synthetic reasoning " * 50_000)))
    risks(student)
    assert time.process_time() - start < 1.0
