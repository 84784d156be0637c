"""Replies made to take for ever: every reader is linear in their length, so a megabyte takes well under a second."""

import re
import time
from collections.abc import Callable

import pytest

from hydrometer.graders.asides import pick_main
from hydrometer.graders.confidence import split_confidence
from hydrometer.graders.constraints import grade_constraints
from hydrometer.graders.numbers import final_number
from hydrometer.graders.requests import declines
from hydrometer.graders.structured import read_json
from hydrometer.graders.text import find_last, grade_option, pick_option, same_text, strip_echo
from hydrometer.outcomes import Grade

SIZE = 1_000_000
BAIT = {
    "one letter": "a" * SIZE,
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
}
WORD = re.compile(r"\b[a-z]+day\b")
READERS: dict[str, Callable[[str], object]] = {
    "number": final_number,
    "confidence": split_confidence,
    "declines": lambda reply: declines(f"That is illegal. {reply}"),
    "option": lambda reply: pick_option(reply, ("Anna", "Ben"), "tallest"),
    "main option": lambda reply: pick_main(reply, ("Anna", "Ben"), WORD),
    "grade_option": lambda reply: grade_option(reply, "Anna", ("Anna", "Ben")),
    "find_last": lambda reply: find_last(reply, WORD),
    "same_text": lambda reply: same_text(reply, "The fox."),
    "strip_echo": lambda reply: strip_echo(reply, "Who is it?"),
    "json": lambda reply: read_json(reply, fences=True),
    "constraints": lambda reply: grade_constraints(
        reply,
        [{"check": "max_words", "number": 3}, {"check": "includes", "word": "x"}, {"check": "lowercase"}],
    ),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("bait", BAIT)
def test_a_megabyte_takes_a_moment(reader: str, bait: str) -> None:
    start = time.process_time()
    found = READERS[reader](BAIT[bait])
    assert time.process_time() - start < 1.5
    assert not isinstance(found, Grade) or found.value != 1.0 or bait == "blanks"
