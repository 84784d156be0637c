"""Tools in a conversation: offered, called and answered, for chat templates that know them and for those that do not.

A conversation holds them as messages with JSON content (`offered`, `called`, `answered`). `to_chat` turns them into
what transformers hands to a template and OpenAI-compatible servers take; `described` turns them into plain turns in a
format of our own, for templates without a place for tools.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from hydrometer.items import Message

Schema = Mapping[str, Any]
"""A tool: `name`, `description` and `parameters`, a JSON schema of type object."""

DESCRIBED_NOTE = "tools are described in the first user turn, since a chat template has no place for them"

_HOW = (
    "You can use these tools:\n{tools}\n"
    "To use one, reply with nothing but its name and arguments in this form:\n"
    '<tool_call>{{"name": "NAME", "arguments": {{"PARAMETER": "VALUE"}}}}</tool_call>\n'
    "If no tool is needed, answer directly."
)


class ToolCall(NamedTuple):
    """One call of a tool."""

    name: str
    arguments: dict[str, Any]


class Chat(NamedTuple):
    """A conversation as templates and servers take it.

    Attributes:
        messages: Dictionaries with `role` and `content`, and `tool_calls` where the assistant called.
        tools: The offered tools in OpenAI's form, None without any.
    """

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] | None


def offered(tools: Sequence[Schema]) -> Message:
    """Return the message that offers tools; it stands before the first turn."""
    return Message("tools", _dump(list(tools)))


def called(*calls: ToolCall) -> Message:
    """Return the assistant's turn that calls tools."""
    return Message("calls", _dump([call._asdict() for call in calls]))


def answered(name: str, result: Any) -> Message:
    """Return what a tool gave back."""
    return Message("tool", _dump({"name": name, "result": result}))


def tools_of(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return the offered tools of a conversation."""
    return [tool for message in messages if message.role == "tools" for tool in json.loads(message.content)]


def to_chat(messages: Sequence[Message], *, as_text: bool = False) -> Chat:
    """Return a conversation as transformers hands it to a template.

    Args:
        messages: The conversation.
        as_text: Arguments of calls as JSON text, as servers want them; templates get mappings.
    """
    turns: list[dict[str, Any]] = []
    tools = tools_of(messages)
    calls = 0
    waiting: list[str] = []
    for message in messages:
        if message.role == "calls":
            made = json.loads(message.content)
            # Nine letters and digits: the only form of an id that every family's template lets pass.
            waiting = [f"call{calls + number:05d}" for number in range(len(made))]
            calls += len(made)
            functions = [_function(call, as_text=as_text) for call in made]
            listed = [{"id": i, "type": "function", "function": f} for i, f in zip(waiting, functions, strict=True)]
            turns.append({"role": "assistant", "content": "", "tool_calls": listed})
        elif message.role == "tool":
            found = json.loads(message.content)
            mark = waiting.pop(0) if waiting else f"call{calls:05d}"
            content = _dump(found["result"])
            turns.append({"role": "tool", "name": found["name"], "tool_call_id": mark, "content": content})
        elif message.role != "tools":
            turns.append(message._asdict())
    return Chat(turns, [{"type": "function", "function": tool} for tool in tools] or None)


def described(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return a conversation with its tools, calls and results written out in plain turns; others stay as they are."""
    tools = tools_of(messages)
    if not tools:
        return tuple(messages)
    how = _HOW.format(tools="\n".join(_dump(tool) for tool in tools))
    turns: list[Message] = []
    for message in messages:
        if message.role == "calls":
            turns.append(Message("assistant", "\n".join(write_call(**call) for call in json.loads(message.content))))
        elif message.role == "tool":
            found = json.loads(message.content)
            text = f"Result of {found['name']}: {_dump(found['result'])}"
            # Two results of one turn join: many templates insist on turns that alternate.
            if turns and turns[-1].role == "user":
                text = f"{turns.pop().content}\n{text}"
            turns.append(Message("user", text))
        elif message.role == "user" and how:
            turns.append(Message("user", f"{how}\n\n{message.content}"))
            how = ""
        elif message.role == "user" and turns and turns[-1].role == "user":
            turns.append(Message("user", f"{turns.pop().content}\n{message.content}"))
        elif message.role != "tools":
            turns.append(message)
    return tuple(turns)


def write_call(name: str, arguments: Any) -> str:
    """Return a call in the one form in which calls are kept that came apart from the text of a reply.

    Args:
        name: Name of the tool.
        arguments: Its arguments; a text is taken as JSON and kept as it is, broken or not.
    """
    given = arguments if isinstance(arguments, str) else _dump(arguments)
    return f'<tool_call>{{"name": {_dump(name)}, "arguments": {given or "{}"}}}</tool_call>'


def _function(call: dict[str, Any], *, as_text: bool) -> dict[str, Any]:
    arguments = call["arguments"]
    return {"name": call["name"], "arguments": _dump(arguments) if as_text else arguments}


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
