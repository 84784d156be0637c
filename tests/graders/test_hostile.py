"""Replies made to take for ever: every reader is linear in their length, so that hundreds of kilobytes take a moment."""

import importlib
import inspect
import pkgutil
import re
import time
from collections.abc import Callable
from importlib.util import find_spec

import pytest

import hydrometer.graders
from hydrometer.graders.asides import pick_main
from hydrometer.graders.code import find_code, grade_calls
from hydrometer.graders.confidence import split_confidence
from hydrometer.graders.constraints import grade_constraints
from hydrometer.graders.honesty import claims_after_all, denies, says_unknown
from hydrometer.graders.mathematics import grade_mathematics, mathematical_answer
from hydrometer.graders.numbers import final_number, grade_number
from hydrometer.graders.requests import declines
from hydrometer.graders.structured import grade_json, read_json
from hydrometer.graders.text import (
    find_last,
    grade_option,
    pick_option,
    same_text,
    stated,
    strip_echo,
    yes_or_no,
)
from hydrometer.graders.tool_use import grade_call, grade_direct, grade_question, grade_used
from hydrometer.outcomes import Grade
from hydrometer.sandbox import End, Ran
from hydrometer.templates.tool_calls import CallState, ToolReply, read_calls
from hydrometer.templates.tools import ToolCall

