"""Circles found, legitimate repetition left alone."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hydrometer.behaviours.base import Observed
from hydrometer.behaviours.loops import as_units, detect, tail_cycles
from hydrometer.outcomes import Finish


def cut(text: str, asked: str = "Tell me about rivers.", **more: object) -> Observed:
    return Observed(text=text, answer=text, asked=asked, finish=Finish.LENGTH, **more)  # type: ignore[arg-type]


def words(seed: int, number: int) -> list[str]:
    chance = random.Random(seed)
    return ["".join(chance.choices("abcdefghij", k=chance.randint(2, 8))) for _ in range(number)]


def plain_cycle(units: str) -> tuple[int, int] | None:
    """Smallest period that the end runs through three times, found by trying all."""
    for period in range(1, len(units) // 3 + 1):
        if units[-2 * period :] == units[-3 * period : -period]:
            length = 2 * period
            while length < len(units) and units[-length - 1] == units[-length - 1 + period]:
                length += 1
            return period, length
    return None


@settings(max_examples=300, deadline=None)
@given(st.text("ab", max_size=30), st.text("abc", min_size=1, max_size=12), st.integers(3, 9))
def test_cycles_are_those_of_the_plain_search(head: str, cycle: str, times: int) -> None:
    units = head + cycle * times
    found = {(one.period, one.length) for one in tail_cycles(units)}
    expected = plain_cycle(units)
    assert expected is not None
    # A cycle within the cycle may be named by itself; the outer one must be among them, or a multiple's divisor.
    if len(units) > 8 and expected[1] >= 24:
        assert any(period % expected[0] == 0 and length >= expected[1] for period, length in found)


@pytest.mark.parametrize("period", [1, 2, 7, 31, 100, 463])
def test_every_period_is_named(period: int) -> None:
    chance = random.Random(period)
    cycle = "".join(chance.choices("abcdefghijklmnop", k=period))
    found = [one.period for one in tail_cycles("start " + cycle * 12)]
    assert period in found or any(period % one == 0 for one in found)


@pytest.mark.parametrize(
    "text",
    [
        "Rivers are long. " + "Wait, let me check that again. " * 20,
        "It is " + "very " * 80,
        "a" * 1000,
        " ".join(words(1, 200)) + "\n\n" + (" ".join(words(2, 90)) + "\n\n") * 4,
        "\n".join(
            f"Attempt {i}: I shall look at the left side of this once more, and then at the right."
            for i in range(20)
        ),
        "\n".join(f"{i}. Honey bees are a key pollinator of many plants." for i in range(12)),
    ],
)
def test_circles_show(text: str) -> None:
    assert detect(cut(text))


@pytest.mark.parametrize(
    "entry",
    [
        "{}. What is a windmill?\n",
        "{}) What is a windmill? ",
        "**{}. What is it?**\nA mill.\n\n",
        "Step {}: Look again.\n",
        "**{}**\n",
        "\n   * **{}.**\n",
        "{}. mills: {}. mills\n",
    ],
)
def test_the_same_entry_under_rising_numbers_shows(entry: str) -> None:
    text = "Mills grind corn.\n" + "".join(entry.format(i, i) for i in range(1, 60))
    sign = detect(cut(text[:-3]))
    assert sign
    assert "rising numbers" in sign.reason
    # Lists that are short, or bare and closed by the model itself, are its own affair.
    assert detect(cut("".join(entry.format(i, i) for i in range(1, 6)))) is None


@pytest.mark.parametrize(
    ("entry", "times", "asked", "finish"),
    [
        ("{}. yes\n", 40, "Answer these 40 with yes or no.", Finish.LENGTH),
        ("{}. yes\n", 40, "Answer them.", Finish.STOP),
        ("{}. Not stated in the text.\n", 20, "What is\n" * 20, Finish.LENGTH),
        ("{}. Not stated in the text.\n", 12, "Answer them.", Finish.STOP),
        ("{}. I must not talk in class.\n", 100, "Write it 100 times, numbered.", Finish.STOP),
        ("{}.\n", 90, "Make an empty sheet with numbered rows.", Finish.LENGTH),
        ("{}\n", 90, "Count.", Finish.LENGTH),
        ("| {}. | open to all |\n", 25, "Make a table.", Finish.LENGTH),
        ("10:00:{} INFO heartbeat is fine\n", 12, "Show a log.", Finish.STOP),
        ("x{} = load(here, now)\n", 12, "Write code.", Finish.STOP),
        ('{{"id": {}, "state": "open to all"}},\n', 12, "Give me JSON.", Finish.LENGTH),
        ("{}. The {} is the part number that is on it.\n", 5, "List parts.", Finish.LENGTH),
    ],
)
def test_numbered_entries_that_belong_there_do_not(entry: str, times: int, asked: str, finish: Finish) -> None:
    text = "".join(entry.format(i, i) for i in range(10, 10 + times))
    assert detect(Observed(text=text, answer=text.strip(), asked=asked, finish=finish)) is None


def test_other_numbers_are_what_a_list_says() -> None:
    assert detect(cut("".join(f"{i}. It costs {i * i} crowns today\n" for i in range(1, 9)))) is None
    assert detect(cut("".join(f"10:00:{i}. It is all fine here\n" for i in range(10, 19)))) is None


def test_a_verse_that_never_stops_is_no_refrain() -> None:
    verse = "The next day I saw a mushroom.\n\n"
    song = "Sing me a song with a refrain."
    assert detect(cut(verse * 20, song))
    assert detect(cut(verse * 7, song)) is None
    assert detect(cut(verse * 20, song + " Repeat it as you like.")) is None


def test_a_late_short_circle_shows() -> None:
    ending = "I've played in the best of games, and I've been lucky to have played in the best of games. "
    assert detect(cut(" ".join(words(5, 250)) + ". " + ending * 2 + ending.replace("best", "finest") + ending * 2))


def test_a_handful_of_words_in_ever_new_order_shows() -> None:
    chance = random.Random(6)
    few = ("think in a new way", "think of the game", "think that they are", "play in a new way", "see that they are")
    assert detect(cut(" ".join(words(5, 200)) + ". It lets us " + ", and ".join(chance.choices(few, k=24))))


def test_columns_of_numbers_are_no_stall() -> None:
    chance = random.Random(7)
    rows = (" ".join(f"{number}.0e+00" for number in chance.choices((0, 1), k=9)) for _ in range(300))
    assert detect(cut("\n".join(rows))) is None


def test_a_circle_in_thinking_shows_behind_a_good_answer() -> None:
    thinking = "We add. " + "Let me look at the second condition once more. " * 12
    reply = Observed(text=f"<think>{thinking}</think>7", thinking=thinking, answer="7", think_state="closed")
    assert detect(reply)


def test_a_paragraph_with_one_word_changed_each_time_is_a_stall() -> None:
    paragraph = words(3, 70)
    parts = []
    for number in range(8):
        copy = list(paragraph)
        copy[number * 7] = f"other{number}"
        parts.append(" ".join(copy))
    assert detect(cut("\n\n".join(parts)))


def test_tokens_name_the_period() -> None:
    ids = (5, 6, 9, *(101, 102, 103, 104) * 40)
    sign = detect(cut("start " + "one two three four " * 40, token_ids=ids))
    assert sign
    assert "every 4 tokens" in sign.reason


def test_large_token_ids_are_units() -> None:
    assert len(as_units((0xD800, 0x10FFFF, 3))) == 3


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("I must not talk.\n" * 100, "Write I must not talk 100 times."),
        ("| a | 0 | 0 |\n" * 30, "Make a table."),
        ("```python\nm = [\n" + "    [0, 0, 0, 0, 0],\n" * 20 + "]\n```", "Give me a matrix."),
        (", ".join(map(str, range(400))), "Count."),
        ("-" * 80, "Draw a line."),
        (
            "Row, row, row your boat,\ngently down the stream.\nMerrily, merrily, merrily, merrily,\nlife is but a dream.\n"
            * 2,
            "Sing.",
        ),
        ("\n".join(f"7 x {i} = {7 * i}" for i in range(200)), "Show products of 7."),
        (" ".join(words(4, 3000)), "Write at length."),
        ("Yes. " * 12, "Say something."),
    ],
)
def test_repetition_that_belongs_there_does_not(text: str, asked: str) -> None:
    assert detect(Observed(text=text, answer=text.strip(), asked=asked)) is None


def test_twice_as_often_as_asked_is_a_circle() -> None:
    assert detect(cut("I must not talk.\n" * 60, "Write I must not talk 20 times."))


def test_a_missing_end_token_is_told_apart() -> None:
    text = (
        "It is 4." + "\n<|im_start|>user\nAnd now?<|im_end|>\n<|im_start|>assistant\nIt is 4.<|im_end|>" * 30
    )
    assert detect(cut(text)) is None
