"""Safetensors checkpoints read row by row: what the writer wrote comes back, and indexes that lie do not pass."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors import safe_open
from safetensors.numpy import save_file

from hydrometer.checkpoint.header import read_header
from hydrometer.checkpoint.numbers import decode
from hydrometer.checkpoint.places import LocalFolder
from hydrometer.checkpoint.safetensors_source import SafetensorsSource, open_safetensors
from hydrometer.checkpoint.shards import INDEX
from hydrometer.checkpoint.source import TensorSource, prefetch
from hydrometer.checkpoint.storage import LocalFile
from hydrometer.errors import ModelError

SHARD = "model-0000{}-of-00002.safetensors"


def write_raw(path: Path, tensors: dict[str, tuple[str, list[int], bytes]]) -> None:
    """Write a safetensors file with dtypes that numpy lacks."""
    header, data = {}, b""
    for name, (dtype, shape, raw) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    rng = np.random.default_rng(0)
    first = {"a.weight": rng.normal(size=(8, 4)).astype(np.float32), "experts": np.arange(24.0).reshape(2, 3, 4)}
    second = {"b.weight": rng.normal(size=(6, 4)).astype(np.float16), "scale": np.array(3.0, np.float32)}
    save_file(first, tmp_path / SHARD.format(1))
    save_file(second, tmp_path / SHARD.format(2))
    table = {name: SHARD.format(1) for name in first} | {name: SHARD.format(2) for name in second}
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": table}))
    return tmp_path


@pytest.fixture
def source(folder: Path) -> SafetensorsSource:
    return open_safetensors(LocalFolder(folder))


def test_it_is_a_tensor_source(source: SafetensorsSource) -> None:
    as_protocol: TensorSource = source
    assert as_protocol.config == {"model_type": "llama"}
    assert source.remarks == ()
    meta = source.tensors["experts"]
    assert (meta.shape, meta.rows, meta.width, meta.dtype, meta.raw) == ((2, 3, 4), 2, 12, "F64", True)
    prefetch(source, [("a.weight", 0, 8)])
    source.close()
    source.close()
    with pytest.raises(ModelError, match="cannot be read"):
        source.bits("a.weight", 0, 1)


def test_rows_are_those_of_the_reference_reader(folder: Path, source: SafetensorsSource) -> None:
    for shard in (1, 2):
        with safe_open(folder / SHARD.format(shard), "numpy") as reference:
            for name in reference.keys():  # noqa: SIM118 - it is no dict
                whole = reference.get_tensor(name)
                rows = whole.reshape(source.tensors[name].rows, -1)
                for start in range(len(rows) + 1):
                    for stop in range(start, len(rows) + 1):
                        got = source.values(name, start, stop)
                        assert got.dtype == np.float32
                        np.testing.assert_array_equal(got, rows[start:stop].astype(np.float32))
                        assert source.bits(name, start, stop) == rows[start:stop].tobytes()


def test_rows_that_are_not_there(source: SafetensorsSource) -> None:
    for start, stop in ((-1, 2), (0, 9), (3, 2)):
        with pytest.raises(IndexError):
            source.values("a.weight", start, stop)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_round_trip_with_the_reference_writer(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    dtypes = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]
    shapes = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
    names = data.draw(st.lists(st.text(st.characters(categories=["L", "N", "P"]), max_size=20), max_size=5, unique=True))
    tensors = {n: data.draw(arrays.arrays(data.draw(st.sampled_from(dtypes)), data.draw(shapes))) for n in names if n != "__metadata__"}
    folder = tmp_path_factory.mktemp("round")
    (folder / "config.json").write_text("{}")
    save_file(tensors, folder / "model.safetensors", metadata=data.draw(st.none() | st.just({"a": '{"b": [1]}', "c": "}"})))
    if not tensors:
        with pytest.raises(ModelError, match="hold no tensor"):
            open_safetensors(LocalFolder(folder))
        return
    source = open_safetensors(LocalFolder(folder))
    assert set(source.tensors) == set(tensors)
    with np.errstate(all="ignore"):
        for name, array in tensors.items():
            meta = source.tensors[name]
            assert (meta.shape, meta.nbytes) == (array.shape, array.nbytes)
            expected = array.astype(np.float32).reshape(meta.rows, meta.width)
            np.testing.assert_array_equal(source.values(name, 0, meta.rows), expected)
            assert source.bits(name, 0, meta.rows) == array.tobytes()
    source.close()


@pytest.mark.torch
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("F8_E4M3", "float8_e4m3fn"),
        ("F8_E4M3FNUZ", "float8_e4m3fnuz"),
        ("F8_E5M2", "float8_e5m2"),
        ("F8_E5M2FNUZ", "float8_e5m2fnuz"),
        ("F8_E8M0", "float8_e8m0fnu"),
        ("BF16", "bfloat16"),
        ("F16", "float16"),
    ],
)
def test_every_code_means_what_torch_says(ours: str, theirs: str) -> None:
    torch = pytest.importorskip("torch")
    dtype = getattr(torch, theirs)
    codes = np.arange(256, dtype=np.uint8) if dtype.itemsize == 1 else np.arange(65536, dtype=np.uint16).view(np.uint8)
    expected = torch.frombuffer(bytearray(codes.tobytes()), dtype=dtype).to(torch.float32).numpy()
    np.testing.assert_array_equal(decode(ours, codes.tobytes()), expected)


def test_four_bit_numbers_and_those_without_a_meaning(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    tensors = {
        "four": ("F4", [2, 4], bytes([0x10, 0x72, 0xFA, 0x0F])),
        "odd": ("F4", [2, 3], bytes(3)),
        "six": ("F6_E2M3", [4], bytes(3)),
        "complex": ("C64", [1], bytes(8)),
    }
    write_raw(tmp_path / "model.safetensors", tensors)
    source = open_safetensors(LocalFolder(tmp_path))
    np.testing.assert_array_equal(source.values("four", 0, 2), [[0, 0.5, 1, 6], [-1, -6, -6, 0]])
    np.testing.assert_array_equal(source.values("four", 1, 2), [[-1, -6, -6, 0]])
    with pytest.raises(ModelError, match="do not end with a byte"):
        source.bits("odd", 0, 1)
    for name in ("six", "complex"):
        assert source.bits(name, 0, source.tensors[name].rows)
        with pytest.raises(ModelError, match="cannot be read as numbers"):
            source.values(name, 0, 1)


def _move(path: Path, **table: str) -> None:
    index = json.loads((path / INDEX).read_text())
    index["weight_map"] |= {key.replace("_", "."): value for key, value in table.items()}
    (path / INDEX).write_text(json.dumps(index))


def _again(path: Path) -> None:
    save_file({"a.weight": np.ones(2, np.float32), "scale": np.ones(1)}, path / SHARD.format(2))


def _link(path: Path, name: str) -> None:
    outside = path.parent / "outside"
    (path / name).rename(outside)
    (path / name).symlink_to(outside)


HOSTILE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "wrong shard in the index": (lambda p: _move(p, a_weight=SHARD.format(2)), "lies in .* says"),
    "a tensor that no shard has": (lambda p: _move(p, c_weight=SHARD.format(2)), "no file holds 1 tensors"),
    "a shard that is not there": (lambda p: _move(p, a_weight="other.safetensors"), "is missing"),
    "a tensor in two shards": (_again, "is in two files"),
    "out of the folder": (lambda p: _move(p, a_weight="../x.safetensors"), "no file of this folder"),
    "absolute": (lambda p: _move(p, a_weight="/etc/passwd"), "no file of this folder"),
    "escape sequences": (lambda p: _move(p, a_weight="\x1b[2J.safetensors"), r"\\x1b"),
    "to a pickle": (lambda p: _move(p, a_weight="model.bin"), "no file of this folder"),
    "map of numbers": (lambda p: (p / INDEX).write_text('{"weight_map": {"a": 1}}'), "no file of this folder"),
    "empty map": (lambda p: (p / INDEX).write_text('{"weight_map": {}}'), "no weight_map"),
    "a million lists": (lambda p: (p / INDEX).write_text("[" + "[]," * 1_000_000 + "[]]"), "too many parts"),
    "index too large": (lambda p: os.truncate(p / INDEX, 1 << 40), "too many for such a file"),
    "shard links out": (lambda p: _link(p, SHARD.format(1)), "a link out of the folder"),
    "config links out": (lambda p: _link(p, "config.json"), "a link out of the folder"),
    "index links out": (lambda p: _link(p, INDEX), "a link out of the folder"),
    "no config": (lambda p: (p / "config.json").unlink(), "no config.json"),
    "shard is a pipe": (lambda p: ((p / SHARD.format(1)).unlink(), os.mkfifo(p / SHARD.format(1))), "is missing"),
    "pickles instead": (lambda p: ((p / INDEX).unlink(), (p / "pytorch_model.bin").touch()), "pickles run code"),
    "torch file instead": (lambda p: ((p / INDEX).unlink(), (p / "model.pt").touch()), r"only model\.pt"),
    "sparse petabyte": (lambda p: os.truncate(p / SHARD.format(1), 1 << 42), "do not fill"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_folders_give_one_clear_line(name: str, folder: Path) -> None:
    damage, words = HOSTILE[name]
    damage(folder)
    tracemalloc.start()
    with pytest.raises(ModelError, match=words) as caught:
        open_safetensors(LocalFolder(folder))
    assert tracemalloc.get_traced_memory()[1] < 200e6
    tracemalloc.stop()
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def _header(members: bytes) -> bytes:
    return len(members).to_bytes(8, "little") + members


BOMBS = {
    "brackets": b'{"a":' + b"[]," * 8_000_000 + b"1}",
    "depth": b'{"a":' + b"[" * 24_000_000,
    "a long shape": b'{"a":{"dtype":"F4","shape":[' + b"1," * 12_000_000 + b"1]}}",
    "metadata": b'{"__metadata__":{' + b'"a":"b",' * 3_000_000 + b'"a":"c"}}',
    "an endless name": b'{"' + b'\\"' * 12_000_000 + b'":{}}',
    "blanks": b"{" + b" " * 24_000_000,
    "empty entries": b"{" + b'"":{},' * 4_000_000 + b"}",
    "entries of nothing": b"{" + b",".join(b'"%d":{"dtype":"F4","shape":[0],"data_offsets":[0,0]}' % i for i in range(250_000)) + b"}",
}


IN_A_SMALL_PROCESS = """
import resource, sys
from pathlib import Path
from hydrometer.checkpoint.header import read_header
from hydrometer.errors import ModelError
used = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_DATA, (used + 200_000_000, used + 200_000_000))
try:
    print(len(read_header(Path(sys.argv[1]))))
