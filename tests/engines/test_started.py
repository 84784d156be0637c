"""Servers that are started and stopped: stand-in programs on the PATH, and llama.cpp's real server as a program."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hydrometer.catalog import open_engine
from hydrometer.engines.base import EngineSettings
from hydrometer.engines.llamacpp_server import _slots as slots_for
from hydrometer.engines.machine import processor_threads
from hydrometer.engines.started import Started
from hydrometer.errors import EngineUnavailableError, MissingPackageError, ModelError
from hydrometer.items import Kind, Message, Request
from hydrometer.outcomes import Finish
from hydrometer.refs import parse_ref

PROGRAM = '''#!{python}
"""A stand-in: the command line and the answers of a server, without a model."""
import json, os, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

arguments = sys.argv[1:]
name = arguments[arguments.index("--served-model-name") + 1]
if "--lora-modules" in arguments:
    name = arguments[arguments.index("--lora-modules") + 1].partition("=")[0]
with open({record!r}, "w") as record:
    json.dump({{"arguments": arguments, "pid": os.getpid(), "key": os.environ.get("VLLM_API_KEY", "")}}, record)
fault = {fault!r}
if fault == "no memory":
    print("INFO loading weights")
    print("\\x1b[31mERROR torch.OutOfMemoryError: CUDA out of memory\\x1b[0m", file=sys.stderr)
    sys.exit(3)
if fault == "silent":
    sys.exit(1)
if fault == "never ready":
    print("INFO still loading", flush=True)
    time.sleep(60)
asked = 0

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    def log_message(self, *_): pass
    def send(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
    def do_GET(self):
        if self.path.startswith("/v1") and self.headers.get("authorization") != "Bearer " + os.environ["VLLM_API_KEY"]:
            self.send(401, {{"error": "no such key"}})
        elif self.path == "/v1/models" and fault == "nonsense":
            self.send(200, ["no", "models"])
        elif self.path == "/v1/models":
            self.send(200, {{"data": [{{"id": name, "owned_by": "vllm", "max_model_len": 4096}}]}})
        else:
            self.send(200, {{"version": "0.0-stand-in"}} if self.path == "/version" else {{}})
    def do_POST(self):
        global asked
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        asked += 1
        if fault == "dies" and asked > 12:
            print("ERROR EngineCore died", flush=True)
            os._exit(9)
        row = [{{"token": "A", "logprob": -0.5}}, {{"token": "B", "logprob": -1.0}}]
        said = body["messages"][-1]["content"] if "messages" in body else ""
        self.send(200, {{"model": name, "choices": [{{"index": 0, "message": {{"content": said}}, "finish_reason": "stop",
            "logprobs": {{"content": [{{**row[0], "top_logprobs": row}}]}} if body.get("logprobs") else None}}],
            "usage": {{"prompt_tokens": 3, "completion_tokens": 2}}}})

ThreadingHTTPServer(("127.0.0.1", int(arguments[arguments.index("--port") + 1])), Handler).serve_forever()
'''

SETTINGS = EngineSettings(timeout=30.0, concurrency=2)
Install = Callable[..., Callable[[], dict[str, Any]]]


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a stand-in for `vllm` on the PATH; what it was started with is returned."""

    def install(fault: str = "") -> Callable[[], dict[str, Any]]:
        place, record = tmp_path / "bin", tmp_path / "record.json"
        place.mkdir()
        written(place / "vllm", PROGRAM.format(python=sys.executable, record=str(record), fault=fault))
        monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")
        return lambda: json.loads(record.read_text())

    return install


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that ended and was not fetched yet is no process any more.
    return f"{pid} " in (text := Path(f"/proc/{pid}/stat").read_text()) and ") Z" not in text


