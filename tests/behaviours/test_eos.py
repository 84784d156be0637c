"""Turns that are not the model's to write."""

import pytest

from hydrometer.behaviours.base import Observed
from hydrometer.behaviours.eos import detect


def reply(text: str, asked: str = "What is two and two?") -> Observed:
    return Observed(text=text, answer=text, asked=asked)


@pytest.mark.parametrize(
    "text",
    [
        "Four.<|im_end|>\n<|im_start|>user\nAnd three?",
        "Four.\nuser\nAnd three and three?\nassistant\nSix.",
        "Four.\n\nHuman: And three?\n\nAssistant: Six.",
        "Four.</s>",
        "Four.<end_of_turn>",
        "Four.<turn|>\n<|turn>user\nThree?",
        "Four.\n\nQuestion: What is 3 and 3?\nAnswer: Six.",
    ],
)
def test_foreign_turns_show(text: str) -> None:
    assert detect(reply(text))


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("A turn ends with `<|im_end|>` there.", "How do turns end?"),
        ("Like so:\n```\n<|im_start|>user\nhi<|im_end|>\n```", "Show ChatML."),
        ("It is <|im_end|>, as you say.", "What does <|im_end|> mean?"),
        ("Here:\n\nUser: hi\n\nAssistant: hello", "Write a dialogue."),
        ("Here:\n\nQuestion: What is ice?\nAnswer: Water.", "Write a quiz question."),
        ("The <s>old</s> price is gone.", "Strike it through."),
        ("A user may log in.\nEach user has a name.", "Explain accounts."),
    ],
)
def test_talk_about_turns_does_not(text: str, asked: str) -> None:
    assert detect(reply(text, asked)) is None
