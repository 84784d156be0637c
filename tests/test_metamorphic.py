"""The same model saved in another way gets the same answers: shards, prefixes, order, a wider dtype, more processes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from hydrometer.inspection import Inspection, inspect
from memory_source import Array, llama
from planted import changed, dense, lora

BASE = llama(0, width=128, ffn=256, layers=4)
RNG = np.random.default_rng(1)
STUDENTS = {
    "itself": dict(BASE),
    "lora": changed(BASE, lora(RNG, 4, 3e-3, ("q_proj", "up_proj"))),
    "dense": changed(BASE, dense(RNG, 1e-2)),
    "unrelated": llama(7, width=128, ffn=256, layers=4),
}


def save(folder: Path, tensors: Mapping[str, Array], *, shards: int = 1, dtype: type = np.float16) -> str:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "num_hidden_layers": 4, "vocab_size": 80}))
    arrays = {name: array.astype(np.float16).astype(dtype) for name, array in tensors.items()}
    if shards == 1:
        save_file(arrays, folder / "model.safetensors")
        return str(folder)
    table = {}
    for number in range(shards):
        file = f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        mine = dict(list(arrays.items())[number::shards])
        save_file(mine, folder / file)
        table |= dict.fromkeys(mine, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": table}))
    return str(folder)


WAYS: dict[str, Callable[[Path, Mapping[str, Array]], str]] = {
    "resharded": lambda folder, tensors: save(folder, tensors, shards=3),
    "another prefix": lambda folder, tensors: save(folder, {n.replace("model.", "model.language_model.", 1): a for n, a in tensors.items()}),
    "another order": lambda folder, tensors: save(folder, dict(reversed(tensors.items()))),
    "a wider dtype": lambda folder, tensors: save(folder, tensors, dtype=np.float32),
}


def verdicts(found: Inspection) -> tuple[object, ...]:
    edit = found.edit
    answers = tuple((q.name, q.answer) for q in found.questions if q.name != "settings")
    return answers, found.lineage.word, (edit.kind, edit.rank, edit.low_rank_roles()) if edit else None


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save(tmp_path_factory.mktemp("meta") / "base", BASE)


@pytest.mark.parametrize("kind", STUDENTS)
def test_how_a_model_is_saved_changes_no_verdict(kind: str, base: str, tmp_path: Path) -> None:
    wanted = verdicts(inspect(base, save(tmp_path / "plain", STUDENTS[kind])))
    for name, write in WAYS.items():
        again = verdicts(inspect(base, write(tmp_path / name, STUDENTS[kind])))
        if kind == "itself" and name == "a wider dtype":
            # Another dtype is what was done to it, and nothing else.
            assert again[2] == ("none", 0, {})
        assert again == wanted, name


@pytest.mark.filterwarnings("ignore")
def test_the_number_of_processes_changes_no_number(base: str, tmp_path: Path) -> None:
    student = save(tmp_path / "s", STUDENTS["lora"], shards=2)
    one, two = (inspect(base, student, full=True, workers=workers) for workers in (1, 2))
    assert one.edit == two.edit
    assert one.questions == two.questions
    assert one.edit is not None
    assert (one.edit.kind, one.edit.rank) == ("lora", 4)
