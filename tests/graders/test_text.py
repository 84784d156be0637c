"""Texts compared, and the option that a reply settles on."""

import pytest

from hydrometer.graders.text import (
    grade_option,
    normalise,
    pick_option,
    same_text,
    strip_echo,
    unwrap,
)
from hydrometer.outcomes import Status

PEOPLE = ("Anna", "Ben", "Clara")


def test_normalise_drops_case_marks_and_blanks() -> None:
    assert normalise("  **The  Answer**, is:\n“Ja”! ") == "the answer is ja"
    assert normalise("!?") == ""


@pytest.mark.parametrize(
    ("reply", "same"),
    [
        ("The fox.", True),
        ("  The fox.\n", True),
        ('"The fox."', True),
        ("“The fox.”", True),
        ("**The fox.**", True),
        ("the fox.", False),
        ("The fox", False),
        ("The fox. The fox.", False),
        ("Sure: The fox.", False),
        ("", False),
    ],
)
def test_same_text_is_strict_about_everything_inside(reply: str, same: bool) -> None:
    assert same_text(reply, "The fox.") is same


def test_curly_and_straight_quotes_are_the_same() -> None:
    assert same_text("It’s here.", "It's here.")


def test_unwrap_keeps_quotes_that_do_not_enclose_all() -> None:
    assert unwrap('"a" and "b"') == '"a" and "b"'


def test_echoed_prompt_is_skipped() -> None:
    assert strip_echo("user\nWho is it?\nassistant\nBen", "Who is it?") == "assistant\nBen"
    assert strip_echo("Who is it?", "Who is it? ") == ""
    assert strip_echo(" Ben ", "Who is it?") == "Ben"


@pytest.mark.parametrize(
    ("reply", "picked"),
    [
        ("Clara", "Clara"),
        ("clara.", "Clara"),
        ("The tallest is Clara, because she is taller than Anna.", "Clara"),
        ("Anna is the tallest, since Clara is taller than Ben.", "Anna"),
        ("Clara is the tallest of Anna and Ben.", "Clara"),
        ("Anna is taller than Ben. So Clara must be the tallest one.", "Clara"),
        ("1. Anna > Ben\n2. Clara > Anna\n\n**Answer:** Clara", "Clara"),
        ("The answer is Ben. Anna is the tallest of the others.", "Ben"),
        ("Clara\nAnna is taller than Ben.", "Clara"),
        ("The tallest is not Anna but Clara.", "Clara"),
        ("Anna is taller than Ben.", "Anna"),
        ("The tallest that is above Anna is Ben.", "Ben"),
        ("Annabel", None),
        ("", None),
    ],
)
def test_picks_what_the_reply_says_of_the_cue(reply: str, picked: str | None) -> None:
    assert pick_option(reply, PEOPLE, "tallest") == picked


def test_without_a_cue_the_last_option_counts() -> None:
    assert pick_option("Ben, then Anna, then Clara", PEOPLE) == "Clara"


def test_an_answer_in_passing_counts_only_alone() -> None:
    days = ("Tuesday", "Friday")
    assert grade_option("Tuesday comes after Monday", "Tuesday", days, passing=("Monday",)).value == 1.0
    assert grade_option("Today is Monday.", "Tuesday", days, passing=("Monday",)).value == 0.0
    assert grade_option("Some day.", "Tuesday", days, passing=("Monday",)).status is Status.UNPARSED
