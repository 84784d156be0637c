"""Calls of tools in a raw reply, in the forms that families are trained on.

- Qwen3.5/3.6: `<tool_call><function=NAME><parameter=KEY>VALUE</parameter></function></tool_call>`
  (chat template of the Qwen3-Coder line); Llama 3.1's `<function=NAME>{JSON}</function>`
- Hermes, Qwen2.5/3: `<tool_call>{"name": ..., "arguments": {...}}</tool_call>`
- Gemma 4: `<|tool_call>call:NAME{key:<|"|>text<|"|>,other:3}<tool_call|>` (its chat template, and
  ai.google.dev/gemma/docs/core/prompt-formatting-gemma4)
- Mistral: `[TOOL_CALLS][{"name": ..., "arguments": {...}}]`, later `[TOOL_CALLS]NAME[ARGS]{JSON}` (mistral-common)
- Llama 3: `{"name": ..., "parameters": {...}}` as the whole reply, with or without `<|python_tag|>`
- anything: the same JSON in a code fence.

A call that its family's own servers would not take is broken, and the reply says how. Every reader is linear in the
length of the text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from hydrometer.templates.gemma_calls import BrokenCallError, read_gemma
from hydrometer.templates.tools import Schema, ToolCall


class CallState(StrEnum):
    """What a reply does about tools."""

    NONE = "none"
    VALID = "valid"
    BROKEN = "broken"
    IN_THINKING = "in thinking"


class ToolReply(NamedTuple):
    """The calls of a reply.

    Attributes:
        state: What the reply does about tools; `VALID` says that calls can be read, not that they are right.
        calls: The calls in order; none where one of them is broken.
        family: Whose form they have, `""` without any.
        fault: What is wrong with a broken call.
    """

    state: CallState
    calls: tuple[ToolCall, ...] = ()
    family: str = ""
    fault: str = ""


def read_calls(answer: str, tools: Sequence[Schema] = (), *, thinking: str = "") -> ToolReply:
    """Find the calls of tools in a reply.

    Args:
        answer: The reply, thinking split off.
        tools: The offered tools; their schemas give types to values that come as bare text.
        thinking: The thinking, in which a call reaches nobody.
    """
    found = _read(answer, tools)
    if found.state is CallState.NONE and thinking:
        inside = _read(thinking, tools)
        if inside.state is not CallState.NONE:
            return inside._replace(state=CallState.IN_THINKING)
    return found


def _read(text: str, tools: Sequence[Schema]) -> ToolReply:
    schemas = {str(tool["name"]): tool for tool in tools}
    for family, mark, reader in _READERS:
        if (family == "json" and "```" not in text) or not mark.search(text):
            continue
        try:
            calls = reader(text, schemas)
        except BrokenCallError as error:
            return ToolReply(CallState.BROKEN, (), family, str(error))
        if calls:
            return ToolReply(CallState.VALID, tuple(calls), family)
    return ToolReply(CallState.NONE)


Schemas = Mapping[str, Schema]


def _between(text: str, opening: str, closing: str) -> list[str]:
    """Texts between two marks.

    Raises:
        BrokenCallError: One is never closed.
    """
    found, place = [], text.find(opening)
    while place >= 0:
        start = place + len(opening)
        end = text.find(closing, start)
        if end < 0:
            msg = f"{opening} is never closed"
            raise BrokenCallError(msg)
        found.append(text[start:end])
        place = text.find(opening, end + len(closing))
    return found


def _tagged(text: str, schemas: Schemas) -> list[ToolCall]:
    """Hermes' and Qwen's calls, which share their tags."""
    calls = []
    for inner in _between(text, "<tool_call>", "</tool_call>"):
        body = inner.strip()
        if body.startswith("<function="):
            calls += _functions(body, schemas)
        else:
            calls.append(_from_object(_load(body)))
    return calls


def _functions(text: str, schemas: Schemas) -> list[ToolCall]:
    calls = []
    for inner in _between(text, "<function=", "</function>"):
        name, found, body = inner.partition(">")
        name = name.strip().strip("\"'")
        if not found or not name:
            msg = "<function= has no name"
            raise BrokenCallError(msg)
        if body.lstrip().startswith("{"):
            calls.append(ToolCall(name, _as_arguments(_load(body.strip()))))
        else:
            calls.append(ToolCall(name, _parameters(body, schemas.get(name, {}))))
    return calls


def _parameters(body: str, schema: Schema) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    properties = schema.get("parameters", {}).get("properties", {})
    place = 0
    for match in _PARAMETER.finditer(body):
        if body[place : match.start()].strip():
            break
        end = body.find("</parameter>", match.end())
        if end < 0:
            msg = f"{match[0][:40]} is never closed"
            raise BrokenCallError(msg)
        key, value = match[1].strip(), body[match.end() : end].removeprefix("\n").removesuffix("\n")
        arguments[key] = _typed(value, properties.get(key, {}))
        place = end + len("</parameter>")
    if beside := body[place:].strip():
        msg = f"text beside the parameters: {beside[:40]!r}"
        raise BrokenCallError(msg)
    return arguments


def _typed(value: str, schema: Schema) -> Any:
    """Read a bare value as its schema says; a text stays a text, even where it looks like a number."""
    if schema.get("type") == "string":
        return value
    named = {"True": True, "False": False, "None": None}
    if value.strip() in named:
        return named[value.strip()]
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _bare_functions(text: str, schemas: Schemas) -> list[ToolCall]:
    return _functions(text, schemas)


def _mistral(text: str, _schemas: Schemas) -> list[ToolCall]:
    calls = []
    for part in text.split("[TOOL_CALLS]")[1:]:
        name, marked, arguments = part.partition("[ARGS]")
        if marked:
            calls.append(ToolCall(name.partition("[CALL_ID]")[0].strip(), _as_arguments(_load(arguments.strip()))))
            continue
        value = _load(part.strip())
        calls += [_from_object(entry) for entry in (value if isinstance(value, list) else [value])]
    return calls


def _gemma(text: str, _schemas: Schemas) -> list[ToolCall]:
    return [read_gemma(inner.strip()) for inner in _between(text, "<|tool_call>", "<tool_call|>")]


def _unmarked_gemma(text: str, schemas: Schemas) -> list[ToolCall]:
    if any(text.strip().startswith(f"call:{name}{{") for name in schemas):
        msg = "the mark <|tool_call> is missing"
        raise BrokenCallError(msg)
    return []


def _python_tag(text: str, schemas: Schemas) -> list[ToolCall]:
    return _series(text.partition("<|python_tag|>")[2], schemas, sure=True)


def _bare(text: str, schemas: Schemas) -> list[ToolCall]:
    return _series(text, schemas, sure=False)


def _series(text: str, schemas: Schemas, *, sure: bool) -> list[ToolCall]:
    """JSON calls in a row, parted by semicolons, commas or lines; Llama 3 writes nothing else beside them."""
    calls: list[ToolCall] = []
    place = _next(text, 0)
    while place < len(text):
        try:
            value, place = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            # Broken JSON is a broken call only where it names one of the tools; else it is an answer in JSON.
            if sure or calls or any(f'"{name}"' in text[place : place + 400] for name in schemas):
                raise _broken(error) from error
            return []
        entries = value if isinstance(value, list) else [value]
        if not sure and not calls and not (entries and all(_looks_called(entry, schemas) for entry in entries)):
            return []
        calls += [_from_object(entry) for entry in entries]
        place = _next(text, place)
        if text[place : place + 1] not in ("{", "[", ""):
            # An explanation behind the call: servers take the reply for a text then.
            msg = f"text behind the call: {text[place : place + 40]!r}"
            raise BrokenCallError(msg)
    return calls


def _next(text: str, place: int) -> int:
    match = _GAP.match(text, place)
    return match.end() if match else place


def _fenced(text: str, schemas: Schemas) -> list[ToolCall]:
    calls = []
    for match in _FENCE.finditer(text):
        body = match[1].strip()
        if body.startswith(("{", "[")):
            calls += _series(body, schemas, sure=False)
    return calls


def _looks_called(entry: Any, schemas: Schemas) -> bool:
    if not isinstance(entry, dict):
        return False
    inner = entry.get("function", entry)
    if not isinstance(inner, dict):
        return False
    known = inner.get("name") in schemas if isinstance(inner.get("name"), str) else False
    return known or ("name" in inner and ("arguments" in inner or "parameters" in inner))


def _from_object(value: Any) -> ToolCall:
    """Read a call from its JSON object, OpenAI's wrapping around it allowed."""
    if isinstance(value, dict) and isinstance(value.get("function"), dict):
        value = value["function"]
    if not isinstance(value, dict):
        msg = f"a call is an object, not {type(value).__name__}"
        raise BrokenCallError(msg)
    name = value.get("name")
    if not isinstance(name, str) or not name:
        msg = "the call has no name"
        raise BrokenCallError(msg)
    for key in ("arguments", "parameters"):
        if key in value:
            return ToolCall(name, _as_arguments(value[key]))
    msg = "the call has no arguments"
    raise BrokenCallError(msg)


