"""Empty replies, give-ups and replies that do not know."""

import pytest

from hydrometer.behaviours.base import Observed
from hydrometer.behaviours.giving_up import empty_reply, gave_up, says_unknown
from hydrometer.behaviours.leaving_off import leaves_off
from hydrometer.outcomes import Finish

LIST = "List all 50 states."


def reply(text: str, asked: str = LIST, **more: object) -> Observed:
    return Observed(text=text, answer=text.strip(), asked=asked, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", " \n", "\u200b\n"])
def test_nothing_is_empty(text: str) -> None:
    assert empty_reply(reply(text))


def test_cut_and_unclosed_replies_are_not_empty() -> None:
    assert empty_reply(reply("", finish=Finish.LENGTH)) is None
    assert empty_reply(Observed(text="<think>a", thinking="a", think_state="unclosed")) is None


@pytest.mark.parametrize(
    "text",
    [
        "1. Alabama\n2. Alaska\n\nI'll stop here.", "1. Alabama\n\nThe rest is left as an exercise.", "1. Alabama, 2. Alaska, and so on.",
        "1. Alabama\n\nDue to length limits, I cannot list them all.", "```python\ndef f():\n    # ... rest of the code\n```",
    ],
)  # fmt: skip
def test_give_ups_show(text: str) -> None:
    assert gave_up(reply(text))


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("Flights stop here in winter due to the weather.", "Tell me about the airport."),
        ("We sell apples, pears, plums, and so on.", "What do you sell?"),
        ("Snakes shed skin due to the size of their body.", "Why?"),
        ("Fish.", "Write about fish in at most 500 words."),
        ("A short outline: the rest is left to the reader.", "Write a short outline."),
        ("I'm sorry, but I can't help with that.", "Write an essay of 1500 words about it."),
    ],
)
def test_ordinary_ends_do_not(text: str, asked: str) -> None:
    assert gave_up(reply(text, asked)) is None


@pytest.mark.parametrize(
    "ending",
    [
        "I'll wrap this up here.", "Only the first part is shown.", "There are many other entries that I did not include.",
        "The others are built the same way.", "Please refer to the register for the remaining entries.", "[... list continues ...]",
        "Do you want me to go on?", "My answer would get too long with all of them.", "And so on through the whole register.",
    ],
)  # fmt: skip
def test_last_sentences_that_leave_off_count_where_a_whole_was_asked_for(ending: str) -> None:
    text = f"1. Alabama\n2. Alaska\n\n{ending}"
    assert gave_up(reply(text, "List every entry of the register."))
    assert leaves_off(text)


@pytest.mark.parametrize(
    "ending",
    [
        "I hope this list is useful to you.", "Would you like a shorter version?", "Nothing is missing from the list.",
        "The shop stops selling tickets at six.", "You can use the same method for other lists.", "This is the complete list.",
        "Software, including but not limited to all of these entries.",
    ],
)  # fmt: skip
def test_last_sentences_about_lists_and_rests_do_not(ending: str) -> None:
    assert gave_up(reply(f"1. Alabama\n2. Alaska\n\n{ending}", "List every entry of the register.")) is None


@pytest.mark.parametrize(
    ("asked", "given", "shows"),
    [
        ("List all 50 states.", 20, True),
        ("List all 50 states.", 25, False),
        ("Name fifty rivers.", 9, True),
        ("Give me 20 reasons.", 2, False),
        ("Write 500 words on rivers.", 9, False),
        ("List 10-year plans.", 3, False),
        ("Name the ten longest of the 50 rivers.", 10, False),
    ],
)
def test_far_fewer_entries_than_asked_for_are_a_give_up(asked: str, given: int, shows: bool) -> None:
    text = "\n".join(f"{number}. The name of one of them, as it is written." for number in range(1, given + 1))
    assert bool(gave_up(reply(text, asked))) is shows


def test_a_line_for_an_essay_is_a_give_up() -> None:
    sign = gave_up(reply("Fish swim.", "Write an essay of 1500 words about fish."))
    assert sign
    assert sign.reason == "2 words where 1500 were asked for"


@pytest.mark.parametrize(
    "text",
    [
        "I don't know.", "I'm not sure who that is.", "I have no idea.", "Sorry, I do not know that.", "The text does not say.",
        "The text doesn't say where she lives.", "The passage does not mention it.", "It does not say.", "That is not stated.",
        "The context does not provide enough information.",
        "No one knows.", "Unfortunately, the article does not specify when.",
    ],
)  # fmt: skip
def test_not_knowing_shows(text: str) -> None:
    assert says_unknown(reply(text))


@pytest.mark.parametrize(
    "text",
    [
        "I know it: Paris.", "You don't know until you try.", "I don't have a dog.", "The text does not mention rain, so the match took place.",
        "The text does not say that he left; it says that he stayed.", "It does not matter: Paris.", "This is not said lightly.",
        "The information does not include tax: 40 euros.", "It does not give up easily.",
    ],
)  # fmt: skip
def test_knowing_does_not(text: str) -> None:
    assert says_unknown(reply(text)) is None
