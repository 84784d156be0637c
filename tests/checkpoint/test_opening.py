"""One way in: whatever names a model opens its tensors, or says in one line why not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from hydrometer.checkpoint import opening, ranges
from hydrometer.checkpoint.adapter import AdapterSource
from hydrometer.checkpoint.gguf_source import GgufSource
from hydrometer.checkpoint.hub import HubFolder
from hydrometer.checkpoint.opening import open_source
from hydrometer.checkpoint.safetensors_source import SafetensorsSource
from hydrometer.engines.base import EngineSettings
from hydrometer.errors import ModelError
from hydrometer.refs import bundled_adapter, bundled_base, parse_ref
from range_server import RangeServer, serving


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    path.mkdir()
    (path / "config.json").write_text("{}")
    save_file({"q_proj.weight": np.ones((4, 6), np.float32)}, path / "model.safetensors")
    return path


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    path = tmp_path / "adapter"
    path.mkdir()
    (path / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 2, "lora_alpha": 2}))
    halves = {"base_model.model.q_proj.lora_A.weight": np.ones((2, 6)), "base_model.model.q_proj.lora_B.weight": np.ones((4, 2))}
    save_file({name: half.astype(np.float32) for name, half in halves.items()}, path / "adapter_model.safetensors")
    return path


@pytest.fixture
def server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RangeServer]:
    monkeypatch.setattr(ranges, "BACK_OFF", 0.01)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with serving(folder) as state:
        monkeypatch.setattr(opening, "HubFolder", lambda repo, revision: HubFolder(repo, revision, state.url))
        yield state


def test_folders_with_and_without_an_adapter(folder: Path, adapter: Path) -> None:
    plain = open_source(parse_ref(str(folder)))
    assert isinstance(plain, SafetensorsSource)
    both = open_source(parse_ref(f"{folder}+{adapter}"))
    assert isinstance(both, AdapterSource)
    assert both.values("q_proj.weight", 0, 1).tolist() == [[3.0] * 6]


@pytest.mark.bundled
def test_the_bundled_pair() -> None:
    assert isinstance(open_source(parse_ref("bundled:base")), GgufSource)
    assert isinstance(open_source(parse_ref("bundled:student")), AdapterSource)


@pytest.mark.bundled
def test_a_link_that_the_user_names_is_meant(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").symlink_to(bundled_base())
    assert open_source(parse_ref(str(tmp_path / "m.gguf"))).tensors


@pytest.mark.parametrize("text", ["hf://org/name", "hf://org/name@main", "org/name", "hf://org/name@refs/pr/3"])
def test_repositories(text: str, server: RangeServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_source(parse_ref(text)).values("q_proj.weight", 2, 3).tolist() == [[1.0] * 6]


def test_a_repository_goes_before_a_folder_of_its_name_if_the_user_says_so(
    server: RangeServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org" / "name").mkdir(parents=True)
    assert open_source(parse_ref("hf://org/name")).tensors
    with pytest.raises(ModelError, match=r"no config\.json"):
        open_source(parse_ref("org/name"))


def test_a_repository_with_an_adapter_here(server: RangeServer, adapter: Path) -> None:
    source = open_source(parse_ref(f"hf://org/name+{adapter}"))
    assert source.values("q_proj.weight", 0, 4).tolist() == [[3.0] * 6] * 4


def test_an_adapter_on_the_hub(server: RangeServer, folder: Path, adapter: Path) -> None:
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (adapter / name).rename(server.root / name)
    for text in (f"{folder}+hf://org/name", "hf://org/name+hf://org/name@main"):
        assert open_source(parse_ref(text)).values("q_proj.weight", 0, 1).tolist() == [[3.0] * 6]
    assert not any("model.safetensors" in path and not span for path, span, _ in server.asked)


def test_engines_say_how_to_get_an_adapter_of_the_hub(folder: Path) -> None:
    hf_load = pytest.importorskip("hydrometer.engines.hf_load")
    with pytest.raises(ModelError, match="hf download"):
        hf_load.load(parse_ref(f"{folder}+hf://org/name"), EngineSettings())


@pytest.mark.bundled
def test_a_gguf_file_of_a_repository(server: RangeServer) -> None:
    (server.root / "m.gguf").symlink_to(bundled_base())
    assert isinstance(open_source(parse_ref("hf://org/name@main/m.gguf")), GgufSource)
    with pytest.raises(ModelError, match=r"has no other\.gguf"):
        open_source(parse_ref("hf://org/name/other.gguf"))


REFUSED = {
    "fake:echo": "no files to read",
    "http://127.0.0.1:1/v1": "no files to read",
    "hf://org": "with @REVISION behind it",
    "hf://org/name/config.json": "with @REVISION behind it",
    "hf://a b/c": "no name of a repository",
}


@pytest.mark.parametrize("text", REFUSED)
def test_references_without_files(text: str) -> None:
    with pytest.raises(ModelError, match=REFUSED[text]):
        open_source(parse_ref(text))


FILES = {
    "pytorch_model.bin": "pickles run code",
    "model.pt": "pickles run code",
    "model.pth": "pickles run code",
    "model.ckpt": "pickles run code",
    "model.pkl": "pickles run code",
    "model.safetensors": "give its folder",
    "model.onnx": "no model that can be read",
}


@pytest.mark.parametrize("name", FILES)
def test_other_files_are_not_opened(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(b"\x80\x04cposix\nsystem\n")
    path.chmod(0)
    with pytest.raises(ModelError, match=FILES[name]):
        open_source(parse_ref(str(path)))


@pytest.mark.bundled
def test_adapters_of_the_other_format(folder: Path) -> None:
    with pytest.raises(ModelError, match="give the adapter as a PEFT folder"):
        open_source(parse_ref(f"{folder}+{bundled_adapter() / 'adapter.gguf'}"))
    with pytest.raises(ModelError, match="give the adapter as a GGUF file"):
        open_source(parse_ref(f"{bundled_base()}+{bundled_adapter()}"))


def test_the_embedded_engine_says_how_to_get_a_file_of_the_hub() -> None:
    llamacpp = pytest.importorskip("hydrometer.engines.llamacpp")
    with pytest.raises(ModelError, match="hf download"):
        llamacpp.open_model(parse_ref("hf://org/name/m.gguf"), EngineSettings())
