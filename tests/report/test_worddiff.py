"""Marked words: pieces always join to the text, and no text takes long."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hydrometer.report.worddiff import word_diff


def test_words_of_one_side_only_are_marked() -> None:
    found = word_diff("The capital is Paris, I think.", "The capital is Lyon.")
    assert found is not None
    base, student = ([piece.text for piece in side if piece.own] for side in found)
    assert base == ["Paris, I think"]
    assert student == ["Lyon"]


@given(st.text(alphabet="ab \n.", max_size=60), st.text(alphabet="ab \n.", max_size=60))
def test_pieces_join_to_the_text(base: str, student: str) -> None:
    found = word_diff(base, student)
    if found is None:
        return
    assert "".join(piece.text for piece in found[0]) == base
    assert "".join(piece.text for piece in found[1]) == student
    shared = ["".join(piece.text for piece in side if not piece.own).split() for side in found]
    assert "".join(shared[0]) == "".join(shared[1])


@pytest.mark.parametrize(
    ("base", "student"),
    [
        ("same", "same"),
        ("", ""),
        ("Nothing in common", "entirely different words"),
        ("wait " * 100_000, "wait " * 100_001),
        ("x" * 1_000_000, "y" * 1_000_000),
    ],
    ids=["equal", "empty", "different", "a loop", "one line of a megabyte"],
)
def test_no_marks_where_they_would_not_help(base: str, student: str) -> None:
    start = time.perf_counter()
    assert word_diff(base, student) is None
    assert time.perf_counter() - start < 2.0