def gone(pid: int, seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not alive(pid)


def ask(turn: str = "Hello?") -> Request:
    return Request(kind=Kind.GENERATE, messages=(Message("user", turn),), max_tokens=8)


def test_a_vllm_is_started_asked_and_stopped(vllm: Install, tmp_path: Path) -> None:
    started = vllm()
    settings = replace(SETTINGS, folder=str(tmp_path), context=2048, slots=4, dtype="bfloat16", chat_template="{{ 1 }}")
    with open_engine(parse_ref("vllm:owner/model"), settings) as engine:
        record = started()
        ((_, reply),) = engine.generate([ask()])
        assert (reply.text, reply.finish) == ("Hello?", Finish.STOP)
        assert engine.capabilities.local
        assert engine.capabilities.choice_methods == ("letters",)
        assert engine.chat_template == "{{ 1 }}"
        identity = engine.identity()
        assert (identity.engine, identity.engine_version, identity.label) == ("vllm", "vllm 0.0-stand-in", "owner/model")
        assert "url" not in identity.details
    assert gone(record["pid"])
    given = record["arguments"]
    assert given[:2] == ["serve", "owner/model"]
    for option, value in (("--max-model-len", "2048"), ("--max-num-seqs", "4"), ("--dtype", "bfloat16")):
        assert given[given.index(option) + 1] == value
    assert Path(given[given.index("--chat-template") + 1]).read_text() == "{{ 1 }}"
    assert "--no-enable-prefix-caching" in given
    # A key on the command line is read by every user of the machine.
    assert record["key"]
    assert record["key"] not in " ".join(given)
    assert list((tmp_path / "logs").glob("vllm-*.log"))
    with open_engine(parse_ref("vllm:owner/model"), settings) as again:
        assert again.identity().digest == identity.digest


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("no memory", r"vllm serve owner/model ended with status 3: INFO loading weights / ERROR torch.OutOfMem.*\(log: "),
        ("silent", r"ended with status 1: it said nothing"),
        ("never ready", r"was not ready within 1 s .*INFO still loading"),
    ],
)
def test_one_that_does_not_come_up_says_why(vllm: Install, tmp_path: Path, fault: str, said: str) -> None:
    started = vllm(fault)
    settings = replace(SETTINGS, folder=str(tmp_path), timeout=1.0 if fault == "never ready" else 30.0)
    with pytest.raises(EngineUnavailableError, match=said) as caught:
        open_engine(parse_ref("vllm:owner/model"), settings)
    assert "\x1b" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert gone(started()["pid"])


def test_one_that_answers_nonsense_is_stopped(vllm: Install, tmp_path: Path) -> None:
    started = vllm("nonsense")
    with pytest.raises(EngineUnavailableError, match="JSON that is not an object"):
        open_engine(parse_ref("vllm:owner/model"), replace(SETTINGS, folder=str(tmp_path)))
    assert gone(started()["pid"])


def test_one_that_dies_while_it_answers_says_its_last_words(vllm: Install, tmp_path: Path) -> None:
    started = vllm("dies")
    came = []
    with (
        open_engine(parse_ref("vllm:owner/model"), replace(SETTINGS, folder=str(tmp_path))) as engine,
        pytest.raises(EngineUnavailableError, match=r"ended with status 9: ERROR EngineCore died .*rerun"),
    ):
        for answer in engine.generate([ask(f"Question {i}") for i in range(40)]):
            came += [answer.completion.text]
    assert came
    assert gone(started()["pid"])


def test_the_server_does_not_outlive_a_killed_run(vllm: Install, tmp_path: Path) -> None:
    started = vllm()
    program = (
        "import os, signal; from hydrometer.catalog import open_engine; from hydrometer.refs import parse_ref; "
        "from hydrometer.engines.base import EngineSettings; "
        f"engine = open_engine(parse_ref('vllm:owner/model'), EngineSettings(folder={str(tmp_path)!r})); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert gone(started()["pid"])


def test_a_program_that_is_not_there_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingPackageError, match="pip install vllm"):
        open_engine(parse_ref("vllm:owner/model"), SETTINGS)
    file = tmp_path / "a.gguf"
    file.touch()
    with pytest.raises(MissingPackageError, match=r"install llama\.cpp"):
        open_engine(parse_ref(f"llama-server:{file}"), SETTINGS)


def test_a_program_that_cannot_run_is_one_line(tmp_path: Path) -> None:
    broken = written(tmp_path / "vllm", "no program\n")
    with pytest.raises(EngineUnavailableError, match=r"cannot start .*vllm"):
        Started("vllm", [str(broken)], key_variable="K", log=tmp_path, patience=5.0)
    (tmp_path / "file").touch()
    with pytest.raises(EngineUnavailableError, match="choose another --out"):
        Started("vllm", ["/bin/true"], key_variable="K", log=tmp_path / "file" / "logs", patience=5.0)


