"""The student that ships: small, named by its hub id, and the same numbers in both of its adapter files."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from adapter_files import (
    CONFIG_FILE,
    GGUF_FILE,
    GGUF_NAMES,
    HEADS,
    PEFT_FILE,
    PREFIX,
    permute,
    to_gguf,
    write_gguf,
    write_peft,
)
from base import BASE_ID, BaseNotFoundError, base_file
from card import write_card
from check_adapter import Agreement, agreement, agrees, divergence, shared
from dataset import build
from distill import collect
from problems import draw
from solver import KINDS
from teachers import SolverTeacher
from train import TARGETS, Recipe

STUDENT = Path(__file__).parents[2] / "src/hydrometer/data/student"


def record() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((STUDENT / "recipe.json").read_text())
    return found


def gguf_tensors(path: Path) -> dict[str, Any]:
    gguf = pytest.importorskip("gguf")
    return {t.name: np.array(t.data) for t in gguf.GGUFReader(path).tensors}


def test_ships_these_files_in_at_most_ten_megabytes() -> None:
    files = {p.name: p.stat().st_size for p in STUDENT.iterdir()}
    assert files.keys() == {PEFT_FILE, CONFIG_FILE, GGUF_FILE, "README.md", "recipe.json"}
    assert sum(files.values()) <= 10_000_000


def test_config_names_the_base_by_its_hub_id_and_no_machine_path() -> None:
    config = json.loads((STUDENT / CONFIG_FILE).read_text())
    assert config["base_model_name_or_path"] == BASE_ID
    assert sorted(config["target_modules"]) == sorted(TARGETS)
    for name in (CONFIG_FILE, "README.md", "recipe.json"):
        assert not re.search(r"/(tmp|home|work|root|usr)/", (STUDENT / name).read_text())


def test_peft_opens_the_config() -> None:
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig.from_pretrained(str(STUDENT))
    assert (config.r, config.lora_alpha) == (record()["recipe"]["rank"], record()["recipe"]["alpha"])


def test_every_linear_layer_is_adapted_in_half_precision_and_trained() -> None:
    tensors = load_file(STUDENT / PEFT_FILE)
    assert len(tensors) == 30 * len(TARGETS) * 2
    assert {str(t.dtype) for t in tensors.values()} == {"float16"}
    assert all(np.isfinite(t).all() and np.abs(t).max() > 0 for t in tensors.values())


def test_both_files_hold_the_same_numbers_up_to_the_permutation() -> None:
    peft, llama = load_file(STUDENT / PEFT_FILE), gguf_tensors(STUDENT / GGUF_FILE)
    assert len(llama) == len(peft)
    head = np.concatenate([np.arange(64).reshape(2, 32).T.reshape(64)])
    for name, value in peft.items():
        layer, module, side = re.fullmatch(
            rf"{re.escape(PREFIX)}(\d+)\.(.+)\.lora_([AB])\.weight", name
        ).groups()
        short = GGUF_NAMES[module]
        expected = value
        if (
            side == "B" and short in HEADS
        ):  # row 2i+j of a head is row 32j+i, told apart from the code's reshape
            order = np.concatenate([head + 64 * h for h in range(HEADS[short])])
            expected = value[order]
            assert not np.array_equal(expected, value)
        np.testing.assert_array_equal(llama[f"blk.{layer}.{short}.weight.lora_{side.lower()}"], expected)


def test_gguf_says_what_it_is() -> None:
    gguf = pytest.importorskip("gguf")
    fields = gguf.GGUFReader(STUDENT / GGUF_FILE).fields
    found = {name: field.contents() for name, field in fields.items()}
    assert found["general.architecture"] == "llama"
    assert found["general.type"] == "adapter"
    assert found["adapter.type"] == "lora"
    assert found["adapter.lora.alpha"] == record()["recipe"]["alpha"]


def test_recipe_has_the_digests_of_the_files() -> None:
    files = record()["files"]
    assert files.keys() == {PEFT_FILE, CONFIG_FILE, GGUF_FILE}
    for name, digest in files.items():
        assert hashlib.sha256((STUDENT / name).read_bytes()).hexdigest() == digest


def test_recipe_counts_are_those_of_its_problems() -> None:
    recipe, data = record()["recipe"], record()["data"]
    assert recipe.keys() == Recipe.__dataclass_fields__.keys()
    assert data["kept"] + data["dropped_long"] + data["dropped_style"] == data["asked"] == recipe["samples"]
    assert sum(data["dropped_long_by_kind"].values()) == data["dropped_long"] > 0
    assert record()["teacher"] == SolverTeacher.name


def test_card_is_what_the_recipe_says() -> None:
    card = (STUDENT / "README.md").read_text()
    assert card == write_card(record())
    assert "solver program" in card
    assert "not measurements" in card
    assert "base_model_relation: adapter" in card.split("---")[1]


def test_card_of_a_served_teacher_names_it_and_claims_no_solver() -> None:
    card = write_card({**record(), "teacher": "big-model"})
    assert "teacher `big-model`" in card
    assert "solver" not in card


@pytest.mark.torch
def test_recipe_makes_the_same_data_again() -> None:
    pytest.importorskip("transformers")
    try:
        base = base_file()
    except BaseNotFoundError as error:
        pytest.skip(str(error))
    from base import load_tokenizer

    made = record()
    assert hashlib.sha256(base.read_bytes()).hexdigest() == made["base"]["sha256"]
    data = collect(SolverTeacher(), Recipe(**made["recipe"]), load_tokenizer())
    assert data.sha256() == made["data"]["sha256"]


def small_adapter() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    shapes = {"self_attn.q_proj": 576, "self_attn.k_proj": 192, "mlp.up_proj": 1536}
    return {
        f"{PREFIX}0.{module}.lora_{side}.weight": rng.normal(size=(2, 576) if side == "A" else (rows, 2))
        for module, rows in shapes.items()
        for side in "AB"
    }


def test_written_adapters_read_back(tmp_path: Path) -> None:
    tensors = small_adapter()
    write_peft(tmp_path, tensors, base=BASE_ID, rank=2, alpha=4, targets=TARGETS)
    pytest.importorskip("gguf")
    write_gguf(tmp_path, base=BASE_ID)
    back = gguf_tensors(tmp_path / GGUF_FILE)
    half = {name: value.astype(np.float16) for name, value in tensors.items()}
    same = {"ffn_up.weight.lora_b": "mlp.up_proj.lora_B", "attn_q.weight.lora_a": "self_attn.q_proj.lora_A"}
    assert back.keys() == to_gguf(half).keys()
    for llama, peft in same.items():
        np.testing.assert_array_equal(back[f"blk.0.{llama}"], half[f"{PREFIX}0.{peft}.weight"])
    for name, heads in (("q", 9), ("k", 3)):
        rows = half[f"{PREFIX}0.self_attn.{name}_proj.lora_B.weight"]
        order = [64 * h + 32 * half_of + i for h in range(heads) for i in range(32) for half_of in (0, 1)]
        np.testing.assert_array_equal(back[f"blk.0.attn_{name}.weight.lora_b"], rows[order])


def test_permutation_interleaves_the_halves_within_each_head() -> None:
    rows = np.array([[0], [1], [2], [3], [10], [11], [12], [13]])
    assert permute(rows, 2).ravel().tolist() == [0, 2, 1, 3, 10, 12, 11, 13]


@pytest.mark.parametrize("name", ["lm_head.lora_A", f"{PREFIX}0.mlp.up_proj", f"{PREFIX}0.norm.lora_A"])
def test_foreign_tensors_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a LoRA"):
        to_gguf({f"{name}.weight": np.zeros((2, 2))})


def logs(*values: float) -> Any:
    return np.log(np.array(values))


def test_divergence_is_zero_for_equals_and_exact_otherwise() -> None:
    p = logs(0.5, 0.3, 0.2)
    assert divergence(p, dict(enumerate(p))) == pytest.approx(0, abs=1e-9)
    q = {0: np.log(0.4), 1: np.log(0.3)}
    assert divergence(p, q) == pytest.approx(0.5 * np.log(0.5 / 0.4) + 0.2 * np.log(0.2 / 0.3))


def test_verdict_on_the_files_compares_with_the_noise_of_the_base() -> None:
    floor, effect = (Agreement(mean_kl=kl, max_kl=kl, same_top=1.0) for kl in (0.003, 3.0))
    wrong, same = (Agreement(mean_kl=kl, max_kl=kl, same_top=1.0) for kl in (0.5, 0.004))
    assert agrees(floor=floor, student=same, effect=effect)
    assert not agrees(floor=floor, student=wrong, effect=effect)
    assert not agrees(floor=floor, student=same, effect=same)  # the adapter was not applied at all
    found = agreement([logs(0.9, 0.1)], [{1: np.log(0.9), 0: np.log(0.1)}])
    assert found.same_top == 0.0
    assert found.mean_kl == found.max_kl > 1


def test_build_and_collect_agree() -> None:
    recipe = Recipe(samples=56, max_reply_tokens=60)

    class Words:
        def __call__(self, text: str, *, add_special_tokens: bool) -> dict[str, list[int]]:
            assert not add_special_tokens
            return {"input_ids": list(range(len(text.split())))}

    direct = build(
        draw(KINDS, 56, recipe.seed),
        SolverTeacher(),
        count_tokens=lambda t: len(t.split()),
        max_reply_tokens=60,
    )
    assert collect(SolverTeacher(), recipe, Words()) == direct


def test_greedy_replies_are_compared_from_their_beginning() -> None:
    assert shared([1, 2, 3], [1, 2, 3]) == "3/3"
    assert shared([1, 2], [1, 2, 3]) == "2/3"
    assert shared([9, 2], [1, 2]) == "0/2"