SIZE = 300_000
BAIT = {
    "one letter": "a" * 1_000_000,
    "digits": "1" * SIZE,
    "spaced digits": "1 " * (SIZE // 2),
    "blanks": "Anna" + " " * SIZE + "Ben",
    "markers": "Answer: " * (SIZE // 8),
    "marked lines": "answer is\n" * (SIZE // 10),
    "cues": "tallest is " * (SIZE // 11),
    "names": "Anna is tall, Ben " * (SIZE // 18),
    "minus signs": "1 - " * (SIZE // 4),
    "commas": "1,111" * (SIZE // 5),
    "brackets": "[" * SIZE,
    "braces": '{"a":' * (SIZE // 5),
    "boxes": "\\boxed{" * (SIZE // 7),
    "stars": "*" * SIZE,
    "fences": "```" * (SIZE // 3),
    "surrogates and marks": "\udcff\u202e\u200b" * (SIZE // 3),
    "new lines": "\n" * SIZE + "1",
    "deep JSON": "[" * (SIZE // 2) + "]" * (SIZE // 2),
    "deep objects": '{"a":' * 50_000 + "1" + "}" * 50_000,
    "powers": "answer: " + "9^" * (SIZE // 2),
    "roots": "\\boxed{" + "\\sqrt{" * (SIZE // 6),
    "fractions": "$\\frac{1}{" * (SIZE // 10),
    "definitions": "def f(x):\n" * (SIZE // 10),
    "open fences": "```python\n" * (SIZE // 10),
    "indents": "\n".join(" " * (i % 400) + "x" for i in range(4_000)),
    "not said": "does not " * (SIZE // 9),
    "unknown so": "unknown but " * (SIZE // 12),
    "quotes": '"' * SIZE,
    "backslashes": "\\" * SIZE,
    "opened calls": "<tool_call>" * (SIZE // 11),
    "functions": "<function=a>" * (SIZE // 12),
    "parameters": "<tool_call><function=a>" + "<parameter=b>" * (SIZE // 13),
    "closed parameters": "<function=a>" + "<parameter=b>1</parameter>" * (SIZE // 26) + "</function>",
    "Gemma": "<|tool_call>call:a{" + "b:{" * (SIZE // 3),
    "Gemma texts": '<|tool_call>call:a{b:<|"|>' * (SIZE // 26),
    "Gemma lists": "<|tool_call>call:a{b:[" + "1," * (SIZE // 2) + "]}<tool_call|>",
    "Mistral": "[TOOL_CALLS]" * (SIZE // 12),
    "Mistral names": "[TOOL_CALLS]a[ARGS]" * (SIZE // 19),
    "Llama": "<|python_tag|>" + '{"name": "a", "parameters": {}};' * (SIZE // 32),
    "channels": "<|channel>thought\n<channel|>" * (SIZE // 27),
    "think blocks": "<think></think>" * (SIZE // 15),
    "bidirectional": "\u202eabc\u202c \u2066x\u2069 " * (SIZE // 12),
    "broken UTF-8": b"\xff\xc3(\xed\xa0\x80 1 ".decode("utf-8", "surrogateescape") * (SIZE // 10),
    "null": "\0" * SIZE,
}
WORD = re.compile(r"\b[a-z]+day\b")
NO_CALL = ToolReply(CallState.NONE)
TOOLS = ({"name": "a", "parameters": {"type": "object", "properties": {"b": {"type": "integer"}}}},)
READERS: dict[str, Callable[[str], object]] = {
    "final_number": final_number,
    "grade_number": lambda reply: grade_number(reply, 77),
    "pick_option": lambda reply: pick_option(reply, ("Anna", "Ben"), "tallest"),
    "pick_main": lambda reply: pick_main(reply, ("Anna", "Ben"), WORD),
    "split_confidence": split_confidence,
    "declines": lambda reply: declines(f"That is illegal. {reply}"),
    "grade_option": lambda reply: grade_option(reply, "Anna", ("Anna", "Ben")),
    "find_last": lambda reply: find_last(reply, WORD),
    "same_text": lambda reply: same_text(reply, "The fox."),
    "strip_echo": lambda reply: strip_echo(reply, "Who is it?"),
    "yes_or_no": yes_or_no,
    "read_json": lambda reply: read_json(reply, fences=True),
    "grade_json": lambda reply: grade_json(reply, {"b": 1}, fences=True),
    "grade_constraints": lambda reply: grade_constraints(
        reply,
        [{"check": "max_words", "number": 3}, {"check": "includes", "word": "x"}, {"check": "lowercase"},
         {"check": "lacks_commas"}, {"check": "starts_with", "phrase": "no"}, {"check": "ends_with", "phrase": "no"},
         {"check": "uppercase"}, {"check": "only", "words": ["yes"]}],
    ),
    "find_code": lambda reply: find_code(reply, "f"),
    "grade_calls": lambda reply: grade_calls(Ran(End.FAILED, reply, reply, 0.1), "f", [(1,)], [2]),
    "says_unknown": says_unknown,
    "stated": stated,
    "denies": denies,
    "claims_after_all": lambda reply: claims_after_all(reply, ("Lyon", "Paris")),
    "mathematical_answer": mathematical_answer,
    "grade_question": lambda reply: grade_question(NO_CALL, reply, ("city",)),
    "grade_used": lambda reply: grade_used(NO_CALL, reply, 3.5),
    "grade_direct": lambda reply: grade_direct(NO_CALL, reply, "77", ()),
    "read_calls": lambda reply: grade_call(read_calls(reply, TOOLS, thinking=reply), ToolCall("z", {})),
}  # fmt: skip
if find_spec("math_verify"):
    READERS["grade_mathematics"] = lambda reply: grade_mathematics(reply, "77")
ONLY_PART_OF_ANOTHER = {"holds", "max_words", "includes", "lacks_commas", "starts_with", "ends_with", "lowercase", "uppercase", "only"}
"""The checks of `grade_constraints`, which is given all of them above."""


def test_no_grader_is_left_out() -> None:
    reading = set()
    for module in pkgutil.iter_modules(hydrometer.graders.__path__):
        found = importlib.import_module(f"hydrometer.graders.{module.name}")
        for name, call in inspect.getmembers(found, inspect.isfunction):
            own = call.__module__ == found.__name__ and not name.startswith("_")
            if own and {"reply", "ran"} & set(inspect.signature(call).parameters):
                reading.add(name)
    assert reading - ONLY_PART_OF_ANOTHER <= {*READERS, "grade_mathematics"}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("bait", BAIT)
def test_a_hostile_reply_takes_a_moment(reader: str, bait: str) -> None:
    start = time.process_time()
    found = READERS[reader](BAIT[bait])
    assert time.process_time() - start < 1.5
    assert not isinstance(found, Grade) or found.value != 1.0 or bait == "blanks"
