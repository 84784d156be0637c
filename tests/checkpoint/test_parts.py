"""The parts of a model: dropped, promised and missing, grafted; configs that lie."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from hydrometer.checkpoint.edits import find_edit
from hydrometer.checkpoint.inventory import pair_up, take_inventory
from hydrometer.checkpoint.parts import Ledger, keep_ledger
from memory_source import Array, MemorySource, llama, moved

rng = np.random.default_rng(0)
MTP = {f"mtp.{n}.weight": rng.standard_normal((32, 64)).astype(np.float32) for n in ("fc", "layers.0.self_attn.q_proj")}
VISION = {"model.visual.blocks.0.attn.qkv.weight": rng.standard_normal((48, 16)).astype(np.float32)}
BASE = llama(0) | {"lm_head.weight": llama(1)["model.embed_tokens.weight"]} | MTP | VISION
CONFIG: dict[str, Any] = {
    "vision_config": {"depth": 1},
    "tie_word_embeddings": False,
    "text_config": {"num_hidden_layers": 4, "vocab_size": 80, "mtp_num_hidden_layers": 1},
}
FILES = ("config.json", "preprocessor_config.json")


def ledger(
    student: dict[str, Array],
    config: dict[str, Any] | None = None,
    files: Collection[str] | None = FILES,
    base: dict[str, Array] = BASE,
    **options: Any,
) -> Ledger:
    ours = take_inventory(MemorySource(base, CONFIG))
    theirs = take_inventory(MemorySource(student, CONFIG if config is None else config, **options))
    pairing = pair_up(ours, theirs)
    edit = find_edit(ours, theirs, pairing)
    return keep_ledger(ours, theirs, pairing, edit.changes, edit.surgery, files)


def without(prefix: str) -> dict[str, Array]:
    return {name: array for name, array in BASE.items() if not name.startswith(prefix)}


def states(found: Ledger) -> dict[str, str]:
    return {part.name: part.state for part in found.parts}


def test_a_whole_model_has_no_faults() -> None:
    found = ledger(moved(BASE, 0.01))
    assert (found.faults, found.notes) == ((), ())
    assert states(found) == {"text model": "complete", "multi-token prediction": "complete", "vision tower": "complete"}


def test_a_head_that_is_promised_and_missing() -> None:
    found = ledger(without("mtp."))
    assert states(found)["multi-token prediction"] == "missing"
    assert found.faults == (
        "config.json promises a multi-token prediction and there is no tensor of it; the base has 2 tensors of it",
    )


def test_a_tower_dropped_with_its_promise() -> None:
    config = {"tie_word_embeddings": False, "num_hidden_layers": 4, "vocab_size": 80, "mtp_num_hidden_layers": 1}
    found = ledger(without("model.visual"), config, ("config.json",))
    assert states(found)["vision tower"] == "dropped"
    assert found.faults == ()
    assert "left out" in found.notes[0]
    assert "leftover" in ledger(without("model.visual"), config).notes[1]
    assert ledger(without("model.visual")).faults[0].startswith("config.json promises a vision tower")


def test_a_grafted_head() -> None:
    found = ledger({name: array if name in MTP | VISION else moved({name: array}, 0.01)[name] for name, array in BASE.items()})
    grafted = {part.name: part.grafted for part in found.parts}
    assert grafted == {"text model": False, "multi-token prediction": True, "vision tower": True}
    assert sum("bit for bit" in note for note in found.notes) == 2
    assert not any(part.grafted for part in ledger(BASE).parts)


def test_sizes_that_are_not_true() -> None:
    def lies(**values: Any) -> tuple[str, ...]:
        return ledger(BASE, CONFIG | {"text_config": CONFIG["text_config"] | values}).faults

    assert lies(num_hidden_layers=5) == ("config.json says 5 layers, the files hold 4",)
    assert lies(vocab_size=90) == ("config.json says 90 tokens, the embeddings have 80 rows",)
    assert lies(num_experts=8) == ("config.json says 8 experts per layer, the files hold 0",)
    assert lies() == ()


def test_the_head_and_what_the_config_says() -> None:
    assert "ignored" in ledger(BASE, CONFIG | {"tie_word_embeddings": True}).faults[0]
    assert "no lm_head" in ledger(without("lm_head")).faults[0]
    torn = {"tie_word_embeddings": False, "text_config": CONFIG["text_config"] | {"tie_word_embeddings": True}}
    assert ledger(without("lm_head"), CONFIG | torn).faults == ()
    shared = BASE | {"lm_head.weight": BASE["model.embed_tokens.weight"]}
    assert ledger(shared, CONFIG | {"tie_word_embeddings": True}).faults == ()


def test_lost_norms_and_odd_numbers() -> None:
    found = ledger(without("model.layers.1.input_layernorm"))
    assert found.faults == ("1 tensors of the base's text model are not in the student: input_layernorm",)
    broken = dict(BASE)
    broken["lm_head.weight"] = broken["lm_head.weight"].copy()
    broken["lm_head.weight"][:2, 3] = np.nan
    assert ledger(broken).faults == (
        "2 NaN or infinite values in 1 tensors, first lm_head; the base has fewer there",
    )
    assert ledger(broken, base=broken).faults == ()


def test_files() -> None:
    assert "no preprocessor_config.json" in ledger(BASE, files=("config.json",)).faults[0]
    assert "a second time" in ledger(BASE, files=(*FILES, "adapter_config.json")).notes[0]
    assert ledger(BASE, files=None).faults == ()


def test_a_gguf_model_keeps_its_tower_elsewhere() -> None:
    config = {"general.architecture": "llama", "llama.block_count": 4}
    student = {"token_embd.weight": BASE["model.embed_tokens.weight"], "output.weight": BASE["lm_head.weight"]}
    mixed = BASE | {"model.layers.0.linear_attn.A_log": np.ones(4, np.float32)}
    found = ledger(student, config, base=mixed)
    assert not any("linear_attn" in fault for fault in found.faults)
    assert states(found)["vision tower"] == "elsewhere"
    assert any("mmproj" in note for note in found.notes)
