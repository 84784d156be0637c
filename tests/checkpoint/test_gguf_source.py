"""GGUF tensors read row by row: equal to the reference package's numbers, and split files that belong together."""

from __future__ import annotations

import pickle
import struct
import tracemalloc
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hydrometer.checkpoint import gguf_source
from hydrometer.checkpoint.gguf import TYPES, read_header
from hydrometer.checkpoint.gguf_source import GgufSource, open_gguf
from hydrometer.checkpoint.places import LocalFolder
from hydrometer.checkpoint.source import TensorSource, prefetch
from hydrometer.errors import MissingPackageError, ModelError
from hydrometer.refs import bundled_base

package = pytest.importorskip("gguf", reason="needs the llamacpp extra")

QUANTS = sorted(t.name for t in package.quants._type_traits if t.name != "BF16")
PART = "m-0000{}-of-00003.gguf"


def blocks(rng: np.random.Generator, type_name: str, count: int) -> bytes:
    """Random blocks; their half-precision scales may be anything, infinities and NaN too."""
    nbytes = next(size for name, _, size in TYPES.values() if name == type_name)
    return rng.bytes(nbytes * count)


def write(path: Path, tensors: dict[str, tuple[str, tuple[int, ...], bytes]], **options: Any) -> Path:
    """Write tensors given as type, shape (slowest dimension first) and bytes with the reference writer."""
    writer = package.GGUFWriter(path, "llama", **options)
    for name, (type_name, shape, raw) in tensors.items():
        kind = package.GGMLQuantizationType[type_name]
        weights, nbytes = package.GGML_QUANT_SIZES[kind]
        byte_shape = (*shape[:-1], shape[-1] // weights * nbytes)
        writer.add_tensor(name, np.frombuffer(raw, np.uint8).reshape(byte_shape), raw_dtype=kind)
    writer.write_header_to_file(path)
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def opened(path: Path) -> GgufSource:
    return open_gguf(LocalFolder(path.parent), path.name)


@pytest.mark.parametrize("type_name", QUANTS)
def test_every_type_equals_the_reference(type_name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    weights = next(size for name, size, _ in TYPES.values() if name == type_name)
    shape = (5, 3 * weights)
    path = write(tmp_path / "x.gguf", {"a.weight": (type_name, shape, blocks(rng, type_name, 15))})
    source = opened(path)
    meta = source.tensors["a.weight"]
    assert (meta.shape, meta.dtype, meta.raw) == (shape, type_name, False)
    theirs = package.GGUFReader(path).tensors[0]
    with np.errstate(all="ignore"):
        expected = package.dequantize(theirs.data, theirs.tensor_type)
    np.testing.assert_array_equal(source.values("a.weight", 0, 5), expected)
    np.testing.assert_array_equal(source.values("a.weight", 2, 4), expected[2:4])
    assert source.bits("a.weight", 1, 3) == theirs.data[1:3].tobytes()


def test_large_tensors_are_dequantised_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    source = opened(write(tmp_path / "x.gguf", {"a": ("Q4_K", (7, 512), blocks(rng, "Q4_K", 14))}))
    whole = source.values("a", 0, 7)
    monkeypatch.setattr(gguf_source, "_PIECE", 700)
    np.testing.assert_array_equal(source.values("a", 0, 7), whole)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_round_trip_with_the_reference_writer(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    tensors = {}
    for i in range(data.draw(st.integers(1, 5))):
        type_name = data.draw(st.sampled_from(["F32", "F16", "BF16", "F64", "I8", "I32", "Q8_0", "Q4_1", "Q6_K"]))
        weights, nbytes = package.GGML_QUANT_SIZES[package.GGMLQuantizationType[type_name]]
        lead = data.draw(st.lists(st.integers(1, 4), max_size=3))
        shape = (*lead, weights * data.draw(st.integers(1, 3)))
        tensors[f"blk.{i}.weight"] = (type_name, shape, rng.bytes(int(np.prod(shape)) // weights * nbytes))
    source = opened(write(tmp_path_factory.mktemp("round") / "x.gguf", tensors))
    assert list(source.tensors) == list(tensors)
    for name, (type_name, shape, raw) in tensors.items():
        meta = source.tensors[name]
        assert (meta.dtype, meta.shape, meta.nbytes) == (type_name, shape, len(raw))
        assert source.bits(name, 0, meta.rows) == raw
        whole = source.values(name, 0, meta.rows)
        assert whole.shape == (meta.rows, meta.width)
        cut = data.draw(st.integers(0, meta.rows))
        halves = (source.values(name, 0, cut), source.values(name, cut, meta.rows))
        np.testing.assert_array_equal(np.concatenate(halves), whole)
    source.close()


def test_experts_are_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    raw = blocks(rng, "Q8_0", 4 * 6 * 2)
    source = opened(write(tmp_path / "x.gguf", {"blk.0.ffn_up_exps.weight": ("Q8_0", (4, 6, 64), raw)}))
    meta = source.tensors["blk.0.ffn_up_exps.weight"]
    assert (meta.shape, meta.rows, meta.width) == ((4, 6, 64), 4, 384)
    with np.errstate(all="ignore"):
        expected = package.dequantize(np.frombuffer(raw, np.uint8).reshape(4, 6, 68), package.GGMLQuantizationType.Q8_0)
    np.testing.assert_array_equal(source.values(meta.name, 1, 3).reshape(2, 6, 64), expected[1:3])


def test_a_quantised_vector_is_read_around_its_blocks(tmp_path: Path) -> None:
    raw = blocks(np.random.default_rng(2), "Q8_0", 3)
    source = opened(write(tmp_path / "x.gguf", {"v": ("Q8_0", (96,), raw)}))
    whole = source.values("v", 0, 96)
    np.testing.assert_array_equal(source.values("v", 30, 70), whole[30:70])
    assert source.bits("v", 32, 64) == raw[34:68]
    with pytest.raises(ModelError, match="no whole blocks"):
        source.bits("v", 30, 64)
    with pytest.raises(IndexError):
        source.values("v", 0, 97)


def test_a_type_that_the_package_cannot_dequantise(tmp_path: Path) -> None:
    path = write(tmp_path / "x.gguf", {"a": ("Q8_K", (1, 256), bytes(292))})
    with pytest.raises(ModelError, match="Q8_K, which the installed gguf package cannot"):
        opened(path).values("a", 0, 1)
    assert opened(path).bits("a", 0, 1) == bytes(292)


def test_without_the_package_plain_numbers_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "x.gguf", {"a": ("F16", (1, 4), bytes(8)), "b": ("Q8_0", (1, 32), bytes(34))})
    gguf_source.gguf_package.cache_clear()
    monkeypatch.setattr(gguf_source.importlib, "import_module", _absent)
    source = opened(path)
    assert not source.values("a", 0, 1).any()
    with pytest.raises(MissingPackageError, match=r"hydrometer\[llamacpp\]"):
        source.values("b", 0, 1)
    gguf_source.gguf_package.cache_clear()


def _absent(name: str) -> Any:
    raise ImportError(name)


@pytest.fixture
def split(tmp_path: Path) -> Path:
    tensors = {f"t{i}": ("F32", (2, 4), struct.pack("<8f", *range(8 * i, 8 * i + 8))) for i in range(3)}
    write(tmp_path / "m.gguf", tensors, split_max_tensors=1)
    assert (tmp_path / PART.format(3)).exists()
    return tmp_path


@pytest.mark.parametrize("part", [1, 2, 3])
def test_any_part_opens_all(split: Path, part: int) -> None:
    source = opened(split / PART.format(part))
    as_protocol: TensorSource = source
    assert as_protocol.config["general.architecture"] == "llama"
    assert list(source.tensors) == ["t0", "t1", "t2"]
    prefetch(source, [("t0", 0, 1), ("t2", 0, 2)])
    assert [source.values(f"t{i}", 1, 2)[0, 0] for i in range(3)] == [4, 12, 20]
    source.close()
    source.close()


def _swap(path: Path, one: int, two: int) -> None:
    (path / PART.format(one)).rename(path / "x")
    (path / PART.format(two)).rename(path / PART.format(one))
    (path / "x").rename(path / PART.format(two))


def _copy(path: Path, one: str, two: str) -> None:
    (path / two).write_bytes((path / one).read_bytes())


def _shrink(path: Path) -> None:
    raw = (path / PART.format(1)).read_bytes()
    at = raw.index(b"split.tensors.count") + 23
    (path / PART.format(1)).write_bytes(raw[:at] + struct.pack("<i", 2) + raw[at + 4 :])


def _link_out(path: Path) -> None:
    (path / PART.format(2)).rename(path.parent / "outside")
    (path / PART.format(2)).symlink_to(path.parent / "outside")


SPLITS: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    "a part is missing": (lambda p: (p / PART.format(2)).unlink(), PART.format(1), "has no m-00002-of-00003"),
    "parts in another order": (lambda p: _swap(p, 2, 3), PART.format(1), "says that it is part 2 of 3"),
    "the same part twice": (lambda p: _copy(p, PART.format(2), PART.format(3)), PART.format(1), "is here part 2"),
    "a part under another name": (lambda p: _copy(p, PART.format(2), "m.gguf"), "m.gguf", "part 1 of 3"),
    "the first under another name": (lambda p: _copy(p, PART.format(1), "m.gguf"), "m.gguf", "part 0 of 3"),
    "another sum": (_shrink, PART.format(1), "promises 2 tensors and its parts hold 3"),
    "part 9 of 3": (lambda p: None, "m-00009-of-00003.gguf", "no part 9 of 3"),
    "part 1 of 99999": (lambda p: None, "m-00001-of-99999.gguf", "no part 1 of 99999"),
    "a part links out": (_link_out, PART.format(1), "a link out of the folder"),
    "a part is empty": (lambda p: (p / PART.format(3)).write_bytes(b""), PART.format(1), "is empty"),
}


@pytest.mark.parametrize("name", SPLITS)
def test_parts_that_do_not_belong_together(name: str, split: Path) -> None:
    damage, part, words = SPLITS[name]
    damage(split)
    with pytest.raises(ModelError, match=words) as caught:
        opened(split / part)
    assert "\n" not in str(caught.value)


def _text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def _file(keys: list[bytes], tensors: list[bytes], data: int = 0) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)) + b"".join(keys) + b"".join(tensors)
    return head + bytes(-len(head) % 32) + bytes(data)


def _tensor(name: bytes, *shape: int) -> bytes:
    return _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, 0)


