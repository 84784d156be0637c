"""Calls of tools in every family's form: read where they are whole, and told what is wrong where they are not."""

import pytest

from hydrometer.templates.tool_calls import CallState, read_calls
from hydrometer.templates.tools import ToolCall, write_call

TOOLS = [
    {
        "name": "book_table",
        "description": "Book a table.",
        "parameters": {
            "type": "object",
            "properties": {
                "restaurant": {"type": "string"},
                "people": {"type": "integer"},
                "outdoors": {"type": "boolean"},
                "guest": {"type": "object", "properties": {"name": {"type": "string"}}},
                "dates": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["restaurant", "people"],
        },
    },
    {"name": "ping", "description": "Say hello.", "parameters": {"type": "object", "properties": {}}},
]
CALL = ToolCall("book_table", {"restaurant": "Aurora", "people": 4})
FULL = ToolCall(
    "book_table",
    {"restaurant": "42", "people": 4, "outdoors": True, "guest": {"name": "Ida"}, "dates": ["Monday", "Friday"]},
)
JSON = '{"name": "book_table", "arguments": {"restaurant": "Aurora", "people": 4}}'
LLAMA = '{"name": "book_table", "parameters": {"restaurant": "Aurora", "people": 4}}'
QWEN = (
    "<tool_call>\n<function=book_table>\n<parameter=restaurant>\nAurora\n</parameter>\n"
    "<parameter=people>\n4\n</parameter>\n</function>\n</tool_call>"
)
GEMMA = '<|tool_call>call:book_table{people:4,restaurant:<|"|>Aurora<|"|>}<tool_call|>'


@pytest.mark.parametrize(
    ("family", "reply"),
    [
        ("qwen", QWEN),
        ("qwen", f"I will book it now.\n\n{QWEN}"),
        ("qwen", QWEN.removeprefix("<tool_call>\n").removesuffix("\n</tool_call>")),
        ("qwen", '<function=book_table>{"restaurant": "Aurora", "people": 4}</function>'),
        ("hermes", f"<tool_call>\n{JSON}\n</tool_call>"),
        ("hermes", f"Sure.\n<tool_call>{JSON}</tool_call>\n"),
        ("hermes", "<tool_call>" + JSON.replace('{"restaurant": "Aurora", "people": 4}', '"{\\"restaurant\\": \\"Aurora\\", \\"people\\": 4}"') + "</tool_call>"),
        ("gemma", GEMMA),
        ("gemma", '<|tool_call>call:book_table{restaurant:<|"|>Aurora<|"|>, people: 4}<tool_call|>'),
        ("llama", LLAMA),
        ("llama", f"<|python_tag|>{LLAMA}"),
        ("llama", JSON),
        ("llama", f'[{{"type": "function", "function": {JSON}}}]'),
        ("mistral", f"[TOOL_CALLS][{JSON}]"),
        ("mistral", f"[TOOL_CALLS] [{JSON}]"),
        ("mistral", '[TOOL_CALLS]book_table[ARGS]{"restaurant": "Aurora", "people": 4}'),
        ("mistral", '[TOOL_CALLS]book_table[CALL_ID]abcdefghi[ARGS]{"restaurant": "Aurora", "people": 4}'),
        ("json", f"Here is the call:\n```json\n{JSON}\n```\nDone."),
        ("json", f"```\n[{JSON}]\n```"),
    ],
)  # fmt: skip
def test_whole_calls_are_read(family: str, reply: str) -> None:
    found = read_calls(reply, TOOLS)
    assert (found.state, found.calls, found.family) == (CallState.VALID, (CALL,), family)


@pytest.mark.parametrize(
    "reply",
    [
        "<tool_call>\n<function=book_table>\n<parameter=restaurant>\n42\n</parameter>\n<parameter=people>\n4\n</parameter>\n"
        "<parameter=outdoors>\nTrue\n</parameter>\n<parameter=guest>\n{\"name\": \"Ida\"}\n</parameter>\n"
        "<parameter=dates>\n[\"Monday\", \"Friday\"]\n</parameter>\n</function>\n</tool_call>",
        '<|tool_call>call:book_table{dates:[<|"|>Monday<|"|>,<|"|>Friday<|"|>],guest:{name:<|"|>Ida<|"|>},'
        'outdoors:true,people:4,restaurant:<|"|>42<|"|>}<tool_call|>',
        write_call(*FULL),
    ],
)  # fmt: skip
def test_types_and_nesting_are_kept(reply: str) -> None:
    call = read_calls(reply, TOOLS).calls[0]
    assert call == FULL
    assert isinstance(call.arguments["restaurant"], str)
    assert call.arguments["outdoors"] is True


@pytest.mark.parametrize(
    "reply",
    [
        f"<tool_call>{JSON}</tool_call>\n<tool_call>{JSON}</tool_call>",
        QWEN + "\n" + QWEN,
        GEMMA + GEMMA,
        f"{LLAMA}; {LLAMA}",
        f"{LLAMA}\n{LLAMA}",
        f"[TOOL_CALLS][{JSON}, {JSON}]",
        '[TOOL_CALLS]book_table[ARGS]{"restaurant": "Aurora", "people": 4}' * 2,
        f"```json\n{JSON}\n```\n```json\n{JSON}\n```",
    ],
)
def test_several_calls_are_all_read(reply: str) -> None:
    assert read_calls(reply, TOOLS).calls == (CALL, CALL)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (f"<tool_call>\n{JSON}", "never closed"),
        (f"<tool_call>{JSON[:-1]}</tool_call>", "no JSON"),
        (f"<tool_call>{JSON.replace('name', 'tool', 1)}</tool_call>", "no name"),
        ('<tool_call>{"name": "ping"}</tool_call>', "no arguments"),
        ('<tool_call>{"name": "ping", "arguments": [1]}</tool_call>', "no object"),
        ("<tool_call>[1, 2]</tool_call>", "not list"),
        ("<tool_call>book_table(people=4)</tool_call>", "no JSON"),
        (QWEN.replace("</parameter>", "", 2), "never closed"),
        (QWEN.replace("</function>\n", ""), "never closed"),
        (QWEN.replace("\n</tool_call>", ""), "never closed"),
        (QWEN.replace("<parameter=people>\n4\n</parameter>", "people=4"), "beside"),
        (QWEN.replace("<function=book_table>", "<function=>"), "no name"),
        (GEMMA.removesuffix("<tool_call|>"), "never closed"),
        (GEMMA.replace('<|"|>', ""), "without its marks"),
        (GEMMA.replace('Aurora<|"|>', "Aurora"), "never closed"),
        (GEMMA.replace("call:", ""), "no call:NAME"),
        (GEMMA.replace("}<", "<"), "neither comma nor"),
        ("<|tool_call>call:book_table{:4}<tool_call|>", "key is missing"),
        ("<|tool_call>call:book_table{people:}<tool_call|>", "value is missing"),
        ("<|tool_call>call:ping{} now<tool_call|>", "behind the arguments"),
        ("call:ping{}", "mark <|tool_call> is missing"),
        (f"[TOOL_CALLS][{JSON}", "no JSON"),
        ("[TOOL_CALLS]book_table[ARGS]{people: 4}", "no JSON"),
        (LLAMA[:-1], "no JSON"),
        (f"{LLAMA}\nThis books the table.", "behind the call"),
        ("<|python_tag|>book_table.call(people=4)", "no JSON"),
        (f"```json\n{JSON[:-2]}\n```", "no JSON"),
    ],
)
def test_broken_calls_say_what_is_wrong(reply: str, why: str) -> None:
    found = read_calls(reply, TOOLS)
    assert (found.state, found.calls) == (CallState.BROKEN, ())
    assert why in found.fault


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "Which day should I book it for?",
        '{"name": "Ida", "age": 31}',
        '{"answer": 4',
        "[1, 2, 3]",
        "[]",
        "```json\n{\"name\": \"Ida\", \"age\": 31}\n```",
        "```python\nbook_table(people=4)\n```",
        "I would use book_table for that, with 4 people.",
        "call me later {x}",
    ],
)  # fmt: skip
def test_other_replies_hold_no_call(reply: str) -> None:
    assert read_calls(reply, TOOLS).state is CallState.NONE


