"""The way from a student's card to its base, on made-up cards, on folders, and with a hub on loopback."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from hydrometer.surface.answers import Topic
from hydrometer.surface.chain import Step, declared, follow, is_meant, names_of
from hydrometer.surface.files import SurfaceFiles
from hydrometer.surface.pins import Pin, pin_base

HUB: dict[str, Step] = {
    "me/Coder": Step(parents=("me/Tune",), word="derived"),
    "me/Tune": Step(parents=("unsloth/Qwen3.6-27B",), word="derived"),
    "unsloth/Qwen3.6-27B": Step(parents=("Qwen/Qwen3.6-27B",)),
    "Qwen/Qwen3.6-27B": Step(),
    "a/Circle": Step(parents=("b/Circle",)),
    "b/Circle": Step(parents=("a/Circle",)),
    "x/Other": Step(word="unrelated"),
    "x/Root": Step(),
}


def files(*base_model: str, relation: str = "", gguf: bool = False, adapter: str = "") -> SurfaceFiles:
    front: dict[str, Any] = {"base_model": list(base_model)} if base_model else {}
    texts = {"adapter_config.json": json.dumps({"base_model_name_or_path": adapter})} if adapter else {}
    return SurfaceFiles(label="x", gguf=gguf, config={}, front={**front, "base_model_relation": relation}, texts=texts)


def walk(student: SurfaceFiles, base: str, of_base: SurfaceFiles | None = None) -> Topic:
    missing = Step(missing="it is not there", absent=True)
    return follow(student, of_base or files(), names_of(base), lambda name: HUB.get(name, missing))


def test_many_hops_to_the_original() -> None:
    topic = walk(files("me/Coder"), "hf://Qwen/Qwen3.6-27B@main")
    assert topic.answer == "confirmed"
    assert topic.text.startswith("the student -> me/Coder -> me/Tune -> unsloth/Qwen3.6-27B -> Qwen/Qwen3.6-27B")
    assert "2 of the models between checked by tensors" in topic.text
    assert len(topic.findings) == 4


@pytest.mark.parametrize(("student", "base", "answer", "words"), [
    (files("Qwen/Qwen3.6-27B"), "hf://Qwen/Qwen3.6-27B", "confirmed", "the student -> Qwen"),
    (files("Qwen/Qwen3.6-27B"), "/models/Qwen3.6-27B", "confirmed", "the student -> Qwen"),
    (files("Qwen/Qwen3.6-27B"), "/models/Qwen3.6-27B-UD-Q4_K_XL.gguf", "confirmed", "the student -> Qwen"),
    (files(adapter="Qwen/Qwen3.6-27B"), "hf://Qwen/Qwen3.6-27B", "confirmed", "the student -> Qwen"),
    (files("x/Root"), "hf://Qwen/Qwen3.6-27B", "contradicted", "leads to x/Root, not to Qwen"),
    (files("x/Root"), "/models/base", "not testable from files", "is not known"),
    (files("a/Circle"), "hf://Qwen/Qwen3.6-27B", "contradicted", "go round in a circle"),
    (files("x/Other"), "hf://Qwen/Qwen3.6-27B", "contradicted", "the student is unrelated"),
    (files("gone/Model"), "hf://Qwen/Qwen3.6-27B", "insufficient", "gone/Model cannot be followed"),
    (files(), "hf://Qwen/Qwen3.6-27B", "not testable from files", "names a base"),
])  # fmt: skip
def test_ways_that_cards_go(student: SurfaceFiles, base: str, answer: str, words: str) -> None:
    topic = walk(student, base)
    assert topic.answer == answer
    assert words in topic.text


def test_a_mirror_is_the_base_and_a_sibling_is_not() -> None:
    student = files("Qwen/Qwen3.6-27B")
    assert walk(student, "hf://unsloth/Qwen3.6-27B", files("Qwen/Qwen3.6-27B")).answer == "confirmed"
    assert walk(student, "hf://y/Quant", files("Qwen/Qwen3.6-27B", relation="quantized")).answer == "confirmed"
    sibling = walk(student, "hf://y/Tune", files("Qwen/Qwen3.6-27B"))
    assert sibling.answer == "contradicted"
    assert "a sibling" in sibling.text


def test_endless_chains_end() -> None:
    topic = follow(files("x/0"), files(), ("q/base",), lambda name: Step(parents=(f"x/{int(name[2:]) + 1}",)))
    assert len(topic.findings) == 8
    assert topic.answer == "not testable from files"


def test_names() -> None:
    assert names_of("/home/me/.cache/huggingface/hub/models--Qwen--Qwen3.6-27B/snapshots/abc") == ("Qwen/Qwen3.6-27B",)
    assert names_of("hf://org/name@rev/file.gguf+adapter") == ("org/name",)
    assert is_meant("Qwen/Qwen3.6-27B", ("qwen3.6-27b",))
    assert not is_meant("Qwen/Qwen3.6-27B", ("unsloth/Qwen3.6-27B",))
    url = {"general.base_model.count": 1, "general.base_model.0.repo_url": "https://huggingface.co/Qwen/Qwen3.6-27B"}
    assert declared(SurfaceFiles(label="x", gguf=True, config=url)) == ("Qwen/Qwen3.6-27B",)
    assert declared(SurfaceFiles(label="x", gguf=False, config={}, texts={"adapter_config.json": "[" * 99_999})) == ()


class _Hub(BaseHTTPRequestHandler):
    files: tuple[dict[str, Any], ...] = ()
    days = ("2026-05-01", "2026-03-10", "2026-03-01", "2026-01-01")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass

    def do_GET(self) -> None:
        rows = [{"id": f"{i:040x}", "authors": [], "date": f"{d}T00:00:00.000Z", "title": "t", "message": ""} for i, d in enumerate(self.days)]
        if "student" in self.path:
            rows = [{**rows[0], "date": "2026-04-01T00:00:00.000Z"}, {**rows[1], "date": "2026-02-01T00:00:00.000Z"}]
        self._send(rows if "gone" not in self.path else None)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._send(self.files)

    def _send(self, rows: Any) -> None:
        body = json.dumps({} if rows is None else rows).encode()
        self.send_response(200 if rows is not None else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextlib.contextmanager
def hub(*rows: dict[str, Any]) -> Iterator[str]:
    handler = type("Handler", (_Hub,), {"files": rows})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def _online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)


def uploaded(day: str) -> dict[str, Any]:
    commit = {"id": "f" * 40, "title": "t", "date": f"{day}T12:00:00.000Z"}
    return {"type": "file", "path": "model.safetensors", "size": 1, "oid": "0", "lastCommit": commit}


def test_the_base_is_that_of_the_day_on_which_weights_were_uploaded() -> None:
    with hub(uploaded("2026-03-05")) as url:
        assert pin_base("org/base", "me/student", endpoint=url) == Pin(f"{2:040x}", "2026-03-05", 2)
    with hub(uploaded("2026-06-01")) as url:
        assert pin_base("org/base", "me/student", endpoint=url) == Pin(f"{0:040x}", "2026-06-01", 0)


def test_without_files_the_day_is_that_of_the_first_commit() -> None:
    with hub() as url:
        assert pin_base("org/base", "me/student", endpoint=url) == Pin(f"{3:040x}", "2026-02-01", 3)


def test_a_hub_that_does_not_tell_and_a_base_that_is_younger() -> None:
    with hub(uploaded("2025-01-01")) as url:
        assert pin_base("org/base", "me/student", endpoint=url) is None
        assert pin_base("org/gone", "me/student", endpoint=url) is None
    assert pin_base("org/base", "me/student", endpoint="http://127.0.0.1:9") is None
