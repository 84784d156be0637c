"""Numbers that say where a student moved: each planted once, and silence where nothing is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from hydrometer.checkpoint.edits import find_edit
from hydrometer.checkpoint.inventory import pair_up, take_inventory
from hydrometer.checkpoint.readings import Reading, compare_directions, take_readings
from planted import Tensors, changed, dense, model, source

LAYERS = 4


def base_model() -> Tensors:
    """A Qwen3 with what linear attention adds in two layers, and matrices whose strengths decay as trained ones' do."""
    rng = np.random.default_rng(0)
    found = model(rng, layers=LAYERS)
    for name, array in found.items():
        if array.ndim == 2 and "_proj" in name:
            left, _, right = np.linalg.svd(array, full_matrices=False)
            found[name] = (left * (np.arange(len(left[0])) + 1.0) ** -1.0 @ right).astype(np.float32)
    for layer in (1, 2):
        at = f"model.layers.{layer}.linear_attn."
        found[f"{at}A_log"] = rng.uniform(-2, 1, 8).astype(np.float32)
        found[f"{at}dt_bias"] = rng.uniform(-3, 0, 8).astype(np.float32)
    return found


BASE = base_model()


def readings(student: Tensors, tokens: Mapping[str, int] | None = None, **config: Any) -> tuple[Reading, ...]:
    sides = [take_inventory(source(tensors, dtype="F32", config=config or {"model_type": "qwen3"})) for tensors in (BASE, student)]
    edit = find_edit(*sides, pair_up(*sides))
    return take_readings(*sides, edit, tokens or {}, closely=True)


def test_a_base_against_itself_and_small_noise_say_nothing() -> None:
    assert readings(dict(BASE)) == ()
    assert readings(changed(BASE, dense(np.random.default_rng(1), 1e-3))) == ()


@pytest.mark.parametrize(("family", "offset"), [("qwen3", 0.0), ("llama", 0.0), ("qwen3_5", 1.0), ("qwen3_next", 1.0), ("gemma3", 1.0), ("gemma4", 0.0)])
def test_the_gain_of_a_norm_is_what_it_multiplies_with(family: str, offset: float) -> None:
    """Norms around zero multiply by 1 + weight: 5 % more of the weight would be another number."""
    name = "model.layers.2.input_layernorm.weight"
    others = {f"model.layers.{n}.input_layernorm.weight": BASE[f"model.layers.{n}.input_layernorm.weight"] * 1.001 for n in (0, 1)}
    (found,) = readings({**BASE, **others, name: (BASE[name] + offset) * 1.05 - offset}, model_type=family)
    assert (found.name, found.where) == ("norm gain", "layers.2.input_layernorm")
    assert found.value == pytest.approx(0.05, abs=1e-4)
    assert abs(found.beside) < 0.0011


def test_a_longer_memory_of_linear_attention_is_told_in_tokens() -> None:
    name = "model.layers.2.linear_attn.A_log"
    (found,) = readings({**BASE, name: BASE[name] - np.float32(np.log(4.0))})
    assert (found.name, found.where) == ("half-life", "layers.2.linear_attn.A_log")
    assert found.value == pytest.approx(4 * found.beside, rel=1e-4)
    rate = np.exp(BASE[name]) * np.log1p(np.exp(BASE["model.layers.2.linear_attn.dt_bias"]))
    assert found.beside == pytest.approx(float(np.median(np.log(2) / rate)), rel=1e-4)
    assert "long texts" in found.text


def test_the_row_of_a_token_that_ends_a_thought() -> None:
    name = "model.embed_tokens.weight"
    student = changed(BASE, dense(np.random.default_rng(1), 1e-3))
    student[name] = student[name].copy()
    student[name][300] += 0.3 * student[name][300][::-1]
    (found,) = readings(student, {"</think>": 300, "<|im_end|>": 5, "<think>": 10_000})
    assert (found.name, found.where) == ("special token", "embed_tokens </think>")
    assert found.value == pytest.approx(0.3, rel=0.05)
    assert found.beside < 0.02


def test_directions_that_the_base_does_not_have() -> None:
    name = "model.layers.1.mlp.up_proj.weight"
    rng = np.random.default_rng(2)
    rows, width = BASE[name].shape
    added = sum(0.3 * np.outer(unit(rng, rows), unit(rng, width)) for _ in range(3))
    found = compare_directions(BASE[name], BASE[name] + added.astype(np.float32))
    assert (found.new, found.by_noise) == (3, 0)
    (said,) = readings({**BASE, name: (BASE[name] + added).astype(np.float32)})
    assert (said.name, said.where, said.beside) == ("new directions", "layers.1.mlp.up_proj", 0)
    assert said.value >= 1
    whole = compare_directions(BASE[name], BASE[name] + noise(rng, BASE[name], 0.05))
    assert whole.new <= whole.by_noise


def test_a_change_of_what_is_strongest() -> None:
    name = "model.layers.0.self_attn.q_proj.weight"
    left, strength, right = np.linalg.svd(BASE[name], full_matrices=False)
    weaker = BASE[name] - 0.2 * (left[:, :5] * strength[:5] @ right[:5])
    found = compare_directions(BASE[name], weaker.astype(np.float32))
    assert found.within == pytest.approx(1.0, abs=1e-3)
    assert found.by_chance == pytest.approx(100 / BASE[name].size)
    assert [one.name for one in readings({**BASE, name: weaker.astype(np.float32)})] == ["leading directions"]


def unit(rng: np.random.Generator, size: int) -> Any:
    found = rng.standard_normal(size)
    return found / np.linalg.norm(found)


def noise(rng: np.random.Generator, like: Any, relative: float) -> Any:
    found = rng.standard_normal(like.shape)
    return (found * relative * np.linalg.norm(like) / np.linalg.norm(found)).astype(np.float32)
