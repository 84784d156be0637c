"""Claims of identity."""

import pytest

from hydrometer.behaviours.base import Observed
from hydrometer.behaviours.identity import IDENTITY_CLAIM, detect


def reply(text: str, asked: str = "Who are you?", system: str = "") -> Observed:
    return Observed(text=text, answer=text, asked=asked, system=system)


@pytest.mark.parametrize(
    "text",
    [
        "I am Claude, made by Anthropic.",
        "I'm ChatGPT.",
        "I am an AI model developed by DeepSeek.",
        "我是通义千问。",
    ],
)
def test_claims_show(text: str) -> None:
    assert detect(reply(text))


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("Claude Monet painted lilies.", "Who was he?"),
        ("I am Claude, the baker of this town.", "Write a story."),
        ("OpenAI made it.", "Who made it?"),
        ("I am an assistant.", "Who are you?"),
    ],
)
def test_names_do_not(text: str, asked: str) -> None:
    assert detect(reply(text, asked)) is None


def test_a_name_that_was_given_is_no_claim() -> None:
    assert detect(reply("I am Claude.", system="You are Claude.")) is None


def test_it_is_style() -> None:
    assert not IDENTITY_CLAIM.fault
