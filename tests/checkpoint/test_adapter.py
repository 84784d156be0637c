"""Adapters as rows: equal to what PEFT merges, and refused where the rows would be something else."""

from __future__ import annotations

import json
import pickle
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from hydrometer.checkpoint.adapter import AdapterSource
from hydrometer.checkpoint.adapter_files import open_gguf_lora, open_peft
from hydrometer.checkpoint.gguf_source import open_gguf
from hydrometer.checkpoint.places import LocalFolder
from hydrometer.checkpoint.safetensors_source import open_safetensors
from hydrometer.checkpoint.source import TensorSource
from hydrometer.errors import ModelError
from hydrometer.refs import bundled_adapter, bundled_base

Q, EMBED = "model.layers.0.self_attn.q_proj", "model.embed_tokens"


@pytest.fixture
def base(tmp_path: Path) -> TensorSource:
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    rng = np.random.default_rng(0)
    shapes = {f"{Q}.weight": (8, 6), f"{Q}.bias": (8,), f"{EMBED}.weight": (10, 6), "model.norm.weight": (6,)}
    tensors = {name: rng.normal(size=shape).astype(np.float16) for name, shape in shapes.items()}
    save_file(tensors, folder / "model.safetensors")
    return open_safetensors(LocalFolder(folder))


def write(path: Path, tensors: dict[str, Any], **config: Any) -> Path:
    path.mkdir(exist_ok=True)
    (path / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 2, "lora_alpha": 4} | config))
    arrays = {name: np.asarray(array, np.float32) for name, array in tensors.items()}
    save_file(arrays, path / "adapter_model.safetensors")
    return path


def pair(module: str = f"base_model.model.{Q}", rows: int = 8, width: int = 6, rank: int = 2) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    return {
        f"{module}.lora_A.weight": rng.normal(size=(rank, width)),
        f"{module}.lora_B.weight": rng.normal(size=(rows, rank)),
    }


def test_rows_are_base_plus_scaled_product(base: TensorSource, tmp_path: Path) -> None:
    tensors = pair()
    source = open_peft(base, LocalFolder(write(tmp_path / "a", tensors)))
    as_protocol: TensorSource = source
    name = f"{Q}.weight"
    meta = as_protocol.tensors[name]
    assert (meta.dtype, meta.raw, meta.nbytes, meta.shape) == ("F32", False, 192, (8, 6))
    a, b = (np.float32(array) for array in tensors.values())
    np.testing.assert_allclose(source.delta(name, 0, 8), 2 * b @ a, rtol=1e-6)
    np.testing.assert_allclose(source.values(name, 3, 5), base.values(name, 3, 5) + 2 * b[3:5] @ a, rtol=1e-6)
    np.testing.assert_array_equal(np.frombuffer(source.bits(name, 3, 5), "<f4").reshape(2, 6), source.values(name, 3, 5))
    untouched = "model.norm.weight"
    assert source.tensors[untouched] == base.tensors[untouched]
    assert source.bits(untouched, 0, 6) == base.bits(untouched, 0, 6)
    assert not source.delta(untouched, 0, 6).any()
    for start, stop in ((0, 9), (-1, 2)):
        with pytest.raises(IndexError):
            source.delta(name, start, stop)
    again = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(again.values(name, 0, 8), source.values(name, 0, 8))
    source.close()
    source.close()


