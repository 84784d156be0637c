"""Offered tools reach the model: through the template, in the request to a server, or described in a turn."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from http_stub import Stub
from hydrometer.engines.base import EngineSettings
from hydrometer.engines.http import HttpEngine, open_model
from hydrometer.items import Item, Kind, Message, Request
from hydrometer.outcomes import Completion
from hydrometer.spec import ModelRef
from hydrometer.tasks.tool_calls import KINDS, ToolCalls
from hydrometer.templates.tool_calls import CallState, read_calls
from hydrometer.templates.tools import ToolCall, offered, tools_of

SCHEMA = {
    "name": "count_stock",
    "description": "Count an article.",
    "parameters": {"type": "object", "properties": {"article": {"type": "string"}}, "required": ["article"]},
}
CALL = ToolCall("count_stock", {"article": "lamps"})
NATIVE = (
    "{%- if tools %}<tools>{% for tool in tools %}{{ tool | tojson }}{% endfor %}</tools>{% endif -%}"
    "{%- for m in messages -%}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{%- for call in m.tool_calls or [] -%}<tool_call>{{ call.function | tojson }}</tool_call>{%- endfor -%}"
    "<|im_end|>\n{%- endfor -%}<|im_start|>assistant\n"
)


def ask(*messages: Message, tools: bool = True) -> Request:
    turns = messages or (Message("user", "How many lamps?"),)
    return Request(kind=Kind.GENERATE, messages=(offered([SCHEMA]), *turns) if tools else turns, max_tokens=8)


def items() -> tuple[Item, ...]:
    return ToolCalls().items(len(KINDS), 1)


# --- servers ----------------------------------------------------------------------------------------------------


@pytest.fixture
def stub() -> Iterator[Stub]:
    with Stub() as server:
        yield server


def opened(stub: Stub) -> HttpEngine:
    ref = ModelRef(text="x", engine="http", target=stub.url, model="")
    return open_model(ref, EngineSettings(timeout=5.0, concurrency=2), back_off=0.005)


def said(stub: Stub, message: dict[str, Any], request: Request | None = None) -> Completion:
    stub.replies["How many lamps?"] = {"message": message, "finish_reason": "tool_calls"}
    (answer,) = opened(stub).generate([request or ask()])
    return answer.completion


def made(arguments: Any) -> dict[str, Any]:
    return {"id": "x", "type": "function", "function": {"name": "count_stock", "arguments": arguments}}


def test_a_server_is_offered_the_tools(stub: Stub) -> None:
    said(stub, {})
    body = next(body for body in stub.bodies if body["messages"][-1]["content"] == "How many lamps?")
    assert body["tools"] == [{"type": "function", "function": SCHEMA}]
    assert [turn["role"] for turn in body["messages"]] == ["user"]


def test_a_server_gets_no_tools_where_none_are_offered(stub: Stub) -> None:
    said(stub, {}, ask(tools=False))
    assert all("tools" not in body for body in stub.bodies)


@pytest.mark.parametrize("item", items(), ids=KINDS)
def test_a_server_gets_calls_and_results_in_its_own_form(stub: Stub, item: Item) -> None:
    request = Request(kind=Kind.GENERATE, messages=item.messages, max_tokens=8)
    list(opened(stub).generate([request]))
    body = stub.bodies[-1]
    assert {turn["role"] for turn in body["messages"]} <= {"user", "assistant", "tool"}
    for turn in body["messages"]:
        for call in turn.get("tool_calls", ()):
            assert isinstance(json.loads(call["function"]["arguments"]), dict)


def test_parsed_calls_are_put_back_into_one_form(stub: Stub) -> None:
    text = said(stub, {"content": "Let me see.", "tool_calls": [made('{"article": "lamps"}')]}).text
    assert text.startswith("Let me see.\n")
    assert read_calls(text, [SCHEMA]).calls == (CALL,)
    # Ollama's own interface gives objects where OpenAI's gives text.
    assert read_calls(said(stub, {"content": None, "tool_calls": [made({"article": "lamps"})]}).text).calls == (CALL,)
    assert read_calls(said(stub, {"content": None, "tool_calls": [made("{}")] * 2}).text).calls == (
        ToolCall("count_stock", {}),
    ) * 2


def test_arguments_that_a_server_let_pass_broken_stay_broken(stub: Stub) -> None:
    text = said(stub, {"content": None, "tool_calls": [made('{"article": "lam')]}).text
    assert read_calls(text, [SCHEMA]).state is CallState.BROKEN


@pytest.mark.parametrize("rubbish", [None, [], [None], ["x"], [{"function": None}], {"a": 1}])
def test_rubbish_in_place_of_calls_is_no_call(stub: Stub, rubbish: Any) -> None:
    assert said(stub, {"content": "Twelve.", "tool_calls": rubbish}).text == "Twelve."


def test_a_server_whose_template_has_no_place_gets_a_description(stub: Stub) -> None:
    source = "{% for m in messages %}{{ m.content }}{% endfor %}"
    stub.pages["/props"] = {"default_generation_settings": {}, "chat_template": source}
    engine = opened(stub)
    list(engine.generate([ask()]))
    body = stub.bodies[-1]
    assert "tools" not in body
    assert "count_stock" in body["messages"][0]["content"]


# --- models -----------------------------------------------------------------------------------------------------


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["qwen3_5", "gemma4", "llama"])
@pytest.mark.parametrize("template", ["", NATIVE], ids=["own template", "with tools"])
def test_the_prompt_of_a_model_holds_the_tools(kind: Any, template: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from hydrometer.engines import hf
    from tiny_models import build_tiny

    folder = build_tiny(kind, tmp_path / kind, 1)
    ref = ModelRef(text=str(folder), engine="hf", target=str(folder))
    with hf.open_model(ref, EngineSettings(device="cpu", chat_template=template)) as engine:
        for item in items():
            request = Request(kind=Kind.GENERATE, messages=item.messages, max_tokens=4)
            prompt = engine._prompter.decode(engine._prompter.prompt(request).ids)
            for tool in tools_of(item.messages):
                assert tool["name"] in prompt
                assert all(name in prompt for name in tool["parameters"]["properties"])
            if item.answer["kind"] == "result":
                assert str(item.answer["value"]) in prompt
            assert ("You can use these tools" in prompt) == (not template)
