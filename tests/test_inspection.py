"""Files of two models compared end to end: real ones, and tiny ones that transformers saved after an edit."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from commands import hydrometer
from hydrometer.checkpoint import ggml
from hydrometer.checkpoint.inventory import Inventory, take_inventory
from hydrometer.checkpoint.names import Place
from hydrometer.checkpoint.opening import open_source
from hydrometer.cli.main import app
from hydrometer.errors import ModelError, UnreadableModelError
from hydrometer.inspection import Inspection, inspect, to_json
from hydrometer.refs import parse_ref
from tiny_models import build_tiny

BASE, STUDENT = "bundled:base", "bundled:student"


def answers(found: Inspection) -> dict[str, str]:
    return {question.name: question.answer for question in found.questions}


def text(found: Inspection, name: str) -> str:
    return next(question.text for question in found.questions if question.name == name)


@pytest.fixture(scope="module")
def real() -> Inspection:
    pytest.importorskip("gguf")
    return inspect(BASE, STUDENT)


def test_the_bundled_student_is_a_lora_of_its_rank(real: Inspection) -> None:
    assert (real.verdict, real.exit_code) == ("confirmed", 0)
    assert real.edit is not None
    assert (real.edit.kind, real.edit.rank) == ("lora", 8)
    assert set(real.edit.low_rank_roles()) == {
        *(f"self_attn.{part}_proj" for part in "qkvo"),
        *(f"mlp.{part}_proj" for part in ("gate", "up", "down")),
    }
    assert {role: moved for role, (moved, _) in real.edit.roles().items() if moved < 30} == {
        "embed_tokens": 0,
        "input_layernorm": 0,
        "norm": 0,
        "post_attention_layernorm": 0,
    }
    assert "LoRA of rank 8" in text(real, "edit")
    assert "of layers 0-29" in text(real, "edit")


def test_json_holds_the_map_of_all_weights(real: Inspection) -> None:
    plain = json.loads(json.dumps(to_json(real), allow_nan=False))
    assert plain["verdict"] == "confirmed"
    assert plain["edit"]["roles"]["mlp.up_proj"] == {"moved": 30, "count": 30, "rank": 8}
    assert len(plain["edit"]["map"]) == 272
    assert plain["edit"]["map"][0]["place"].keys() == {"group", "layer", "role", "expert"}


def test_the_real_base_against_itself() -> None:
    pytest.importorskip("gguf")
    found = inspect(BASE, BASE)
    assert (found.verdict, found.lineage.word) == ("confirmed", "identical")
    assert found.edit is not None
    assert found.edit.kind == "none"


def opened(reference: str) -> Inventory:
    return take_inventory(open_source(parse_ref(reference)))


def write_quantised(path: Path, model: Inventory, dtype: str) -> str:
    """Three down projections of a real model in another format, as a GGUF file."""
    gguf = pytest.importorskip("gguf")
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(30)
    for layer in (3, 14, 27):
        place = Place("text", layer, "mlp.down_proj")
        rows = model.values(place, 0, model.weights[place].rows)
        raw = ggml.requantise(rows, dtype)
        if raw is None:
            pytest.skip("needs the library of the llamacpp extra")
        shaped = np.frombuffer(raw, np.uint8).reshape(len(rows), -1)
        writer.add_tensor(f"blk.{layer}.ffn_down.weight", shaped, raw_dtype=gguf.GGMLQuantizationType[dtype])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return str(path)


@pytest.mark.parametrize("dtype", ["Q8_0", "Q6_K", "Q4_K"])
def test_a_quantised_base_is_told_from_a_quantised_student(dtype: str, tmp_path: Path) -> None:
    copy = inspect(BASE, write_quantised(tmp_path / "copy.gguf", opened(BASE), dtype))
    trained = inspect(BASE, write_quantised(tmp_path / "trained.gguf", opened(STUDENT), dtype))
    assert copy.lineage.word == trained.lineage.word == "derived"
    assert copy.edit is not None
    assert trained.edit is not None
    assert (copy.edit.kind, trained.edit.kind) == ("quantised copy", "quantised fine-tune")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, int], Path]]:
    pytest.importorskip("transformers")
    known: dict[tuple[str, int], Path] = {}

    def make(kind: str, seed: int) -> Path:
        if (kind, seed) not in known:
            known[kind, seed] = build_tiny(kind, tmp_path_factory.mktemp(f"{kind}{seed}"), seed)  # type: ignore[arg-type]
        return known[kind, seed]

    return make


def save_again(source: Path, target: Path, change: Callable[[Any], None], loader: str = "AutoModelForCausalLM") -> str:
    """Load a checkpoint with transformers, change its weights, and save it as users do."""
    import torch
    import transformers

    model = getattr(transformers, loader).from_pretrained(source, dtype=torch.float32)
    with torch.no_grad():
        change(model)
    model.save_pretrained(target)
    return str(target)


def lora(model: Any) -> None:
    import torch

    torch.manual_seed(3)
    for name, weight in model.named_parameters():
        if "up_proj" in name:
            rows, width = weight.shape
            weight.add_(0.01 * torch.randn(rows, 2) @ torch.randn(2, width))


def noise(model: Any) -> None:
    import torch

    torch.manual_seed(4)
    for weight in model.parameters():
        if weight.ndim > 1:
            weight.add_(0.01 * weight.std() * torch.randn_like(weight))


def test_a_merged_lora_that_transformers_saved(tiny: Callable[[str, int], Path], tmp_path: Path) -> None:
    found = inspect(str(tiny("llama", 0)), save_again(tiny("llama", 0), tmp_path / "s", lora))
    assert found.edit is not None
    assert (found.edit.kind, found.edit.rank) == ("lora", 2)
    assert text(found, "edit").startswith("LoRA of rank 2 on up_proj of layers 0-2")
    assert found.exit_code == 0


def test_unrelated_models_contradict_the_claim(tiny: Callable[[str, int], Path]) -> None:
    found = inspect(str(tiny("llama", 0)), str(tiny("llama", 1)))
    assert answers(found)["lineage"] == "contradicted"
    assert (found.exit_code, found.edit) == (10, None)


def test_the_true_parent_among_candidates(tiny: Callable[[str, int], Path], tmp_path: Path) -> None:
    base = tiny("llama", 0)
    sibling = save_again(base, tmp_path / "sibling", noise)
    student = save_again(Path(sibling), tmp_path / "student", lora)
    found = inspect(str(base), student, [str(tiny("llama", 1)), sibling])
    assert answers(found)["lineage"] == "contradicted"
    assert text(found, "lineage").startswith(f"{sibling} is nearer")
    assert [one.base for one in found.candidates] == [sibling, str(tiny("llama", 1))]


def test_a_text_class_drops_the_tower(tiny: Callable[[str, int], Path], tmp_path: Path) -> None:
    """Names change from `model.language_model.layers` to `model.layers` or not: the student stays derived."""
    base = tiny("qwen3_5", 0)
    student = save_again(base, tmp_path / "s", noise)
    found = inspect(str(base), student)
    assert found.lineage.word == "derived"
    states = {part.name: part.state for part in found.ledger.parts}
    assert states["vision tower"] in ("dropped", "missing")
    assert found.student.unknown == 0


def test_a_config_that_promises_a_head(tiny: Callable[[str, int], Path], tmp_path: Path) -> None:
    base = tiny("qwen3_5", 0)
    student = Path(save_again(base, tmp_path / "s", noise, "AutoModelForImageTextToText"))
    config = json.loads((student / "config.json").read_text())
    config["text_config"]["mtp_num_hidden_layers"] = 1
    (student / "config.json").write_text(json.dumps(config))
    found = inspect(str(base), str(student), quick=True)
    assert answers(found)["parts"] == "contradicted"
    assert "multi-token prediction" in text(found, "parts")
    assert found.exit_code == 10
    assert found.edit is None


def test_full_reads_everything(tiny: Callable[[str, int], Path], tmp_path: Path) -> None:
    base = tiny("llama", 0)
    student = save_again(base, tmp_path / "s", lora)
    found = inspect(str(base), student, full=True)
    assert found.edit is not None
    assert all(change.compared == change.elements for change in found.edit.changes)


def test_references_without_files() -> None:
    with pytest.raises(ModelError, match="no files to read"):
        inspect("http://localhost:1/v1", BASE)


def test_damaged_files_have_a_status_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF" + b"\xff" * 113)
    with pytest.raises(UnreadableModelError):
        inspect(BASE, str(tmp_path / "x.gguf"))
    done = hydrometer("inspect", BASE, "x.gguf", cwd=tmp_path)
    assert done.returncode == 12
    assert done.stderr.count("error:") == 1
    assert "Traceback" not in done.stderr
    assert hydrometer("inspect", BASE, "missing.gguf", cwd=tmp_path).returncode == 2


def test_the_command(tiny: Callable[[str, int], Path], tmp_path: Path) -> None:
    base = str(tiny("llama", 0))
    student = save_again(tiny("llama", 0), tmp_path / "s", lora)
    shown = CliRunner().invoke(app, ["inspect", base, student])
    assert shown.exit_code == 0
    assert "comes from the base: CONFIRMED" in shown.stdout
    assert "LoRA of rank 2" in " ".join(shown.stdout.split())
    plain = CliRunner().invoke(app, ["inspect", base, str(tiny("llama", 1)), "--quick", "--json"])
    assert plain.exit_code == 10
    assert json.loads(plain.stdout)["verdict"] == "contradicted"
    assert CliRunner().invoke(app, ["inspect", base, student, "--quick", "--full"]).exit_code != 0


def test_the_page(tiny: Callable[[str, int], Path], tmp_path: Path) -> None:
    base = str(tiny("llama", 0))
    student = save_again(tiny("llama", 0), tmp_path / "s", lora)
    shown = CliRunner().invoke(app, ["inspect", base, student, "--full", "--html", str(tmp_path / "x" / "page.html")])
    assert shown.exit_code == 0
    page = (tmp_path / "x" / "page.html").read_text()
    assert "LoRA of rank 2" in page
    assert "weights that were compared moved" in page
    assert re.search(r'<td class="w w\d" title="distance [\d.e-]+, rank 2">\d</td>', page)
    assert page.count("<script") == 0
