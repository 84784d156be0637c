"""The sixteen conversations that both chat templates are asked to render.

Each is there for something that templates have been seen to lose: the switch for thinking, thoughts of earlier turns,
tools and their results, the system's turn, turns without text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SYSTEM, USER, REPLY, THOUGHT, RESULT = "Probe-S.", "Probe-U?", "Probe-R.", "Probe-T.", "Probe-F"
"""Words that no template brings along, by which the parts of a rendered conversation are found again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixture:
    """One conversation.

    Attributes:
        name: One word.
        shows: What it is there for.
        messages: The conversation, as transformers hands it to a template.
        names: Further names that the template sees.
        tools: The offered tools.
        prompt: Whether the model's turn is opened at the end.
    """

    name: str
    shows: str
    messages: list[dict[str, Any]]
    names: dict[str, Any] = field(default_factory=dict)
    tools: list[dict[str, Any]] | None = None
    prompt: bool = True


def _turn(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def _call(number: int) -> dict[str, Any]:
    function = {"name": "probe_tool", "arguments": {"place": f"Probe-A{number}"}}
    return {"id": f"call0000{number}", "type": "function", "function": function}


def _result(number: int) -> dict[str, Any]:
    return _turn("tool", f'{{"found": "{RESULT}{number}"}}', name="probe_tool", tool_call_id=f"call0000{number}")


_PLACE = {"type": "string", "description": "Where to look."}
_SCHEMA = {"type": "object", "properties": {"place": _PLACE}, "required": ["place"]}
_TOOLS = [
    {
        "type": "function",
        "function": {"name": "probe_tool", "description": "Looks a place up.", "parameters": _SCHEMA},
    }
]
_ASK = [_turn("user", USER)]
_AGAIN = _turn("user", "And then?")
_TURNS = [*_ASK, _turn("assistant", REPLY), _AGAIN]
_REASONED = [*_ASK, _turn("assistant", REPLY, reasoning_content=THOUGHT), _AGAIN]
_INLINE = [*_ASK, _turn("assistant", f"<think>\n{THOUGHT}\n</think>\n\n{REPLY}"), _AGAIN]
_CALLED = [*_ASK, _turn("assistant", "", tool_calls=[_call(1)]), _result(1)]
_PARALLEL = [*_ASK, _turn("assistant", None, tool_calls=[_call(1), _call(2)]), _result(1), _result(2)]

FIXTURES: tuple[Fixture, ...] = (
    Fixture(name="plain", shows="one question", messages=_ASK),
    Fixture(name="thinking on", shows="`enable_thinking` true", messages=_ASK, names={"enable_thinking": True}),
    Fixture(name="thinking off", shows="`enable_thinking` false", messages=_ASK, names={"enable_thinking": False}),
    Fixture(name="low effort", shows="`reasoning_effort` low", messages=_ASK, names={"reasoning_effort": "low"}),
    Fixture(name="system", shows="a system prompt", messages=[_turn("system", SYSTEM), *_ASK]),
    Fixture(name="developer", shows="a developer's prompt", messages=[_turn("developer", SYSTEM), *_ASK]),
    Fixture(name="turns", shows="an earlier reply", messages=_TURNS),
    Fixture(name="thoughts", shows="an earlier reply with its thoughts", messages=_REASONED),
    Fixture(
        name="thoughts kept", shows="`preserve_thinking` true", messages=_REASONED,
        names={"preserve_thinking": True},
    ),
    Fixture(
        name="thoughts dropped", shows="`preserve_thinking` false", messages=_REASONED,
        names={"preserve_thinking": False},
    ),
    Fixture(name="tagged thoughts", shows="thoughts inside an earlier reply's text", messages=_INLINE),
    Fixture(name="tools", shows="a tool offered", messages=_ASK, tools=_TOOLS),
    Fixture(name="tool result", shows="a call and its result", messages=_CALLED, tools=_TOOLS),
    Fixture(name="two results", shows="two calls without text, two results", messages=_PARALLEL, tools=_TOOLS),
    Fixture(
        name="text parts", shows="content as a list of parts",
        messages=[_turn("user", [{"type": "text", "text": USER}])],
    ),
    Fixture(name="finished", shows="a reply at the end, no turn opened", messages=_TURNS[:2], prompt=False),
)  # fmt: skip
