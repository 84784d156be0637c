"""Damage to the form of an answer."""

import pytest

from hydrometer.behaviours.base import Observed
from hydrometer.behaviours.corruption import code, escapes, fence, json_broken
from hydrometer.outcomes import Finish


def reply(text: str, asked: str = "Answer in JSON.", **more: object) -> Observed:
    return Observed(text=text, answer=text.strip(), asked=asked, **more)  # type: ignore[arg-type]


def python(body: str) -> Observed:
    return reply(f"```python\n{body}\n```")


GOOD = "def f(x):\n    if x:\n        return 1\n    return 2"


@pytest.mark.parametrize(
    "body",
    [
        "def f(x):\n if x:\n  return 1\n return 2",
        "\n".join(" " + line for line in GOOD.splitlines()),
        "def f(x):\n    if x:\n    return 1",
        "def f(x):\n    a = 1\n     b = 2",
        "def f(x:\n    return 1",
    ],
)
def test_broken_python_shows(body: str) -> None:
    assert code(python(body))


@pytest.mark.parametrize(
    "body",
    [
        GOOD,
        ">>> f(1)\n1",
        "    def f(self):\n        return 1\n    x = 2",
        "a = [\n 1,\n 2,\n]",
        "print 'old'",
        "x = '\\d'",
        "$ pip install x",
        "return 1",
    ],
)
def test_good_python_does_not(body: str) -> None:
    assert code(python(body)) is None


def test_python_inside_a_list_keeps_its_margin() -> None:
    body = "\n".join("   " + line for line in GOOD.splitlines())
    assert code(reply(f"1. So:\n\n   ```python\n{body}\n   ```")) is None


def test_cut_code_says_nothing() -> None:
    assert code(reply("```python\ndef f(x", finish=Finish.LENGTH)) is None
    assert fence(reply("```python\ndef f(x", finish=Finish.LENGTH)) is None


def test_fences() -> None:
    assert fence(reply("```python\nx = 1"))
    assert fence(reply("```json\ndef f():\n    pass\n```"))
    assert fence(reply("```python\n<!DOCTYPE html>\n```"))
    assert fence(reply("```python\nx = 1\n```")) is None
    assert fence(reply("````md\n```python\nx = 1\n```\n````")) is None


@pytest.mark.parametrize(
    "text", ['{"a": 1,}', "{'a': 1}", '{"a": True}', '{"a": [1, 2', '```json\n{"a" 1}\n```', '{"a": ```1```}']
)
def test_broken_json_shows(text: str) -> None:
    assert json_broken(reply(text))


@pytest.mark.parametrize("text", ['{"a": 1}', "```json\n[1, 2]\n```", "I have none.", '{"a": 1}\n{"a": 2}'])
def test_good_json_does_not(text: str) -> None:
    assert json_broken(reply(text)) is None


def test_json_that_nobody_asked_for_is_not_looked_at() -> None:
    assert json_broken(reply("{'a': 1}", "Show a dictionary.")) is None


def test_escapes() -> None:
    assert escapes(reply("One.\\nTwo.\\n\\nThree.\\nFour."))
    assert escapes(reply("Caf\\u00e9 na\\u00efve \\u00fcber"))
    assert escapes(reply("The gradient $\\nabla f$ and $\\neq$ and $\\nu$ and $\\nabla g$.")) is None
    assert escapes(reply("One.\\nTwo.\\n\\nThree.\\n", "How do I write a newline escape?")) is None