def test_vllm_checks_a_folder_before_it_starts(vllm: Install, tmp_path: Path) -> None:
    vllm()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="is empty"):
        open_engine(parse_ref(f"vllm:{tmp_path / 'empty'}"), SETTINGS)
    assert not (tmp_path / "record.json").exists()


REAL = '''#!{python}
"""llama.cpp's own server, as a program."""
import sys, time
if "--list-devices" in sys.argv:
    print("Available devices:")
    sys.exit()
import xllamacpp
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
params = xllamacpp.CommonParams()
params.model.path, params.hostnames, params.port = given["--model"], [given["--host"]], int(given["--port"])
params.n_parallel, params.n_ctx = int(given["--parallel"]), int(given["--ctx-size"])
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = int(given["--threads"])
params.model_alias = {{given["--alias"]}}
params.warmup, params.kv_unified = False, False
import os
params.api_keys = [os.environ["LLAMA_API_KEY"]]
server = xllamacpp.Server(params)
while True:
    time.sleep(1)
'''


@pytest.mark.bundled
def test_a_real_llama_server_answers_as_the_embedded_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("xllamacpp")
    place = tmp_path / "bin"
    place.mkdir()
    written(place / "llama-server", REAL.format(python=sys.executable))
    monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")
    requests = [ask("What is 2 + 3?"), ask("Name a colour.")]
    scored = Request(
        kind=Kind.CHOICES, messages=(Message("user", "The sky is"),), choices=(" blue", " made of stone"),
        method="continuation",
    )  # fmt: skip
    found = {}
    # One thread: two that wait for one another take many times longer on a busy machine.
    settings = replace(SETTINGS, folder=str(tmp_path), threads=1)
    for prefix in ("llama-server:", "llamacpp:"):
        with open_engine(parse_ref(f"{prefix}bundled:base"), settings) as engine:
            ((_, score),) = engine.score([scored], "continuation")
            replies = {request.asked: completion.text for request, completion in engine.generate(requests)}
            found[prefix] = (replies, score.choices, engine.identity())
    served, embedded = found["llama-server:"], found["llamacpp:"]
    assert served[0] == embedded[0]
    assert [c.logprob for c in served[1]] == pytest.approx([c.logprob for c in embedded[1]], abs=1e-4)
    for name in ("weights", "tokenizer", "template", "label", "precision", "settings"):
        assert getattr(served[2], name) == getattr(embedded[2], name), name
    assert served[2].engine == "llama-server"
    assert served[2].digest != embedded[2].digest


@pytest.mark.parametrize(
    ("devices", "slots"),
    [
        ("Available devices:\n  CUDA0: NVIDIA GeForce RTX 4090 (24210 MiB, 23800 MiB free)\n", 16),
        ("Available devices:\n  CUDA0: NVIDIA GeForce (1024 MiB, 620 MiB free)\n", 2),
        ("Available devices:\n", 1),
        ("error: unknown argument\n", 1),
    ],
)
def test_slots_follow_the_memory_of_the_cards(tmp_path: Path, devices: str, slots: int) -> None:
    sizes = {"block_count": 32, "attention.head_count": 32, "attention.head_count_kv": 8, "embedding_length": 1024}
    header = SimpleNamespace(architecture="llama", metadata={f"llama.{name}": size for name, size in sizes.items()})
    program = written(tmp_path / "llama-server", f"#!/bin/sh\ncat <<'EOF'\n{devices}EOF\n")
    assert slots_for(str(program), header, 2048) == slots  # type: ignore[arg-type]


def test_threads_are_the_cores_that_this_process_may_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3, 4, 5}, raising=False)
    assert processor_threads(tmp_path) == 6
    for number in range(6):
        place = tmp_path / f"sys/devices/system/cpu/cpu{number}/topology"
        place.mkdir(parents=True)
        (place / "thread_siblings_list").write_text(f"{number // 2 * 2}-{number // 2 * 2 + 1}\n")
    assert processor_threads(tmp_path) == 3
    quota = tmp_path / "sys/fs/cgroup/cpu.max"
    quota.parent.mkdir(parents=True)
    quota.write_text("max 100000\n")
    assert processor_threads(tmp_path) == 3
    quota.write_text("150000 100000\n")
    assert processor_threads(tmp_path) == 2
    quota.write_text("nonsense")
    assert processor_threads(tmp_path) == 3
