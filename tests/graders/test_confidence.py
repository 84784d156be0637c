"""The stated confidence, wherever it stands, and nothing else in its place."""

import time

import numpy as np
import pytest

from hydrometer.graders.confidence import split_confidence, stated, with_confidence
from hydrometer.graders.numbers import grade_number
from hydrometer.outcomes import Grade
from hydrometer.stats.calibration import calibration_change

REPLIES: list[tuple[str, float | None]] = [
    ("Answer: 42\nConfidence: 80%", 0.8),
    ("Answer: 42\nConfidence: 80", 0.8),
    ("Answer: 42\n**Confidence:** 80 %", 0.8),
    ("Answer: 42\nConfidence level: 80 percent", 0.8),
    ("Answer: 42\nConfidence: 0.8", 0.8),
    ("Answer: 42\nConfidence: 80/100", 0.8),
    ("42, and I am 80% sure.", 0.8),
    ("42. I'm 80% confident.", 0.8),
    ("42. My confidence is 80%.", 0.8),
    ("42. I am sure: 80%", 0.8),
    ("42 (80%)", 0.8),
    ("Confidence: 99.5%\nAnswer: 42", 0.995),
    ("Answer: 42\nConfidence: 1", 0.01),
    ("Answer: 42\nConfidence: 0%", 0.0),
    ("Answer: 42", None),
    ("Answer: 42\nConfidence: high", None),
    ("Answer: 42\nConfidence: 250%", None),
    ("I am sure it is 42", None),
]


@pytest.mark.parametrize(("reply", "confidence"), REPLIES)
def test_confidence_is_found_and_taken_out(reply: str, confidence: float | None) -> None:
    rest, found = split_confidence(reply)
    assert found == confidence
    assert grade_number(rest, 42).value == 1.0
    said = stated(with_confidence(grade_number(rest, 42), found))
    assert (said is None) == (confidence is None)
    assert said is None or (said.confidence == pytest.approx(confidence) and said.right)


def test_right_and_wrong_are_kept() -> None:
    assert stated(with_confidence(Grade.wrong("41", "expected 42"), 0.9)) == (0.9, False)
    assert stated(with_confidence(Grade.right("42"), None)) is None
    assert with_confidence(Grade.right("42"), None).extracted == "42 | ?"
    assert stated(with_confidence(Grade.unparsed("no number"), 0.9)) is None
    assert stated(Grade.right("42")) is None or stated(Grade.right("42")) == (0.42, True)


def test_an_overconfident_student_is_seen() -> None:
    rng = np.random.default_rng(1)
    right = rng.random(120) < 0.5

    def side(confidence: float) -> tuple[np.ndarray, np.ndarray]:
        grades = [with_confidence(Grade.right("1") if r else Grade.wrong("2"), confidence) for r in right]
        said = [s for s in map(stated, grades) if s]
        return np.array([s.confidence for s in said]), np.array([float(s.right) for s in said])

    change = calibration_change(side(0.5), side(0.95), np.random.default_rng(2))
    assert change.level == pytest.approx(0.45)
    assert change.adjusted_level < 0.01


@pytest.mark.parametrize("bait", ["sure " * 200_000, "9" * 1_000_000, "9 " * 500_000, "confidence" + " " * 1_000_000 + "9", "% " * 500_000])
def test_a_megabyte_takes_a_moment(bait: str) -> None:
    start = time.process_time()
    split_confidence(bait)
    assert time.process_time() - start < 0.5
