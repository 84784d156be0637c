"""Checkpoints in 8 and fewer bits: numbers with their scales where that is known, and never a wrong word where not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hydrometer.checkpoint.opening import open_source
from hydrometer.inspection import Inspection, inspect
from hydrometer.refs import parse_ref
from memory_source import llama

torch = pytest.importorskip("torch")
TENSORS = {n: torch.from_numpy(a).bfloat16() for n, a in llama(0, width=256, ffn=512, layers=3).items()}
TOP = 448.0


def write(folder: Path, tensors: dict[str, Any], **config: Any) -> str:
    from safetensors.torch import save_file

    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "num_hidden_layers": 3, **config}))
    save_file(tensors, folder / "model.safetensors")
    return str(folder)


def eight(tensors: dict[str, Any], way: str) -> dict[str, Any]:
    """Projections in FP8, as the usual writers do: by blocks, by rows, or with one scale."""
    found = {}
    for name, tensor in tensors.items():
        if "_proj" not in name:
            found[name] = tensor
            continue
        whole = tensor.float()
        rows, width = whole.shape
        size = {"block": (128, 128), "row": (1, width), "one": (rows, width)}[way]
        tiles = whole.reshape(rows // size[0], size[0], width // size[1], size[1])
        scale = tiles.abs().amax(dim=(1, 3)) / TOP
        codes = (tiles / scale[:, None, :, None]).to(torch.float8_e4m3fn).reshape(rows, width)
        found[name] = codes
        found[f"{name}_scale_inv" if way == "block" else f"{name}_scale"] = scale if way != "one" else scale.reshape(1)
    return found


BLOCKS = {"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}}


def moved(relative: float) -> dict[str, Any]:
    torch.manual_seed(1)
    return {
        n: (t.float() + relative * t.float().std() * torch.randn(t.shape)).bfloat16() if t.ndim > 1 else t
        for n, t in TENSORS.items()
    }


def kind(found: Inspection) -> str:
    assert found.edit is not None
    return found.edit.kind


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(tmp_path_factory.mktemp("scales") / "base", TENSORS)


@pytest.mark.parametrize("way", ["block", "row", "one"])
def test_codes_become_numbers(way: str, tmp_path: Path) -> None:
    tensors = eight(TENSORS, way)
    source = open_source(parse_ref(write(tmp_path / "s", tensors, **BLOCKS)))
    name = "model.layers.1.mlp.up_proj.weight"
    scale = tensors[f"{name}_scale_inv" if way == "block" else f"{name}_scale"].float()
    codes = tensors[name].float()
    spread = torch.kron(scale, torch.ones(128, 128)) if way == "block" else scale
    assert not [n for n in source.tensors if "_scale" in n]
    np.testing.assert_array_equal(source.values(name, 100, 200), (codes * spread)[100:200].numpy())


@pytest.mark.parametrize("way", ["block", "row", "one"])
def test_a_copy_is_told_from_what_cannot_be_told(base: str, way: str, tmp_path: Path) -> None:
    copy = inspect(base, write(tmp_path / "copy", eight(TENSORS, way), **BLOCKS))
    trained = inspect(base, write(tmp_path / "trained", eight(moved(0.01), way), **BLOCKS))
    assert (copy.lineage.word, trained.lineage.word) == ("derived", "derived")
    assert (kind(copy), kind(trained)) == ("quantised copy", "unknown")
    assert copy.edit is not None
    assert copy.edit.relative == pytest.approx(0.026, rel=0.1)
    assert trained.edit is not None
    assert "8-bit scales" in trained.edit.reason
    assert "contradicted" not in {q.answer for q in trained.questions if q.name in ("lineage", "edit", "parts")}


def test_a_base_in_eight_bits_hides_what_is_smaller_than_its_rounding(tmp_path: Path) -> None:
    coarse = write(tmp_path / "base", eight(TENSORS, "block"), **BLOCKS)
    found = inspect(coarse, write(tmp_path / "s", moved(0.002)))
    assert found.lineage.word == "derived"
    assert kind(found) == "unknown"
    assert found.edit is not None
    assert "the base is quantised" in found.edit.reason


def test_scales_that_do_not_fit_are_not_applied(base: str, tmp_path: Path) -> None:
    tensors = eight(TENSORS, "block")
    found = inspect(base, write(tmp_path / "s", tensors, quantization_config={"weight_block_size": [64, 64]}))
    assert kind(found) == "unknown"
    assert found.edit is not None
    assert "without their scales" in found.edit.reason


def test_packed_weights_are_not_testable_and_not_missing(base: str, tmp_path: Path) -> None:
    tensors = {}
    for name, tensor in TENSORS.items():
        if "_proj" in name:
            stem = name.removesuffix(".weight")
            rows, width = tensor.shape
            tensors |= {f"{stem}.qweight": torch.zeros(width // 8, rows, dtype=torch.int32)}
            tensors |= {f"{stem}.scales": torch.ones(width // 128, rows, dtype=torch.float16)}
        else:
            tensors[name] = tensor
    found = inspect(base, write(tmp_path / "s", tensors))
    answers = {question.name: question.answer for question in found.questions}
    assert answers["lineage"] == "insufficient"
    assert answers["parts"] == "confirmed"
    assert any("cannot be tested from these files" in note for note in found.ledger.notes)
