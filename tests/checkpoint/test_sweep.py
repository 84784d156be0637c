"""All weights compared by one process or several, from one file or many: the same numbers to the last bit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from hydrometer.checkpoint.inventory import Inventory, pair_up, take_inventory
from hydrometer.checkpoint.opening import open_source
from hydrometer.checkpoint.sweep import sweep
from hydrometer.errors import ModelError
from hydrometer.inspection import inspect, to_json
from hydrometer.refs import parse_ref
from memory_source import Array, llama, moved

BASE = {name: array.astype(np.float16) for name, array in llama(0, width=96, ffn=192, layers=3).items()}
STUDENT = {name: array.astype(np.float16) for name, array in moved(BASE, 0.01).items()}


def write(folder: Path, tensors: dict[str, Array], shards: int = 1) -> str:
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama", "num_hidden_layers": 3}')
    if shards == 1:
        save_file(tensors, folder / "model.safetensors")
        return str(folder)
    table = {}
    for part in range(shards):
        name = f"model-{part + 1:05}-of-{shards:05}.safetensors"
        mine = dict(list(tensors.items())[part::shards])
        save_file(mine, folder / name)
        table |= dict.fromkeys(mine, name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": table}))
    return str(folder)


def opened(reference: str) -> Inventory:
    return take_inventory(open_source(parse_ref(reference)))


def test_the_number_of_processes_changes_no_bit(tmp_path: Path) -> None:
    base, student = opened(write(tmp_path / "b", BASE)), opened(write(tmp_path / "s", STUDENT))
    couples = [(place, place) for place in pair_up(base, student).pairs]
    counts: list[tuple[int, int]] = []
    alone = sweep(base, student, couples, most=None)
    several = sweep(base, student, couples, most=None, workers=3, advance=lambda *at: counts.append(at))
    assert several == alone
    assert [change.place for change in alone] == [place for place, _ in couples]
    assert counts[-1] == (len(couples), len(couples))
    assert any(change.changed for change in alone)


def test_a_file_that_changes_meanwhile_is_one_line(tmp_path: Path) -> None:
    base, student = opened(write(tmp_path / "b", BASE)), opened(write(tmp_path / "s", STUDENT))
    couples = [(place, place) for place in pair_up(base, student).pairs]
    save_file(BASE, tmp_path / "s" / "model.safetensors", metadata={"new": "x"})
    with pytest.raises(ModelError, match="changed while it was being read"):
        sweep(base, student, couples, most=None, workers=2)


def test_shards_change_no_number(tmp_path: Path) -> None:
    base = write(tmp_path / "b", BASE)
    plain = to_json(inspect(base, write(tmp_path / "one", STUDENT), full=True))
    parted = to_json(inspect(base, write(tmp_path / "many", STUDENT, 4), full=True))
    for found in (plain, parted):
        del found["student"]["reference"]
        found["edit"]["map"].sort(key=lambda row: json.dumps(row["place"]))
    assert parted == plain
