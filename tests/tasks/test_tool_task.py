"""Questions about tools: one right call, nothing that a user did not say, and every family's form accepted."""

import json
from collections import Counter

import pytest

from hydrometer.items import Item
from hydrometer.tasks.tool_calls import KINDS, ToolCalls
from hydrometer.tasks.tool_sets import TOOLS
from hydrometer.templates.tools import described, tools_of

TASK = ToolCalls()
ITEMS = TASK.items(300, 1)


def of_kind(kind: str) -> list[Item]:
    return [item for item in ITEMS if item.tier == kind]


def in_form(family: str, item: Item) -> str:
    name, arguments = item.answer["name"], item.answer["arguments"]

    def gemma(value: object) -> str:
        if isinstance(value, str):
            return f'<|"|>{value}<|"|>'
        if isinstance(value, dict):
            return "{" + ",".join(f"{k}:{gemma(v)}" for k, v in value.items()) + "}"
        return "[" + ",".join(map(gemma, value)) + "]" if isinstance(value, list) else json.dumps(value)

    text = json.dumps(arguments)
    parts = "".join(
        f"<parameter={key}>\n{value if isinstance(value, str) else json.dumps(value)}\n</parameter>\n"
        for key, value in arguments.items()
    )
    return {
        "qwen": f"<tool_call>\n<function={name}>\n{parts}</function>\n</tool_call>",
        "hermes": f'<tool_call>\n{{"name": "{name}", "arguments": {text}}}\n</tool_call>',
        "gemma": f"<|tool_call>call:{name}{gemma(arguments)}<tool_call|>",
        "llama": f'{{"name": "{name}", "parameters": {text}}}',
        "mistral": f"[TOOL_CALLS]{name}[ARGS]{text}",
        "json": f'```json\n{{"name": "{name}", "arguments": {text}}}\n```',
    }[family]


@pytest.mark.parametrize("family", ["qwen", "hermes", "gemma", "llama", "mistral", "json"])
def test_a_right_call_is_right_in_every_familys_form(family: str) -> None:
    for item in of_kind("call") + of_kind("correction"):
        assert TASK.grade(item, in_form(family, item)).value == 1.0, (item.answer, in_form(family, item))


def test_every_value_of_a_call_was_said() -> None:
    for item in of_kind("call"):
        said = item.messages[-1].content
        for value in item.answer["arguments"].values():
            parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
            assert all(part is True or str(part) in said for part in parts), item


def test_arguments_fit_the_schema_that_is_offered() -> None:
    kinds = {"string": str, "integer": int, "boolean": bool, "object": dict, "array": list}
    for item in of_kind("call") + of_kind("correction"):
        tool = next(tool for tool in tools_of(item.messages) if tool["name"] == item.answer["name"])
        schema = tool["parameters"]
        assert set(schema["required"]) <= set(item.answer["arguments"]) <= set(schema["properties"])
        for name, value in item.answer["arguments"].items():
            field = schema["properties"][name]
            assert type(value) is kinds[field["type"]]
            assert value in field.get("enum", [value])


def test_optional_arguments_are_said_sometimes() -> None:
    optional = {n for tool in TOOLS for n, p in tool.parameters.items() if p.optional}
    said = Counter(bool(optional & set(item.answer["arguments"])) for item in of_kind("call"))
    assert min(said.values()) >= 10


def test_what_is_missing_was_not_said() -> None:
    words = Counter(item.answer["words"][-1] for item in of_kind("missing parameter"))
    assert len(words) >= 10
    for item in of_kind("missing parameter"):
        tools = [tool for tool in TOOLS if item.messages[-1].content.startswith(tool.request)]
        missing = item.answer["words"][-1]
        assert any(missing in tool.parameters and not tool.parameters[missing].optional for tool in tools)


def test_a_correction_changes_one_value() -> None:
    for item in of_kind("correction"):
        old = json.loads(item.messages[2].content)[0]["arguments"]
        new = item.answer["arguments"]
        assert old.keys() == new.keys()
        assert sum(old[key] != new[key] for key in old) == 1


def test_a_result_cannot_be_known_from_the_question() -> None:
    for item in of_kind("result"):
        assert str(item.answer["value"]) not in item.messages[1].content
        assert str(item.answer["value"]) in item.messages[-1].content
        assert item.messages[-1].role == "tool"


def test_three_tools_are_offered_and_the_needed_one_is_among_them() -> None:
    places = Counter()
    for item in of_kind("call"):
        names = [tool["name"] for tool in tools_of(item.messages)]
        assert len(set(names)) == 3
        places[names.index(item.answer["name"])] += 1
    assert min(places.values()) >= 5


def test_kinds_take_turns() -> None:
    assert [item.tier for item in ITEMS[:5]] == list(KINDS)


def test_described_items_alternate_between_user_and_assistant() -> None:
    for item in ITEMS[:25]:
        roles = [turn.role for turn in described(item.messages)]
        assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]
