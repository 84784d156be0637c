"""Checkpoints in 8 and fewer bits: numbers with their scales where that is known, and never a wrong word where not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hydrometer.checkpoint.opening import open_source
from hydrometer.checkpoint.packed import packing
from hydrometer.checkpoint.safetensors_source import SafetensorsSource
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


FLOATS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
INT4 = {"quantization_config": {"config_groups": {"group_0": {"weights": {"num_bits": 4}}}}}


def four(tensors: dict[str, Any], way: str) -> dict[str, Any]:
    """Projections in 4 bits as the usual writers pack them; the numbers were checked against theirs."""
    found = {}
    for name, tensor in tensors.items():
        if "_proj" not in name:
            found[name] = tensor
            continue
        whole = tensor.float()
        rows, width = whole.shape
        size = {"INT4": 128, "MXFP4": 32}.get(way, 16)
        groups = whole.reshape(rows, -1, size)
        top = groups.abs().amax(dim=2)
        beside = {}
        if way == "INT4":
            step = found[f"{name}_scale"] = (top / 7.5).bfloat16()
            codes = (groups / step.float()[..., None]).round().clamp(-8, 7).reshape(rows, -1, 8).long() + 8
            packed = (codes << torch.arange(0, 32, 4)).sum(dim=2)
            beside = {"_packed": (packed - ((packed >> 31) << 32)).int(), "_shape": torch.tensor([rows, width])}
            found |= {f"{name}{end}": value for end, value in beside.items()}
            continue
        if way == "MXFP4":
            power = top.log2().floor() - 2
            step, beside["_scale"] = 2.0**power, (power + 127).to(torch.uint8)
        else:
            whole_scale = 448 * 6 / whole.abs().max()
            scale = beside["_scale"] = (top * whole_scale / 6).to(torch.float8_e4m3fn)
            divides = way == "NVFP4 divided"
            beside["_global_scale" if divides else "_scale_2"] = (whole_scale if divides else 1 / whole_scale).reshape(1)
            step = scale.float() / whole_scale
        distance = (groups[..., None] / step[..., None, None]).abs() - torch.tensor(FLOATS)
        codes = (distance.abs().argmin(dim=3) + 8 * (groups < 0)).reshape(rows, -1, 2).to(torch.uint8)
        beside["_packed" if way in ("MXFP4", "NVFP4 divided") else ""] = codes[..., 0] | codes[..., 1] << 4
        found |= {f"{name}{end}": value for end, value in beside.items()}
    return found


@pytest.mark.parametrize("way", ["NVFP4 divided", "NVFP4 multiplied", "MXFP4", "INT4"])
def test_four_bits_become_numbers_and_a_copy_is_told(base: str, way: str, tmp_path: Path) -> None:
    config = INT4 if way == "INT4" else {}
    reference = write(tmp_path / "copy", four(TENSORS, way), **config)
    source = open_source(parse_ref(reference))
    assert set(source.tensors) == set(TENSORS)
    name = "model.layers.1.mlp.up_proj.weight"
    got, whole = source.values(name, 100, 200), TENSORS[name][100:200].float().numpy()
    assert np.linalg.norm(got - whole) / np.linalg.norm(whole) == pytest.approx(0.11, abs=0.02)
    np.testing.assert_array_equal(got[7:9], source.values(name, 107, 109))
    copy = inspect(base, reference)
    trained = inspect(base, write(tmp_path / "trained", four(moved(0.01), way), **config))
    assert (kind(copy), kind(trained)) == ("quantised copy", "unknown")
    assert trained.lineage.word == "derived"
    assert trained.edit is not None
    assert f"the student's scales of {way.split(maxsplit=1)[0]} gives" in trained.edit.reason
    assert "contradicted" not in {q.answer for q in trained.questions if q.name in ("lineage", "edit", "parts")}


class Counted:
    """A file that counts the bytes that are read from it."""

    def __init__(self, file: Any) -> None:
        self.file, self.label, self.size, self.nbytes = file, file.label, file.size, 0

    def read(self, offset: int, length: int) -> bytes:
        self.nbytes += length
        return bytes(self.file.read(offset, length))


@pytest.mark.parametrize("way", ["block", "row", "MXFP4"])
def test_only_the_scales_of_the_rows_are_read(way: str, tmp_path: Path) -> None:
    """A table read whole for each piece would make a pass over a tall matrix cost the square of its height."""
    tensors = four(TENSORS, way) if way == "MXFP4" else eight(TENSORS, way)
    source = open_source(parse_ref(write(tmp_path / "s", tensors, **BLOCKS)))
    assert isinstance(source, SafetensorsSource)
    name = "model.layers.0.mlp.up_proj.weight"
    file = Counted(source.shards.files["model.safetensors"])
    source.shards.files["model.safetensors"] = file  # type: ignore[assignment]
    source.values(name, 130, 131)
    width = 256
    assert file.nbytes == {"block": width + 4 * width // 128, "row": width + 4, "MXFP4": width // 2 + width // 32}[way]


@pytest.mark.parametrize(
    ("names", "method", "words"),
    [
        (("a.qweight", "a.qzeros"), "awq", "AWQ"), (("a.qweight",), "gptq", "GPTQ"), (("a.qweight",), "", "AWQ or GPTQ"),
        (("a.weight.absmax",), "bitsandbytes", "bitsandbytes"), (("a.gate_up_proj_blocks",), "mxfp4", "MXFP4 in blocks of gpt-oss"),
        (("a.weight_packed",), "compressed-tensors", "compressed-tensors"), (("a.weight",), "", ""),
    ],
)  # fmt: skip
def test_what_is_only_recognised_is_named(names: tuple[str, ...], method: str, words: str) -> None:
    assert packing(names, {"quantization_config": {"quant_method": method}}) == words


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