def test_calls_in_thinking_reach_nobody() -> None:
    found = read_calls("It is done.", TOOLS, thinking=f"I should call it. {QWEN}")
    assert (found.state, found.calls) == (CallState.IN_THINKING, (CALL,))
    assert read_calls(QWEN, TOOLS, thinking=QWEN).state is CallState.VALID
    assert read_calls("Done.", TOOLS, thinking="no call here").state is CallState.NONE


@pytest.mark.parametrize(
    "bait",
    [
        "x" * 1_000_000,
        "<tool_call>" * 90_000,
        "<tool_call>{}" * 90_000,
        f"<tool_call>{JSON}</tool_call>" * 9_000,
        "<tool_call><function=f>" + "<parameter=a>1</parameter>" * 40_000 + "</function></tool_call>",
        "<tool_call><function=f>" + "<parameter=a>" * 80_000,
        '<|tool_call>call:f{a:' + "[" * 1_000_000,
        '<|tool_call>call:f{' + "a:1," * 200_000 + "}<tool_call|>",
        "[TOOL_CALLS]" * 80_000,
        "[" * 1_000_000,
        '{"name": "ping", "arguments": ' + "[" * 1_000_000,
        '{"name": "ping", "arguments": {}}' * 30_000,
        "```\n" * 250_000,
        "<tool_call>" + " " * 1_000_000,
        "\u202e\ufffd" * 300_000,
    ],
)  # fmt: skip
def test_long_nonsense_is_read_in_no_time(bait: str) -> None:
    import time

    clock = time.process_time()
    read_calls(bait, TOOLS)
    assert time.process_time() - clock < 2.0
