from pathlib import Path

import pytest

from hydrometer.errors import ModelError
from hydrometer.refs import parse_ref


def test_forms(tmp_path: Path) -> None:
    gguf, adapter, folder = tmp_path / "a+b.gguf", tmp_path / "lora.gguf", tmp_path / "ckpt"
    gguf.touch()
    adapter.touch()
    folder.mkdir()
    assert parse_ref(str(gguf)).engine == "llamacpp"
    assert parse_ref(str(gguf)).adapter == ""
    with_adapter = parse_ref(f"{gguf}+{adapter}")
    assert (with_adapter.target, with_adapter.adapter) == (str(gguf), str(adapter))
    assert parse_ref(str(folder)).engine == "hf"
    assert parse_ref(f"hf:{gguf}").engine == "hf"
    assert parse_ref("Qwen/Qwen3.5-0.8B").engine == "hf"
    server = parse_ref("http://127.0.0.1:8080/v1/#a/b")
    assert (server.engine, server.target, server.model) == ("http", "http://127.0.0.1:8080/v1", "a/b")
    assert parse_ref("fake:echo?seed=1").target == "echo?seed=1"
    hub = parse_ref(f"hf://Qwen/Qwen3.5-0.8B@main+{folder}")
    assert (hub.engine, hub.target, hub.adapter) == ("hf", "Qwen/Qwen3.5-0.8B@main", str(folder))
    file = parse_ref("hf://Qwen/Qwen3.5-0.8B-GGUF/a.gguf")
    assert (file.engine, file.target) == ("llamacpp", "hf://Qwen/Qwen3.5-0.8B-GGUF/a.gguf")


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("", "empty"),
        ("./nothing.gguf", "no such file"),
        ("/nowhere/at/all", "no such file"),
        ("bundled:teacher", "bundled:base"),
    ],
)
def test_bad_references_say_the_cure(text: str, cure: str) -> None:
    with pytest.raises(ModelError, match=cure):
        parse_ref(text)


def test_a_missing_adapter_is_named(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").touch()
    with pytest.raises(ModelError, match="no adapter"):
        parse_ref(f"{tmp_path}/m.gguf+{tmp_path}/none.gguf")
    with pytest.raises(ModelError, match="no adapter"):
        parse_ref(f"hf://a/b+{tmp_path}/none")


def test_servers_that_are_started_take_files_and_one_that_runs_takes_its_address(tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    model = parse_ref(f"vllm:Qwen/Qwen3.5-9B+{adapter}")
    assert (model.engine, model.target, model.adapter) == ("vllm", "Qwen/Qwen3.5-9B", str(adapter))
    running = parse_ref("vllm:http://host:8000/v1#Qwen/Qwen3.5-9B")
    assert (running.engine, running.target, running.model) == ("http", "http://host:8000/v1", "Qwen/Qwen3.5-9B")
    file = tmp_path / "a.gguf"
    file.touch()
    assert parse_ref(f"llama-server:{file}").engine == "llama-server"
    assert parse_ref(f"llama-server:{file}").has_files
    assert not running.has_files
