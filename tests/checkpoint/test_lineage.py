"""Lineage from a few rows: fine-tunes are known whatever was done to their files, unrelated models never are."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from scipy.stats import binom

from hydrometer.checkpoint.gguf_source import open_gguf
from hydrometer.checkpoint.hub import HubFolder
from hydrometer.checkpoint.inventory import pair_up, take_inventory
from hydrometer.checkpoint.lineage import (
    PROOF,
    ROWS,
    Lineage,
    at_least,
    match_neurons,
    match_rows,
    rank_by_distance,
    trace,
)
from hydrometer.checkpoint.names import Place
from hydrometer.checkpoint.places import LocalFolder
from hydrometer.checkpoint.safetensors_source import open_safetensors
from hydrometer.checkpoint.source import TensorSource
from hydrometer.refs import bundled_base
from memory_source import Array, MemorySource, llama, moved
from range_server import serving
from tiny_models import build_tiny

BASE = llama(0)
PLACE = Place("text", 0, "mlp.up_proj")


def judge(base: TensorSource, student: TensorSource) -> Lineage:
    return trace(take_inventory(base), take_inventory(student))


def memory(tensors: dict[str, Array], **options: object) -> MemorySource:
    return MemorySource(tensors, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("relative", [1e-3, 1e-2, 0.1, 0.5])
def test_a_fine_tune_is_derived(relative: float) -> None:
    found = judge(memory(BASE), memory(moved(BASE, relative)))
    assert found.word == "derived"
    assert found.hits == found.rows == 8 * ROWS
    assert found.p_value < 1e-11
    assert found.relative == pytest.approx(relative, rel=0.15 if relative > 1e-3 else 1.0)
    assert (found.small_equal, found.small) == (4, 4)  # vectors of ones are no evidence


def test_a_copy_is_identical() -> None:
    assert judge(memory(BASE), memory(BASE)).word == "identical"
    assert judge(memory(BASE), memory({n: a for n, a in BASE.items() if "norm" not in n})).word == "identical"


def test_unrelated_pairs_are_never_derived() -> None:
    """1,000 pairs of 46 models; heavy-tailed columns, as real models have them, included."""
    scale = np.exp(np.random.default_rng(5).standard_normal(32)).astype(np.float32)
    stocks = []
    for seed in range(46):
        tensors = llama(100 + seed, width=32, ffn=48, layers=2)
        if seed % 2:
            tensors = {n: a * scale if a.ndim > 1 and a.shape[1] == 32 else a for n, a in tensors.items()}
        stocks.append(take_inventory(memory(tensors)))
    words = [trace(a, b).word for i, a in enumerate(stocks) for b in stocks[:i]][:1000]
    assert len(words) == 1000
    assert words.count("unrelated") >= 990
    assert {"derived", "identical", "permuted"}.isdisjoint(words)


def test_hits_have_the_chance_that_is_claimed() -> None:
    """Under random order the share of at least h hits stays below 1/h!."""
    rng = np.random.default_rng(3)
    base = rng.standard_normal((8, 24)).astype(np.float32)
    near = base + 0.01 * rng.standard_normal((8, 24)).astype(np.float32)
    hits = np.array([match_rows(PLACE, base, near[rng.permutation(8)]).hits for _ in range(4000)])
    for least in (1, 2, 3, 4):
        assert np.mean(hits >= least) <= 1.15 / math.factorial(least)
    assert match_rows(PLACE, base, near).p_value == pytest.approx(1 / math.factorial(8))


@pytest.mark.parametrize("chance", [1e-4, 0.01, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("trials", [0, 1, 7, 64])
def test_the_tail_is_that_of_the_library(trials: int, chance: float) -> None:
    for hits in range(trials + 1):
        assert at_least(hits, trials, chance) == pytest.approx(float(binom.sf(hits - 1, trials, chance)), rel=1e-9)


def test_rows_without_numbers_are_no_hits() -> None:
    zeros = np.zeros((4, 8), np.float32)
    assert match_rows(PLACE, zeros, zeros).hits == 0
    assert match_rows(PLACE, zeros + np.nan, zeros).hits == 0


def test_permuted_neurons_are_found() -> None:
    order = np.random.default_rng(1).permutation(96)
    tensors = moved(BASE, 0.01)
    for name in [n for n in tensors if ".mlp." in n]:
        tensors[name] = tensors[name][:, order] if "down" in name else tensors[name][order]
    for name in [n for n in tensors if ".self_attn." in n]:
        tensors[name] = llama(9)[name]
    found = judge(memory(BASE), memory(tensors))
    assert found.word == "permuted"
    assert (found.agreements, found.neurons) == (64, 64)
    halves = [BASE[f"model.layers.0.mlp.{p}_proj.weight"] for p in ("gate", "up")]
    others = [llama(7)[f"model.layers.0.mlp.{p}_proj.weight"] for p in ("gate", "up")]
    assert match_neurons((halves[0][:64], halves[1][:64]), (others[0], others[1]))[2] > 1e-3


def test_a_row_that_attracts_all_others_is_no_agreement() -> None:
    """Every row leans to one direction; the same neuron lies nearest to it in gate and up."""
    rng = np.random.default_rng(4)
    lean = 5.0 * np.ones(32, np.float32)
    base = [rng.standard_normal((40, 32)).astype(np.float32) + lean for _ in range(2)]
    student = [rng.standard_normal((60, 32)).astype(np.float32) + lean for _ in range(2)]
    for rows in student:
        rows[7] = lean
    assert match_neurons((base[0], base[1]), (student[0], student[1]))[2] > PROOF


def test_first_layers_taken_out() -> None:
    tensors = moved(llama(0, layers=6), 0.01)
    kept = {}
    for name, array in tensors.items():
        layer = int(name.split(".")[2]) if ".layers." in name else -1
        if layer < 0:
            kept[name] = array
        elif layer >= 2:
            kept[name.replace(f".{layer}.", f".{layer - 2}.", 1)] = array
    found = judge(memory(llama(0, layers=6)), memory(kept))
    assert found.word == "derived"
    assert [match.place.layer for match in found.matches] == [2, 4, 5]


def test_names_nobody_knows_are_no_denial() -> None:
    odd = {name.replace("model.layers", "net.h").replace("proj", "fc"): array for name, array in BASE.items()}
    found = judge(memory(BASE), memory(odd))
    assert found.word == "insufficient"
    assert "rows to compare" in found.reason
    assert judge(memory(odd), memory(odd)).word == "identical"  # compared under raw names
    narrow = llama(0, width=48)
    assert judge(memory(BASE), memory(narrow)).word == "insufficient"


def test_the_nearest_candidate_comes_first() -> None:
    """The student of a sibling: both are relatives, the sibling is the nearer one."""
    sibling = moved(BASE, 0.1, seed=2)
    student = take_inventory(memory(moved(sibling, 0.003, seed=3)))
    stock = {"base": BASE, "sibling": sibling, "stranger": llama(9)}
    found = [trace(take_inventory(memory(t, label=n)), student) for n, t in stock.items()]
    ranked = rank_by_distance(found)
    assert [one.base for one in ranked] == ["sibling", "base", "stranger"]
    assert ranked[0].relative < 0.05 * ranked[1].relative
    assert ranked[0].equal > 3 * ranked[1].equal


def test_a_sample_is_small() -> None:
    source = memory(BASE)
    judge(source, memory(BASE))
    assert source.requests <= 40
    assert source.read < 0.3 * sum(meta.nbytes for meta in source.tensors.values())


def fused(tensors: dict[str, Array]) -> dict[str, Array]:
    """Experts in stacks, and the prefix of the other save layout."""
    found, stacks = {}, {}
    for name, array in tensors.items():
        if ".experts." not in name:
            found[name.replace("model.language_model.", "model.")] = array
            continue
        stem, _, tail = name.partition(".experts.")
        number, role, _ = tail.split(".")
        stacks.setdefault((stem.replace("model.language_model.", "model."), role), {})[int(number)] = array
    for (stem, role), experts in stacks.items():
        stack = np.stack([experts[i] for i in sorted(experts)])
        if role == "gate_proj":
            up = stacks[(stem, "up_proj")]
            found[f"{stem}.experts.gate_up_proj"] = np.concatenate([stack, np.stack([up[i] for i in sorted(up)])], 1)
        elif role == "down_proj":
            found[f"{stem}.experts.down_proj"] = stack
    return found


@pytest.mark.parametrize("kind", ["qwen3_5", "qwen3_5_moe", "gemma4", "llama"])
def test_fine_tunes_of_the_real_classes(
    kind: str, tmp_path: Path, models: Callable[[str, int], Path]
) -> None:
    base = models(kind, 0)
    student = tmp_path / "student"
    student.mkdir()
    tensors = fused(moved(load_file(base / "model.safetensors"), 0.02))
    save_file(tensors, student / "model.safetensors")
    (student / "config.json").write_text((base / "config.json").read_text())
    ours, theirs = (take_inventory(open_safetensors(LocalFolder(p))) for p in (base, student))
    assert ours.unknown == theirs.unknown == ()
    pairing = pair_up(ours, theirs)
    assert not pairing.only_base
    assert not pairing.only_student
    assert not pairing.reshaped
    assert trace(ours, theirs).word == "derived"
    stranger = take_inventory(open_safetensors(LocalFolder(models(kind, 1))))
    assert trace(ours, stranger).word == "unrelated"


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], Path]:
    pytest.importorskip("transformers")
    known: dict[tuple[str, int], Path] = {}

    def make(kind: str, seed: int) -> Path:
        if (kind, seed) not in known:
            folder = tmp_path_factory.mktemp(f"{kind}-{seed}")
            known[kind, seed] = build_tiny(kind, folder, seed)  # type: ignore[arg-type]
        return known[kind, seed]

    return make


def test_experts_hold_the_same_values_in_either_layout(models: Callable[[str, int], Path]) -> None:
    split = load_file(models("qwen3_5_moe", 0) / "model.safetensors")
    ours = take_inventory(memory(split))
    theirs = take_inventory(memory(fused(split)))
    for place, weight in ours.weights.items():
        np.testing.assert_array_equal(
            ours.values(place, 1, weight.rows), theirs.values(place, 1, weight.rows), str(place)
        )
        assert ours.bits(place, 0, weight.rows) == theirs.bits(place, 0, weight.rows)


def test_heads_of_a_gguf_file_come_in_the_order_of_the_checkpoint() -> None:
    """The converter of llama.cpp takes (head, side, pair) to (head, pair, side)."""
    query = np.arange(16 * 3, dtype=np.float32).reshape(16, 3)
    stored = query.reshape(2, 2, 4, 3).swapaxes(1, 2).reshape(16, 3)
    config = {"general.architecture": "llama", "llama.attention.head_count": 2}
    stock = take_inventory(memory({"blk.0.attn_q.weight": stored}, config=config, dtype="F32"))
    place = Place("text", 0, "self_attn.q_proj")
    np.testing.assert_array_equal(stock.values(place, 0, 16), query)
    np.testing.assert_array_equal(stock.values(place, 5, 11), query[5:11])
    assert stock.bits(place, 5, 11) == query[5:11].tobytes()


def test_the_real_model() -> None:
    pytest.importorskip("gguf")
    path = bundled_base()
    base = take_inventory(open_gguf(LocalFolder(path.parent), path.name))
    assert base.unknown == ()
    assert base.layers == 30
    assert trace(base, base).word == "identical"


def test_a_repository_on_a_hub_needs_few_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    tensors = llama(0, width=128, ffn=256, layers=24)
    save_file(tensors, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text("{}")
    with serving(tmp_path) as server:
        source = open_safetensors(HubFolder("org/name", endpoint=server.url))
        found = judge(source, memory(moved(tensors, 0.01)))
        source.close()
    assert found.word == "derived"
    assert len(server.asked) <= 40
    assert server.sent <= 0.15 * (tmp_path / "model.safetensors").stat().st_size