def _as_arguments(value: Any) -> dict[str, Any]:
    given = _load(value) if isinstance(value, str) else value
    if not isinstance(given, dict):
        msg = f"the arguments are no object, but {type(given).__name__}"
        raise BrokenCallError(msg)
    return given


def _load(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _broken(error) from error


def _broken(error: Exception) -> BrokenCallError:
    why = error.msg if isinstance(error, json.JSONDecodeError) else type(error).__name__
    return BrokenCallError(f"the call is no JSON: {why}")


_DECODER = json.JSONDecoder()
_GAP = re.compile(r"[ \t\r\n;,]*")
_PARAMETER = re.compile(r"<parameter=([^>\n]*)>")
_FENCE = re.compile(r"^[ \t]*```[^\n]*\n(.*?)(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)

_READERS: tuple[tuple[str, re.Pattern[str], Callable[[str, Schemas], list[ToolCall]]], ...] = (
    ("gemma", re.compile(r"<\|tool_call>"), _gemma),
    ("qwen", re.compile(r"<tool_call>\s*<function="), _tagged),
    ("hermes", re.compile(r"<tool_call>"), _tagged),
    ("mistral", re.compile(r"\[TOOL_CALLS\]"), _mistral),
    ("llama", re.compile(r"<\|python_tag\|>"), _python_tag),
    ("qwen", re.compile(r"<function=\w"), _bare_functions),
    ("gemma", re.compile(r"\A\s*call:\w"), _unmarked_gemma),
    ("llama", re.compile(r"\A\s*[{\[]"), _bare),
    ("json", re.compile(r"^[ \t]*```", re.MULTILINE), _fenced),
)
"""Family, what tells that its form is used, and its reader; the first that finds calls wins."""