@pytest.mark.parametrize(
    ("config", "scale"),
    [
        ({}, 2.0),
        ({"use_rslora": True}, 4 / 2**0.5),
        ({"alpha_pattern": {"q_proj": 10}}, 5.0),
        ({"alpha_pattern": {"layers.1.self_attn.q_proj": 10}}, 2.0),
        ({"alpha_pattern": {r"layers\.\d.self_attn.(q|k)_proj": 6, "q_proj": 10}}, 3.0),
        ({"rank_pattern": {"q_proj": 2}, "r": 64}, 2.0),
    ],
)
def test_scale(config: dict[str, Any], scale: float, base: TensorSource, tmp_path: Path) -> None:
    source = open_peft(base, LocalFolder(write(tmp_path / "a", pair(), **config)))
    assert source.changes[f"{Q}.weight"].scale == pytest.approx(scale)


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "transposed layers": (pair(), {"fan_in_fan_out": True}, "fan_in_fan_out is set"),
    "parameters of experts": (pair(), {"target_parameters": ["experts.down_proj"]}, "target_parameters is set"),
    "PiSSA": (pair(), {"init_lora_weights": "pissa_niter_4"}, "rewrites the base"),
    "single tokens": (pair(), {"trainable_token_indices": [1]}, "trainable_token_indices is set"),
    "bias of B": (pair() | {f"base_model.model.{Q}.lora_B.bias": np.ones(8)}, {}, r"lora_B\.bias"),
    "half": ({f"base_model.model.{Q}.lora_A.weight": np.ones((2, 6))}, {}, "needs factors"),
    "another rank": (pair(rank=3), {}, "needs factors"),
    "another width": (pair(width=7), {}, "another base"),
    "another layer": (pair("base_model.model.model.layers.7.mlp.up_proj"), {}, "no layer"),
    "DoRA without lengths": (pair(), {"use_dora": True}, "DoRA by half"),
    "lengths without DoRA": (pair() | {f"base_model.model.{Q}.lora_magnitude_vector": np.ones(8)}, {}, "DoRA by half"),
    "too few lengths": (
        pair() | {f"base_model.model.{Q}.lora_magnitude_vector": np.ones(7)},
        {"use_dora": True},
        "does not have 8 values",
    ),
    "two layers for one": (pair() | pair(f"base_model.model.model.language_model.{Q.removeprefix('model.')}"), {}, "two layers"),
    "rank 0": (pair(), {"r": 0}, "has rank 0"),
    "alpha a text": (pair(), {"lora_alpha": "x"}, "alpha 'x'"),
    "alpha no number": (pair(), {"lora_alpha": float("nan")}, "alpha nan"),
    "patterns a list": (pair(), {"rank_pattern": ["q_proj"]}, "no table"),
    "pattern that takes forever": (pair(), {"rank_pattern": {"(a+)+x": 2}}, "too much for a layer's name"),
    "pattern with a back reference": (pair(), {"rank_pattern": {r"(a)\1": 2}}, "too much for a layer's name"),
    "pattern that Python will read otherwise": (pair(), {"rank_pattern": {"[[a]q_proj": 2}}, "no regular expression"),
    "pattern broken": (pair(), {"rank_pattern": {"(q_proj": 2}}, "no regular expression"),
    "another method": (pair(), {"peft_type": "IA3"}, "only LoRA adapters"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str, base: TensorSource, tmp_path: Path) -> None:
    tensors, config, words = REFUSED[name]
    start = time.monotonic()
    with pytest.raises(ModelError, match=words) as caught:
        open_peft(base, LocalFolder(write(tmp_path / "a", tensors, **config)))
    assert "\n" not in str(caught.value)
    assert time.monotonic() - start < 5


def test_pickled_adapters_are_refused(base: TensorSource, tmp_path: Path) -> None:
    path = write(tmp_path / "a", pair())
    (path / "adapter_model.safetensors").rename(path / "adapter_model.bin")
    with pytest.raises(ModelError, match=r"only adapter_model\.bin: pickles run code"):
        open_peft(base, LocalFolder(path))


def test_a_tied_head_is_added_to_the_embedding(base: TensorSource, tmp_path: Path) -> None:
    source = open_peft(base, LocalFolder(write(tmp_path / "a", pair("base_model.model.lm_head", rows=10))))
    assert source.tensors["lm_head.weight"].shape == (10, 6)
    expected = base.values(f"{EMBED}.weight", 2, 4) + source.delta("lm_head.weight", 2, 4)
    np.testing.assert_array_equal(source.values("lm_head.weight", 2, 4), expected)
    np.testing.assert_array_equal(source.values(f"{EMBED}.weight", 0, 10), base.values(f"{EMBED}.weight", 0, 10))