HOSTILE = {
    # 117 bytes that claim four million elements: half a minute and 3.8 GB in a reader that believes them.
    "claims four million": (_file([_text(b"k" * 40) + struct.pack("<IIQ", 9, 4, 4_000_000)], []), "values of"),
    "a billion tensors": (b"GGUF" + struct.pack("<IQQ", 3, 1 << 30, 0) + bytes(200), "tensors"),
    "many arrays below the limit": (
        _file([_text(b"%d" % i) + struct.pack("<IIQ", 9, 0, 2_000_000) + bytes(2_000_000) for i in range(2)], []),
        "metadata values",
    ),
    "a header without end": (
        _file([_text(b"%d" % i) + struct.pack("<I", 8) + _text(bytes(4_000_000)) for i in range(14)], []),
        "its header has more than",
    ),
    "a name that clears the screen": (_file([], [_tensor(b"\x1b[2J", 8)], 32), "no name for a tensor"),
    "an endless name": (_file([], [_tensor(b"a" * 60_000, 8)], 32), "no name for a tensor"),
    "an endless key": (_file([_text(b"k" * 60_000) + struct.pack("<I", 77)], []), "unknown type"),
    "a vocabulary alone": (_file([], []), "holds no tensor"),
    "2^60 weights": (_file([], [_tensor(b"a", 1 << 30, 1 << 30)], 32), "cut off or damaged"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_give_one_short_line_in_bounded_memory(name: str, tmp_path: Path) -> None:
    content, words = HOSTILE[name]
    (tmp_path / "x.gguf").write_bytes(content)
    tracemalloc.start()
    with pytest.raises(ModelError, match=words) as caught:
        opened(tmp_path / "x.gguf")
    assert tracemalloc.get_traced_memory()[1] < 200e6
    tracemalloc.stop()
    assert len(str(caught.value)) < 600
    assert str(caught.value).isprintable()


def _sum(source: TensorSource) -> float:
    return float(source.values("t1", 0, 2).sum())


def test_other_processes_read_through_a_copy(split: Path) -> None:
    source = opened(split / PART.format(1))
    assert pickle.loads(pickle.dumps(source)).tensors == source.tensors
    with get_context("spawn").Pool(1) as pool:
        assert pool.apply(_sum, (source,)) == _sum(source)


@pytest.mark.bundled
def test_the_bundled_model_equals_the_reference() -> None:
    path = bundled_base()
    source = opened(path)
    assert source.header == read_header(path)
    reader = package.GGUFReader(path)
    for theirs in [*reader.tensors[:12], reader.tensors[-1]]:
        meta = source.tensors[theirs.name]
        assert meta.shape == tuple(int(n) for n in reversed(theirs.shape))
        rows = min(5, meta.rows)
        with np.errstate(all="ignore"):
            expected = package.dequantize(theirs.data[:rows], theirs.tensor_type).reshape(rows, -1)
        np.testing.assert_array_equal(source.values(theirs.name, 0, rows), expected)
