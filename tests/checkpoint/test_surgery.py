"""Layers, experts, vocabulary and head: what was cut is named, and the rest is found again."""

from __future__ import annotations

import numpy as np

from hydrometer.checkpoint.inventory import pair_up, take_inventory
from hydrometer.checkpoint.names import Place
from hydrometer.checkpoint.surgery import Surgery, find_surgery, spans
from memory_source import Array, MemorySource, llama, moved

BASE = llama(0, layers=6)
TABLE = "model.embed_tokens.weight"


def operate(student: dict[str, Array], base: dict[str, Array] = BASE) -> Surgery:
    ours, theirs = (take_inventory(MemorySource(tensors)) for tensors in (base, student))
    return find_surgery(ours, theirs, pair_up(ours, theirs))


def layered(order: list[int], tensors: dict[str, Array] = BASE) -> dict[str, Array]:
    """The layers of a model in another order, some left out, some twice."""
    found = {name: a for name, a in tensors.items() if ".layers." not in name}
    for new, old in enumerate(order):
        prefix = f"model.layers.{old}."
        found |= {f"model.layers.{new}." + n.removeprefix(prefix): a for n, a in tensors.items() if n.startswith(prefix)}
    return found


def test_nothing_was_done() -> None:
    found = operate(moved(BASE, 0.01))
    assert found == Surgery()
    assert found.origin(Place("text", 3, "mlp.up_proj")) == Place("text", 3, "mlp.up_proj")


def test_layers_left_out() -> None:
    found = operate(moved(layered([0, 1, 4, 5]), 0.05))
    assert found.layers == (0, 1, 4, 5)
    assert found.notes == ("layers of the base left out: 2-3",)
    assert found.origin(Place("text", 2, "mlp.up_proj")) == Place("text", 4, "mlp.up_proj")


def test_layers_used_twice_and_new_ones() -> None:
    found = operate(layered([0, 1, 2, 1, 2, 3, 4, 5]))
    assert found.notes == ("layers of the base used more than once: 1-2",)
    stranger = {n.replace("layers.0.", "layers.6."): a for n, a in llama(7).items() if ".layers.0." in n}
    found = operate(BASE | stranger)
    assert found.layers == (0, 1, 2, 3, 4, 5, -1)
    assert found.notes == ("layers that are none of the base's: 6",)
    assert found.origin(Place("text", 6, "mlp.up_proj")) is None


def test_experts_taken_out_are_matched_by_their_rows() -> None:
    rng = np.random.default_rng(1)
    name = "model.layers.0.mlp.experts.{}.gate_proj.weight"
    experts = [rng.standard_normal((16, 32)).astype(np.float32) for _ in range(6)]
    base = BASE | {name.format(i): e for i, e in enumerate(experts)}
    student = BASE | {name.format(i): experts[j] for i, j in enumerate((1, 4, 5))}
    found = operate(student, base)
    assert found.experts == {0: (1, 4, 5)}
    assert found.notes == ("3 experts instead of 6 in 1 layers",)
    assert found.origin(Place("text", 0, "experts.gate_proj", 1)) == Place("text", 0, "experts.gate_proj", 4)


def test_vocabulary() -> None:
    rng = np.random.default_rng(2)
    table = BASE[TABLE]
    kinds = {
        "all zero": np.zeros((8, 64)),
        "all alike, as a start from the mean leaves them": np.tile(table.mean(axis=0), (8, 1)),
        "of 1.0": rng.standard_normal((8, 64)) * table.std(),
    }
    for word, rows in kinds.items():
        (note,) = operate(BASE | {TABLE: np.concatenate([table, rows]).astype(np.float32)}).notes
        assert note.startswith(f"8 rows added to a vocabulary of 80: {word}")
    assert operate(BASE | {TABLE: table[:70]}).notes == ("vocabulary of 70 rows instead of 80",)


def test_head_and_biases() -> None:
    head = BASE[TABLE]
    assert "equal to the embeddings" in operate(BASE | {"lm_head.weight": head}).notes[0]
    assert operate(BASE | {"lm_head.weight": head + 1}).notes == ("a head of its own instead of the embeddings",)
    assert "left out" in operate(BASE, BASE | {"lm_head.weight": head}).notes[0]
    bias = {"model.layers.0.self_attn.q_proj.bias": np.ones(64, np.float32)}
    assert operate(BASE | bias).notes == ("biases added: self_attn.q_proj.bias",)


def test_spans() -> None:
    assert spans([0, 1, 2, 5, 7, 8]) == "0-2, 5, 7-8"