def test_saved_layers_stand_in_place_of_the_base_s(base: TensorSource, tmp_path: Path) -> None:
    larger = np.arange(72.0).reshape(12, 6)
    tensors = pair() | {f"base_model.model.{EMBED}.weight": larger, f"base_model.model.{Q}.base_layer.bias": np.ones(8)}
    source = open_peft(base, LocalFolder(write(tmp_path / "a", tensors, modules_to_save=["embed_tokens"], bias="all")))
    meta = source.tensors[f"{EMBED}.weight"]
    assert (meta.name, meta.shape, meta.dtype, meta.raw) == (f"{EMBED}.weight", (12, 6), "F32", True)
    np.testing.assert_array_equal(source.values(meta.name, 10, 12), larger[10:])
    assert source.bits(meta.name, 0, 1) == larger[:1].astype("<f4").tobytes()
    assert source.values(f"{Q}.bias", 0, 8).sum() == 8


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize(
    "config",
    [
        {"target_modules": ["q_proj", "down_proj"]},
        {"target_modules": "all-linear", "use_rslora": True},
        {"target_modules": ["q_proj", "up_proj"], "rank_pattern": {"up_proj": 3}, "alpha_pattern": {"layers.1.*up_proj": 7}},
        {"target_modules": ["q_proj"], "use_dora": True},
        {"target_modules": ["v_proj"], "modules_to_save": ["lm_head", "norm"]},
        {"target_modules": ["embed_tokens", "o_proj"]},
        {"target_modules": ["k_proj"], "bias": "lora_only"},
    ],
    ids=["plain", "rslora", "patterns", "dora", "saved", "embedding", "bias"],
)
def test_equal_to_what_peft_merges(config: dict[str, Any], tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    peft = pytest.importorskip("peft")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    tiny = transformers.LlamaConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=40, attention_bias=True, tie_word_embeddings=False,
    )  # fmt: skip
    model = transformers.LlamaForCausalLM(tiny)
    model.save_pretrained(tmp_path / "base")
    adapted = peft.get_peft_model(model, peft.LoraConfig(r=4, lora_alpha=6, init_lora_weights=False, **config))
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))
            assert parameter.dtype == torch.float32, name
    adapted.save_pretrained(tmp_path / "adapter")
    merged = adapted.merge_and_unload().state_dict()
    base = open_safetensors(LocalFolder(tmp_path / "base"))
    source = open_peft(base, LocalFolder(tmp_path / "adapter"))
    changed = 0
    for name, expected in merged.items():
        meta = source.tensors[name]
        got = source.values(name, 0, meta.rows).reshape(meta.shape)
        np.testing.assert_allclose(got, expected.numpy(), rtol=2e-5, atol=2e-6, err_msg=name)
        changed += not np.array_equal(got, base.values(name, 0, meta.rows).reshape(meta.shape))
    assert changed == len(source.changes) + len(set(source.replaced) - set(source.changes))
    assert set(source.tensors) == set(merged)


@pytest.mark.bundled
def test_both_formats_of_the_bundled_student_say_the_same() -> None:
    folder = bundled_adapter()
    path = bundled_base()
    base = open_gguf(LocalFolder(path.parent), path.name)
    source = open_gguf_lora(base, LocalFolder(folder), "adapter.gguf")
    assert len(source.changes) == 210
    tensors = load_file(folder / "adapter_model.safetensors")
    module = "base_model.model.model.layers.3.mlp.down_proj"
    a, b = (tensors[f"{module}.lora_{side}.weight"].astype(np.float32) for side in "AB")
    name = "blk.3.ffn_down.weight"
    np.testing.assert_allclose(source.delta(name, 5, 50), 2 * b[5:50] @ a, rtol=1e-5, atol=1e-7)
    expected = base.values(name, 5, 50) + source.delta(name, 5, 50)
    np.testing.assert_array_equal(source.values(name, 5, 50), expected)
    assert source.tensors[name].raw is False
    assert source.remarks == ()


