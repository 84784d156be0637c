"""Tools in prompts: through templates that take them, and described for those that do not."""

import json

import pytest

from hydrometer.canon import digest
from hydrometer.items import Kind, Message, Request
from hydrometer.templates.render import ChatTemplate, takes_tools
from hydrometer.templates.tool_calls import CallState, read_calls
from hydrometer.templates.tools import ToolCall, answered, called, described, offered, to_chat, tools_of

SCHEMA = {
    "name": "count_stock",
    "description": "Count an article.",
    "parameters": {"type": "object", "properties": {"article": {"type": "string"}}, "required": ["article"]},
}
ASKED = (offered([SCHEMA]), Message("user", "How many lamps are there?"))
TALK = (*ASKED, called(ToolCall("count_stock", {"article": "lamps"})), answered("count_stock", {"pieces": 612}))

_TURNS = (
    "{%- for m in messages -%}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{%- for call in m.tool_calls or [] -%}CALL{%- endfor -%}<|im_end|>\n{%- endfor -%}<|im_start|>assistant\n"
)
HERMES = (
    "{%- if tools %}<tools>{% for tool in tools %}{{ tool | tojson }}{% endfor %}</tools>{% endif -%}"
    + _TURNS.replace("CALL", "<tool_call>{{ call.function | tojson }}</tool_call>")
)
QWEN = (
    "{%- if tools %}<tools>{% for tool in tools %}{{ tool | tojson }}{% endfor %}</tools>{% endif -%}"
    + _TURNS.replace(
        "CALL",
        "<tool_call><function={{ call.function.name }}>{% for k, v in call.function.arguments | items %}"
        "<parameter={{ k }}>{{ v }}</parameter>{% endfor %}</function></tool_call>",
    )
)
GEMMA = (
    "{%- for tool in tools or [] %}<|tool>declaration:{{ tool.function.name }}{{ '{' }}"
    "{%- for k, v in tool.function.parameters.properties | dictsort %}{{ k }}{% endfor %}{{ '}' }}<tool|>{% endfor -%}"
    + _TURNS.replace(
        "CALL",
        "<|tool_call>call:{{ call.function.name }}{{ '{' }}{% for k, v in call.function.arguments | dictsort %}"
        "{{ k }}:<|\"|>{{ v }}<|\"|>{% endfor %}{{ '}' }}<tool_call|>",
    )
)
MISTRAL = (
    "{%- if tools %}[AVAILABLE_TOOLS]{{ tools | tojson }}[/AVAILABLE_TOOLS]{% endif -%}"
    "{%- for m in messages -%}{%- if m.tool_calls -%}[TOOL_CALLS]{{ m.tool_calls | tojson }}"
    "{%- for call in m.tool_calls %}{% if call.id | length != 9 %}{{ raise_exception('id') }}{% endif %}{% endfor -%}"
    "{%- else -%}{{ m.content }}{%- endif -%}{%- endfor -%}"
)
BLIND = "{%- for m in messages -%}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{%- endfor -%}"
STRICT = (
    "{%- for m in messages -%}{%- if (m.role == 'user') != (loop.index0 % 2 == 0) -%}"
    "{{- raise_exception('roles must alternate') -}}{%- endif -%}{{ m.role }}: {{ m.content }}\n{%- endfor -%}"
)
OFFERS_ONLY = "{{ tools | tojson if tools }}" + BLIND
BREAKS = "{%- for m in messages -%}{{ m.content + m.missing }}{%- endfor -%}"


def render(source: str, messages: tuple[Message, ...]) -> str:
    return ChatTemplate(source=source, special={"bos_token": "<s>"}).render(messages).text


@pytest.mark.parametrize("source", [HERMES, QWEN, GEMMA, MISTRAL])
def test_templates_that_take_tools_get_them(source: str) -> None:
    assert takes_tools(source)
    text = render(source, TALK)
    for part in ("count_stock", "article", "lamps", "612"):
        assert part in text
    assert "You can use these tools" not in text


@pytest.mark.parametrize("source", [BLIND, STRICT, OFFERS_ONLY, BREAKS])
def test_templates_without_a_place_for_tools_are_known(source: str) -> None:
    assert not takes_tools(source)


@pytest.mark.parametrize("source", [BLIND, STRICT])
def test_tools_are_described_where_the_template_has_no_place(source: str) -> None:
    text = render(source, TALK)
    assert "You can use these tools" in text
    for part in ("count_stock", "article", "How many lamps", '"lamps"', "612"):
        assert part in text
    assert json.dumps(SCHEMA) in text


def test_a_template_that_nobody_sees_is_trusted() -> None:
    assert takes_tools("")


def test_the_described_form_is_read_back() -> None:
    turns = described(TALK)
    assert [turn.role for turn in turns] == ["user", "assistant", "user"]
    found = read_calls(turns[1].content, [SCHEMA])
    assert (found.state, found.calls) == (CallState.VALID, (ToolCall("count_stock", {"article": "lamps"}),))


def test_described_turns_alternate_behind_results() -> None:
    two = (*ASKED, called(*[ToolCall("count_stock", {"article": a}) for a in "ab"]))
    talk = (*two, answered("count_stock", 1), answered("count_stock", 2), Message("user", "Well?"))
    turns = described((Message("system", "Be brief."), *talk))
    assert [turn.role for turn in turns] == ["system", "user", "assistant", "user"]
    assert turns[-1].content == "Result of count_stock: 1\nResult of count_stock: 2\nWell?"


def test_conversations_without_tools_stay_as_they_are() -> None:
    plain = (Message("system", "Be brief."), Message("user", "Hi"), Message("assistant", "Hi."), Message("user", "?"))
    assert described(plain) == plain
    assert to_chat(plain) == ([message._asdict() for message in plain], None)
    assert tools_of(plain) == []


def test_chats_are_in_the_form_of_transformers() -> None:
    chat = to_chat(TALK)
    assert chat.tools == [{"type": "function", "function": SCHEMA}]
    assert [turn["role"] for turn in chat.messages] == ["user", "assistant", "tool"]
    call = chat.messages[1]["tool_calls"][0]
    assert call["function"] == {"name": "count_stock", "arguments": {"article": "lamps"}}
    assert chat.messages[2]["tool_call_id"] == call["id"]
    assert json.loads(chat.messages[2]["content"]) == {"pieces": 612}
    as_text = to_chat(TALK, as_text=True).messages[1]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(as_text) == {"article": "lamps"}


def test_it_renders_as_transformers_does() -> None:
    utils = pytest.importorskip("transformers.utils.chat_template_utils")
    for source in (HERMES, QWEN, GEMMA, MISTRAL):
        chat = to_chat(TALK)
        theirs, _ = utils.render_jinja_template(
            [chat.messages], tools=chat.tools, chat_template=source, add_generation_prompt=True, bos_token="<s>"
        )
        assert render(source, TALK) == theirs[0]


def test_tools_are_part_of_a_request_and_old_digests_stay() -> None:
    asked = Request(kind=Kind.GENERATE, messages=(Message("user", "Hi"),))
    assert asked.digest == "s2:f701eb07d997a6e85976e5ae7cd587e3"
    with_tools = Request(kind=Kind.GENERATE, messages=(offered([SCHEMA]), Message("user", "Hi")))
    assert with_tools.digest != asked.digest
    assert digest(TALK) != digest((*TALK[:-1], answered("count_stock", {"pieces": 613})))
