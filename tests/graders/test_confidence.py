"""Stated confidences are found in many forms, and leave the answer alone."""

import time

import pytest

from hydrometer.graders.confidence import split_confidence


@pytest.mark.parametrize(
    ("reply", "said", "confidence"),
    [
        ("Answer: Paris\nConfidence: 85%", "Answer: Paris", 0.85),
        ("Answer: 12\nConfidence: 85", "Answer: 12", 0.85),
        ("Paris. Confidence: 0.85", "Paris.", 0.85),
        ("Paris. Confidence: 1.0", "Paris.", 1.0),
        ("Paris. Confidence: 1%", "Paris.", 0.01),
        ("Paris. Certainty of 9 out of 10", "Paris.", 0.9),
        ("Paris. Confidence level: 9/10", "Paris.", 0.9),
        ("Paris. My confidence is about 70 percent", "Paris. My", 0.7),
        ("Paris. Confidence: <100>%", "Paris.", 1.0),
        ("90% sure at first. Confidence: 60%", "at first.", 0.6),
        ("I am 99.5000000% confident that it is Paris.", "I am   that it is Paris.", 0.995),
        ("Paris\n**80%**", "Paris", 0.8),
        ("29 x 22 = 642 = 64%", "29 x 22 = 642 = 64%", None),
        ("The answer is: 100%", "The answer is: 100%", None),
        ("Answer: 12\nConfidence: high", "Answer: 12\nConfidence: high", None),
        ("I am sure: 12", "I am sure: 12", None),
        ("12. Confidence: 150%", "12.", None),
        ("", "", None),
    ],
)
def test_it_is_taken_out_of_the_reply(reply: str, said: str, confidence: float | None) -> None:
    assert split_confidence(reply) == (said, confidence)


@pytest.mark.parametrize("bait", ["confidence " * 90_000, "9" * 1_000_000, "confidence ((((=== " * 50_000])
def test_long_replies_take_no_time(bait: str) -> None:
    started = time.perf_counter()
    split_confidence(bait)
    assert time.perf_counter() - started < 0.5