except ModelError as error:
    print(error)
"""
"""Not tracemalloc: watching hundreds of thousands of objects takes ten times as long as making them."""


def read_in_a_small_process(path: Path) -> str:
    command = [sys.executable, "-c", IN_A_SMALL_PROCESS, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


@pytest.mark.parametrize("name", BOMBS)
def test_headers_that_would_fill_the_memory(name: str, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(_header(BOMBS[name]))
    assert "not a sound safetensors file" in read_in_a_small_process(path)


def test_two_hundred_thousand_tensors_fit(tmp_path: Path) -> None:
    names = (b"model.layers.%d.mlp.experts.%d.up_proj.weight" % divmod(i, 1000) for i in range(200_000))
    entry = b'"%s":{"dtype":"U8","shape":[1,1],"data_offsets":[%d,%d]}'
    members = b",".join(entry % (name, i, i + 1) for i, name in enumerate(names))
    path = tmp_path / "x.safetensors"
    path.write_bytes(_header(b"{" + members + b"}") + bytes(200_000))
    assert read_in_a_small_process(path) == "200000"


@pytest.mark.parametrize(
    ("members", "words"),
    [
        (b'{"a\\ud800":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}', "no name for a tensor"),
        (b'{"\\u001b[2J":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}', "no name for a tensor"),
        (b'{"a":{"dtype":"U8","shape":[-0],"data_offsets":[0,0]}}', "no entry"),
        (b'{"a":{"dtype":"U8","shape":[1e2],"data_offsets":[0,100]}}', "no valid shape"),
        (b'{"a":{"dtype":"U8","shape":[01],"data_offsets":[0,1]}}', "no JSON"),
        (b'{"a":{"dtype":"U8","shape":[0],"shape":[0],"data_offsets":[0,0]}}', "twice"),
        (b'{"__metadata__":{},"__metadata__":{}}', "twice"),
        (b'{"__metadata__":{"a":"b","a":"b"}}', "twice"),
        (b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},}', "no JSON"),
        (b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}} x', "no JSON"),
        (b"{,}", "no JSON"),
        (b"{} {}", "no JSON"),
        (b"{\xff}", "no UTF-8"),
    ],
)
def test_headers_of_another_grammar(members: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(_header(members))
    with pytest.raises(ModelError, match=words):
        read_header(path)


def test_the_hub_s_cache_links_to_its_blobs(folder: Path) -> None:
    repo = folder / "models--org--name"
    (repo / "blobs").mkdir(parents=True)
    snapshot = repo / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    for name in ("config.json", INDEX, SHARD.format(1), SHARD.format(2)):
        (folder / name).rename(repo / "blobs" / f"sha-{name}")
        (snapshot / name).symlink_to(Path("../../blobs") / f"sha-{name}")
    assert len(open_safetensors(LocalFolder(snapshot)).tensors) == 4
    (repo / "blobs" / "sha-config.json").rename(repo / "elsewhere.json")
    (snapshot / "config.json").unlink()
    (snapshot / "config.json").symlink_to("../../elsewhere.json")
    with pytest.raises(ModelError, match="a link out"):
        open_safetensors(LocalFolder(snapshot))


def test_tensors_that_the_index_does_not_know_are_remarked(folder: Path) -> None:
    index = json.loads((folder / INDEX).read_text())
    del index["weight_map"]["scale"]
    (folder / INDEX).write_text(json.dumps(index))
    source = open_safetensors(LocalFolder(folder))
    assert source.remarks == (f"1 tensors are not in {INDEX}, first 'scale'",)
    assert source.values("scale", 0, 1) == 3.0


def _sum(source: TensorSource) -> float:
    return float(source.values("a.weight", 0, 8).sum())


def test_other_processes_read_through_a_copy(source: SafetensorsSource, folder: Path) -> None:
    with get_context("spawn").Pool(1) as pool:
        assert pool.apply(_sum, (source,)) == _sum(source)
    with get_context("fork").Pool(2) as pool:
        assert pool.map(_sum, [source] * 4) == [_sum(source)] * 4
    frozen = pickle.dumps(source)
    (folder / SHARD.format(2)).write_bytes((folder / SHARD.format(2)).read_bytes() + b"x")
    with pytest.raises(ModelError, match="changed while it was being read"):
        pickle.loads(frozen)


def test_a_file_that_shrinks_under_the_reader(folder: Path, source: SafetensorsSource) -> None:
    os.truncate(folder / SHARD.format(1), 100)
    with pytest.raises(ModelError, match="cut off while it was being read"):
        source.values("a.weight", 0, 8)


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No such file"):
        LocalFile(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelError, match="no regular file"):
        LocalFile(tmp_path / "pipe")