def gguf_pair(path: Path, tensors: dict[str, np.ndarray[Any, Any]], **keys: Any) -> Path:
    package = pytest.importorskip("gguf", reason="needs the llamacpp extra")
    writer = package.GGUFWriter(path, keys.pop("arch", "llama"))
    for key, value in keys.items():
        add = writer.add_string if isinstance(value, str) else writer.add_float32
        add(key.replace("__", "."), value)
    for name, array in tensors.items():
        writer.add_tensor(name, array.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


LORA = {"general__type": "adapter", "adapter__type": "lora", "adapter__lora__alpha": 4.0}
EXPERTS = "blk.0.ffn_up_exps.weight"


def lora_over(tmp_path: Path, tensors: dict[str, np.ndarray[Any, Any]], **keys: Any) -> AdapterSource:
    rng = np.random.default_rng(0)
    model = {"token_embd.weight": rng.normal(size=(10, 6)), EXPERTS: rng.normal(size=(3, 5, 6)), "b.weight": np.ones((4, 6))}
    base = gguf_pair(tmp_path / "base.gguf", model)
    adapter = gguf_pair(tmp_path / "adapter.gguf", tensors, **(LORA | keys))
    return open_gguf_lora(open_gguf(LocalFolder(tmp_path), base.name), LocalFolder(tmp_path), adapter.name)


def test_gguf_experts_and_embeddings(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    sizes = {"token_embd.weight.lora_a": (10, 2), "token_embd.weight.lora_b": (6, 2), f"{EXPERTS}.lora_a": (3, 2, 6), f"{EXPERTS}.lora_b": (3, 5, 2)}
    tensors = {name: rng.normal(size=shape).astype(np.float32) for name, shape in sizes.items()}
    source = lora_over(tmp_path, tensors | {"blk.0.attn_norm.weight": np.ones(6, np.float32)})
    a, b, experts_a, experts_b = tensors.values()
    np.testing.assert_allclose(source.delta("token_embd.weight", 3, 7), 2 * a[3:7] @ b.T, rtol=1e-5)
    np.testing.assert_allclose(source.delta(EXPERTS, 1, 3).reshape(2, 5, 6), 2 * experts_b[1:] @ experts_a[1:], rtol=1e-5, atol=1e-6)
    assert "1 norms in the adapter are not applied" in source.remarks[0]


@pytest.mark.parametrize(
    ("tensors", "keys", "words"),
    [
        ({"b.weight.lora_a": (2, 6)}, {}, "no half of a pair"),
        ({"b.weight": (4, 6)}, {}, "no half of a pair"),
        ({"c.weight.lora_a": (2, 6), "c.weight.lora_b": (4, 2)}, {}, "another base"),
        ({"b.weight.lora_a": (2, 5), "b.weight.lora_b": (4, 2)}, {}, "another base"),
        ({"b.weight.lora_a": (3, 6), "b.weight.lora_b": (4, 2)}, {}, "another base"),
        ({"b.weight.lora_a": (2, 6), "b.weight.lora_b": (4, 2)}, {"arch": "qwen3"}, "an adapter for 'qwen3'"),
        ({"b.weight.lora_a": (2, 6), "b.weight.lora_b": (4, 2)}, {"adapter__type": "ia3"}, "not a GGUF LoRA"),
        ({"b.weight.lora_a": (2, 6), "b.weight.lora_b": (4, 2)}, {"adapter__lora__alpha": float("inf")}, "alpha is inf"),
        ({"b.weight.lora_a": (2, 6), "b.weight.lora_b": (4, 2)}, {"adapter__lora__alpha": "x"}, "alpha is 'x'"),
    ],
)
def test_gguf_adapters_that_are_refused(tensors: dict[str, tuple[int, ...]], keys: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=words):
        lora_over(tmp_path, {name: np.ones(shape, np.float32) for name, shape in tensors.items()}, **keys)


def test_no_alpha_means_no_scale(tmp_path: Path) -> None:
    ones = {"b.weight.lora_a": np.ones((2, 6), np.float32), "b.weight.lora_b": np.ones((4, 2), np.float32)}
    assert lora_over(tmp_path, ones, adapter__lora__alpha=0.0).delta("b.weight", 0, 1)[0, 0] == 2.0
