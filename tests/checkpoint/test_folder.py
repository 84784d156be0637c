"""Checkpoint folders: what is read from a sound one, and one clear line for every damaged one."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from hydrometer.checkpoint.folder import (
    match_adapter,
    read_adapter,
    read_folder,
    tokenizer_digest,
)
from hydrometer.checkpoint.header import read_header
from hydrometer.checkpoint.shards import INDEX
from hydrometer.errors import ModelError

Q_PROJ = "model.layers.0.self_attn.q_proj"
CONFIG = {
    "architectures": ["Qwen3_5ForConditionalGeneration"],
    "model_type": "qwen3_5",
    "text_config": {"max_position_embeddings": 4096, "rope_theta": 1e7},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    path.mkdir()
    (path / "config.json").write_text(json.dumps(CONFIG))
    tensors = {f"{Q_PROJ}.weight": np.ones((8, 4), np.float32), "model.norm.weight": np.ones(4, np.float16)}
    save_file(tensors, path / "model.safetensors")
    (path / "generation_config.json").write_text('{"temperature": 0.7, "eos_token_id": [1, 2]}')
    tokenizer_config = {"eos_token": {"content": "<|im_end|>"}, "bos_token": None, "chat_template": "old"}
    (path / "tokenizer_config.json").write_text(json.dumps(tokenizer_config))
    (path / "chat_template.jinja").write_text("new")
    return path


@pytest.fixture
def sharded(folder: Path) -> Path:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    save_file({"lm_head.weight": np.ones((2, 4), np.float32)}, folder / "model-00002-of-00002.safetensors")
    names = {f"{Q_PROJ}.weight": 1, "model.norm.weight": 1, "lm_head.weight": 2}
    table = {name: f"model-0000{i}-of-00002.safetensors" for name, i in names.items()}
    (folder / INDEX).write_text(json.dumps({"weight_map": table}))
    return folder


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    path = tmp_path / "adapter"
    path.mkdir()
    (path / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 2, "lora_alpha": 4}')
    prefix = f"base_model.model.{Q_PROJ}"
    tensors = {f"{prefix}.lora_A.weight": np.ones((2, 4)), f"{prefix}.lora_B.weight": np.ones((8, 2))}
    save_file(tensors, path / "adapter_model.safetensors")
    return path


def test_a_sound_folder(folder: Path) -> None:
    info = read_folder(folder)
    assert (info.model_type, info.architecture) == ("qwen3_5", "Qwen3_5ForConditionalGeneration")
    assert info.context_length == 4096
    assert info.dtype == "float32"
    assert info.parameters == 36
    assert info.tensors[f"{Q_PROJ}.weight"].shape == (8, 4)
    assert info.special == {"eos_token": "<|im_end|>"}
    assert info.generation_config["eos_token_id"] == [1, 2]


def test_the_template_file_goes_before_the_one_in_the_tokenizer_config(folder: Path) -> None:
    assert read_folder(folder).chat_template == "new"
    (folder / "chat_template.jinja").unlink()
    assert read_folder(folder).chat_template == "old"
    named = [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": named}))
    assert read_folder(folder).chat_template == "d"


def test_digests_follow_the_content_alone(folder: Path) -> None:
    before = read_folder(folder)
    weights, config = before.weights_digest(), before.config_digest()
    (folder / "config.json").write_text(json.dumps({**CONFIG, "transformers_version": "9"}, indent=1))
    assert read_folder(folder).config_digest() == config
    changed = {**CONFIG, "text_config": {"max_position_embeddings": 4096, "rope_theta": 1e4}}
    (folder / "config.json").write_text(json.dumps(changed))
    assert read_folder(folder).config_digest() != config
    assert read_folder(folder).weights_digest() == weights
    raw = bytearray((folder / "model.safetensors").read_bytes())
    raw[-1] ^= 1
    (folder / "model.safetensors").write_bytes(raw)
    assert read_folder(folder).weights_digest() != weights


def test_a_rewritten_tokenizer_is_the_same_tokenizer() -> None:
    old = {"version": "1", "padding": None, "model": {"vocab": {"a": 0}, "merges": ["a b"]}}
    new = {"model": {"merges": [["a", "b"]], "vocab": {"a": 0}}, "padding": {"length": 3}}
    other = {"model": {"merges": [["b", "a"]], "vocab": {"a": 0}}}
    assert tokenizer_digest(old) == tokenizer_digest(new)
    assert tokenizer_digest(old) != tokenizer_digest(other)


def test_shards_are_read_together(sharded: Path) -> None:
    info = read_folder(sharded)
    assert len(info.files) == 2
    assert len(info.tensors) == 3


def test_the_single_file_goes_before_the_index_as_in_loaders(sharded: Path) -> None:
    save_file({"other": np.ones(3, np.float32)}, sharded / "model.safetensors")
    info = read_folder(sharded)
    assert [p.name for p in info.files] == ["model.safetensors"]
    assert set(info.tensors) == {"other"}


def _index(path: Path, name: str) -> None:
    (path / INDEX).write_text(json.dumps({"weight_map": {"lm_head.weight": name}}))


BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no config": (lambda p: (p / "config.json").unlink(), "no config.json"),
    "config no json": (lambda p: (p / "config.json").write_text("{"), "no valid JSON"),
    "config deep": (lambda p: (p / "config.json").write_text("[" * 200_000), "no valid JSON"),
    "config a list": (lambda p: (p / "config.json").write_text("[]"), "no JSON object"),
    "config not utf-8": (lambda p: (p / "config.json").write_bytes(b'{"a": "\xff"}'), "no valid JSON"),
    "shard missing": (lambda p: (p / "model-00002-of-00002.safetensors").unlink(), "is missing: finish"),
    "index leaves": (lambda p: _index(p, "../../other.safetensors"), "no file of this folder"),
    "index absolute": (lambda p: _index(p, "/etc/passwd"), "no file of this folder"),
    "index to a pickle": (lambda p: _index(p, "model.bin"), "no file of this folder"),
    "index without map": (lambda p: (p / INDEX).write_text("{}"), "no weight_map"),
    "index names more": (
        lambda p: (p / INDEX).write_text((p / INDEX).read_text().replace("lm_head.weight", "other.weight")),
        "download it again",
    ),
    "truncated": (
        lambda p: (p / "model-00002-of-00002.safetensors").write_bytes(
            (p / "model-00002-of-00002.safetensors").read_bytes()[:-3]
        ),
        "not a sound safetensors file",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_damage_is_one_clear_line(name: str, sharded: Path) -> None:
    damage, words = BROKEN[name]
    damage(sharded)
    with pytest.raises(ModelError, match=words) as caught:
        read_folder(sharded)
    assert "\n" not in str(caught.value)


def test_missing_and_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model folder"):
        read_folder(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="is empty"):
        read_folder(tmp_path / "empty")


def test_pickles_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"only pytorch_model\.bin: pickles run code"):
        read_folder(folder)


def test_an_adapter_folder_given_as_a_model(adapter: Path) -> None:
    with pytest.raises(ModelError, match=r"BASE\+ADAPTER"):
        read_folder(adapter)


def _write(path: Path, header: bytes, data: bytes = b"") -> Path:
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)
    return path


def _entry(dtype: Any = "F32", shape: Any = (1,), offsets: Any = (0, 4)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


BAD_HEADERS: dict[str, tuple[bytes, bytes]] = {
    "trailing bytes": (json.dumps({"a": _entry()}).encode(), b"12345"),
    "hole": (json.dumps({"a": _entry(), "b": _entry(offsets=(5, 9))}).encode(), b"123456789"),
    "overlap": (json.dumps({"a": _entry(), "b": _entry(offsets=(2, 6))}).encode(), b"123456"),
    "same place twice": (json.dumps({"a": _entry(), "b": _entry()}).encode(), b"1234"),
    "shape too large": (json.dumps({"a": _entry(shape=(2**33, 2**33))}).encode(), b"1234"),
    "shape against bytes": (json.dumps({"a": _entry(shape=(2,))}).encode(), b"1234"),
    "unknown dtype": (json.dumps({"a": _entry(dtype="F3")}).encode(), b"1234"),
    "true as a size": (json.dumps({"a": _entry(shape=(True,))}).encode(), b"1234"),
    "negative": (json.dumps({"a": _entry(shape=(-1,))}).encode(), b"1234"),
    "duplicate key": (b'{"a":%b,"a":%b}' % ((json.dumps(_entry()).encode(),) * 2), b"1234"),
    "deep": (b'{"a":' + b"[" * 200_000, b""),
    "metadata not text": (b'{"__metadata__": {"a": 1}}', b""),
    "no object": (b"[]", b""),
    "entry no object": (b'{"a": 1}', b""),
}


@pytest.mark.parametrize("name", BAD_HEADERS)
def test_headers_that_are_refused(name: str, tmp_path: Path) -> None:
    path = _write(tmp_path / "x.safetensors", *BAD_HEADERS[name])
    with pytest.raises(ModelError, match="not a sound safetensors file"):
        read_header(path)


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fuzz") / "sound.safetensors"
    save_file({"a": np.ones((2, 3), np.float32), "b": np.ones(3, np.int8)}, path, metadata={"format": "pt"})
    return path


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_flipped_bits_and_cuts_give_the_reference_reader_s_verdict_or_a_stricter_one(
    sound: Path, data: st.DataObject
) -> None:
    raw = bytearray(sound.read_bytes())
    for _ in range(data.draw(st.integers(0, 3))):
        # Mostly the header: flips among the numbers are sound files with other numbers.
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    raw = raw[: data.draw(st.integers(0, len(raw)))] if data.draw(st.booleans()) else raw
    path = sound.with_name("damaged.safetensors")
    path.write_bytes(raw)
    try:
        found = read_header(path)
    except ModelError:
        return
    try:
        with safe_open(path, "numpy") as reference:
            assert set(reference.keys()) == set(found)
    except SafetensorError as error:
        pytest.fail(f"accepted what the reference refuses: {error}")


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(["config.json", "generation_config.json", "tokenizer_config.json"]), raw=st.binary()
)
def test_arbitrary_json_files_give_nothing_but_model_errors(
    tmp_path_factory: pytest.TempPathFactory, sound: Path, name: str, raw: bytes
) -> None:
    path = tmp_path_factory.mktemp("json")
    (path / "config.json").write_text("{}")
    (path / "model.safetensors").write_bytes(sound.read_bytes())
    (path / name).write_bytes(raw)
    try:
        info = read_folder(path)
    except ModelError:
        return
    assert info.config_digest()


def _shapes(out: int = 8, prefix: str = "model.") -> dict[str, tuple[int, ...]]:
    return {f"{prefix}layers.0.self_attn.q_proj.weight": (out, 4)}


def test_an_adapter_is_matched_behind_the_prefix(adapter: Path) -> None:
    info = read_adapter(adapter)
    assert info.rank == 2
    found = match_adapter(info, _shapes(prefix="model.language_model."))
    assert list(found.values()) == ["model.language_model.layers.0.self_attn.q_proj"]


@pytest.mark.parametrize("shapes", [_shapes(out=9), {"model.layers.1.self_attn.q_proj.weight": (8, 4)}, {}])
def test_an_adapter_for_another_base(adapter: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(ModelError, match="adapter for another base"):
        match_adapter(read_adapter(adapter), shapes)


def test_adapters_that_cannot_be_used(adapter: Path) -> None:
    (adapter / "adapter_config.json").write_text('{"peft_type": "IA3"}')
    with pytest.raises(ModelError, match="only LoRA"):
        read_adapter(adapter)
    (adapter / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
    with pytest.raises(ModelError, match="pickles run code"):
        read_adapter(adapter)


def test_the_scale_of_an_adapter_is_part_of_its_identity(adapter: Path) -> None:
    before = read_adapter(adapter).digest()
    (adapter / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 2, "lora_alpha": 8}')
    assert read_adapter(adapter).digest() != before
