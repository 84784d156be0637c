"""What was done to a base: planted edits of every kind come back under their name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hydrometer.checkpoint.edits import Edit, find_edit
from hydrometer.checkpoint.grids import GRIDS
from hydrometer.checkpoint.inventory import pair_up, take_inventory
from memory_source import Array, MemorySource, bf16, llama, moved

BASE = llama(0, width=128, ffn=256, layers=3)
ATTENTION = ("q_proj", "v_proj")


def edit(student: dict[str, Array], base: dict[str, Array] = BASE, others: Any = (), **options: Any) -> Edit:
    ours = take_inventory(MemorySource(base))
    theirs = take_inventory(MemorySource(student, **options))
    rest = [take_inventory(MemorySource(tensors, label=name)) for name, tensors in others]
    return find_edit(ours, theirs, pair_up(ours, theirs), rest)


def lora(base: dict[str, Array], rank: int, relative: float, *names: str, seed: int = 0) -> dict[str, Array]:
    """Add B times A to every matrix whose name holds one of the names."""
    rng = np.random.default_rng(seed)
    found = dict(base)
    for name, array in base.items():
        if array.ndim == 2 and any(part in name for part in names):
            rows, width = array.shape
            change = rng.standard_normal((rows, rank)) @ rng.standard_normal((rank, width))
            change *= relative * np.linalg.norm(array) / np.linalg.norm(change)
            found[name] = (array + change).astype(np.float32)
    return found


def test_nothing() -> None:
    found = edit(BASE)
    assert (found.kind, found.touched, found.relative) == ("none", (), 0.0)


@pytest.mark.parametrize("dtype", ["F16", "F32"])
def test_the_same_in_another_dtype(dtype: str) -> None:
    assert edit(BASE, dtype=dtype).kind in ("none", "cast")  # bfloat16 fits into both but for the smallest
    wide = moved(BASE, 0.01)
    ours, theirs = take_inventory(MemorySource(wide, dtype="F32")), take_inventory(MemorySource(wide))
    assert find_edit(ours, theirs, pair_up(ours, theirs)).kind == "cast"


@pytest.mark.parametrize(("rank", "relative"), [(2, 3e-3), (4, 3e-3), (8, 1e-2)])
def test_a_lora_with_its_rank_and_modules(rank: int, relative: float) -> None:
    found = edit(lora(BASE, rank, relative, *ATTENTION))
    assert (found.kind, found.rank, found.grid) == ("lora", rank, "")
    assert {role: n for role, (n, _) in found.roles().items() if n} == {"self_attn.q_proj": 3, "self_attn.v_proj": 3}
    assert found.relative == pytest.approx(relative, rel=0.3)


def test_a_lora_on_the_last_layers() -> None:
    found = edit(lora(BASE, 4, 1e-2, "layers.2."))
    assert (found.kind, found.rank) == ("lora", 4)
    assert {change.place.layer for change in found.touched} == {2}


def test_a_lora_with_trained_embeddings() -> None:
    student = lora(BASE, 4, 1e-2, *ATTENTION)
    student["model.embed_tokens.weight"] = moved(BASE, 0.01)["model.embed_tokens.weight"]
    found = edit(student)
    assert (found.kind, found.rank) == ("lora", 4)
    assert found.roles()["embed_tokens"] == (1, 1)


@pytest.mark.parametrize("relative", [2e-3, 1e-2, 1e-1])
def test_dense_training(relative: float) -> None:
    found = edit(moved(BASE, relative))
    assert (found.kind, found.rank, found.grid) == ("dense", 0, "")
    assert found.relative == pytest.approx(relative, rel=0.3)


def test_too_small_to_tell() -> None:
    found = edit(moved(BASE, 1e-4))
    assert found.kind == "unknown"
    assert "too small" in found.reason


@pytest.mark.parametrize("grid", sorted(GRIDS))
def test_a_lora_merged_into_a_rounded_base(grid: str) -> None:
    rounded = {n: GRIDS[grid](a) if a.ndim == 2 and "layers" in n else a for n, a in BASE.items()}
    rounded = {n: BASE[n] if a is None else a for n, a in rounded.items()}
    found = edit(lora(rounded, 4, 1e-2, "proj"))
    assert (found.kind, found.rank, found.grid) == ("lora", 4, grid)
    copy = edit(rounded)
    assert (copy.kind, copy.grid) == ("quantised copy", grid)


def test_interpolation_and_merge() -> None:
    tuned, other = moved(BASE, 0.05, seed=2), moved(BASE, 0.05, seed=3)
    half = {n: bf16(0.3 * BASE[n] + 0.7 * tuned[n]) for n in BASE}
    found = edit(half, others=[("tuned", tuned)])
    assert found.kind == "merge"
    assert found.weights == (("tuned", pytest.approx(0.7, abs=0.01)),)
    both = {n: bf16(0.6 * tuned[n] + 0.4 * other[n]) for n in BASE}
    found = edit(both, others=[("tuned", tuned), ("other", other)])
    assert dict(found.weights) == {"tuned": pytest.approx(0.6, abs=0.01), "other": pytest.approx(0.4, abs=0.01)}
    assert edit(moved(BASE, 0.05, seed=4), others=[("tuned", tuned)]).kind == "dense"


def test_layers_left_out_of_a_fine_tune() -> None:
    tuned = lora(BASE, 4, 1e-2, "proj")
    student = {n.replace("layers.2.", "layers.1."): a for n, a in tuned.items() if "layers.1." not in n}
    found = edit(student)
    assert (found.kind, found.rank, found.surgery.layers) == ("lora", 4, (0, 2))


def test_numbers_that_are_none_are_counted_and_spoil_nothing() -> None:
    student = lora(BASE, 4, 1e-2, "proj")
    name = "model.layers.0.mlp.up_proj.weight"
    student[name] = student[name].copy()
    student[name][0, :3] = np.nan, np.inf, -np.inf
    found = edit(student)
    assert (found.kind, found.rank) == ("lora", 4)
    odd = {str(change.place): change.student_odd for change in found.changes if change.student_odd}
    assert odd == {"layers.0.mlp.up_proj": 3}


def test_models_that_share_nothing() -> None:
    assert edit(BASE, {"x": np.ones((4, 4), np.float32)}).kind == "unknown"


def test_codes_without_their_scales_are_not_compared() -> None:
    ours, theirs = take_inventory(MemorySource(BASE)), take_inventory(MemorySource(BASE, dtype="F8_E4M3"))
    found = find_edit(ours, theirs, pair_up(ours, theirs))
    assert (found.kind, found.changes) == ("unknown", ())
    assert "F8_E4M3" in found.reason


@pytest.mark.parametrize("way", ["renamed", "reordered", "upcast"])
def test_how_the_files_are_written_changes_nothing(way: str) -> None:
    student = {name: bf16(array) for name, array in lora(BASE, 4, 3e-3, *ATTENTION).items()}
    plain = edit(student)
    if way == "renamed":
        again = edit({name.replace("model.", "model.language_model."): array for name, array in student.items()})
    elif way == "reordered":
        again = edit(dict(reversed(student.items())))
    else:
        again = edit(student, dtype="F32")
    assert (again.kind, again.rank, again.roles()) == (plain.kind, plain.rank, plain.roles()) == ("lora", 4, plain.roles())
    assert again.relative == pytest.approx(plain.relative)
