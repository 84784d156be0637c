"""Choosing among scored continuations."""

from hydrometer.graders.choice import choose, grade_choice
from hydrometer.items import Item, Message
from hydrometer.outcomes import ChoiceScore

ITEM = Item(
    task="t",
    messages=(Message("user", "Where?"),),
    answer=1,
    choices=("Rome", "in the old town of Rome"),
    max_tokens=0,
)


def scores(*logprobs: float) -> list[ChoiceScore]:
    return [ChoiceScore(logprob=value, tokens=1) for value in logprobs]


def test_the_best_rate_per_byte_wins() -> None:
    # Per byte -1.0 against -0.5; by the sum the short one would win.
    assert choose([-4.0, -11.5], [4, 23]) == 1
    assert grade_choice(ITEM, scores(-4.0, -11.5)).value == 1.0
    assert grade_choice(ITEM, scores(-1.0, -11.5)).extracted == "Rome"


def test_letters_are_compared_as_they_are() -> None:
    assert grade_choice(ITEM, scores(-4.0, -11.5), "letters").value == 0.0


def test_ties_go_to_the_lowest_index() -> None:
    assert choose([-2.0, -2.0, -2.0], [2, 2, 2]) == 0


def test_length_is_counted_in_bytes() -> None:
    # "ä" has two bytes: -3 over 2 bytes beats -2 over 1.
    umlaut = Item(task="t", messages=ITEM.messages, answer=0, choices=("ä", "a"), max_tokens=0)
    assert grade_choice(umlaut, scores(-3.0, -2.0)).value == 1.0
