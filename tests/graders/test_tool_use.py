"""What a reply does with tools, judged by what it had to do."""

import pytest

from hydrometer.graders.tool_use import grade_call, grade_direct, grade_question, grade_used
from hydrometer.templates.tool_calls import CallState, ToolReply, read_calls
from hydrometer.templates.tools import ToolCall, write_call

WANTED = ToolCall("book", {"day": "Friday", "people": 4, "who": {"name": "Ida"}, "guests": ["Ben", "Eva"], "out": True})
NOTHING = ToolReply(CallState.NONE)


def made(**changes: object) -> ToolReply:
    return ToolReply(CallState.VALID, (ToolCall("book", {**WANTED.arguments, **changes}),), "hermes")


@pytest.mark.parametrize(
    "changes", [{}, {"day": " friday "}, {"people": 4.0}, {"guests": ["Eva", "ben"]}, {"note": None}]
)
def test_equal_arguments_are_right(changes: dict[str, object]) -> None:
    assert grade_call(made(**changes), WANTED).value == 1.0


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"people": "4"}, "people is"),
        ({"people": 5}, "people is 5, expected 4"),
        ({"people": True}, "people is"),
        ({"day": "Fri"}, "day is"),
        ({"day": None}, "day is left out"),
        ({"out": "true"}, "out is"),
        ({"out": 1}, "out is"),
        ({"who": "Ida"}, "who is"),
        ({"who": {}}, "who is"),
        ({"who": {"name": "Ida", "city": "Rome"}}, "who is"),
        ({"guests": ["Ben"]}, "guests is"),
        ({"guests": ["Ben", "Ben"]}, "guests is"),
        ({"guests": "Ben, Eva"}, "guests is"),
        ({"note": "hi"}, "note was not asked for"),
    ],
)
def test_other_arguments_are_wrong(changes: dict[str, object], why: str) -> None:
    grade = grade_call(made(**changes), WANTED)
    assert grade.value == 0.0
    assert why in grade.reason


def test_calls_that_cannot_be_made_are_wrong_with_their_fault() -> None:
    assert grade_call(NOTHING, WANTED).reason == "no call"
    assert "never closed" in grade_call(read_calls(write_call(*WANTED)[:-4]), WANTED).reason
    assert "2 calls" in grade_call(read_calls(write_call(*WANTED) * 2), WANTED).reason
    assert "expected book" in grade_call(read_calls(write_call("look", WANTED.arguments)), WANTED).reason


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("For which day shall I book?", 1.0),
        ("Please tell me the date.", 1.0),
        ("I need to know the day first.", 1.0),
        ("For how many people?", 0.0),
        ("Done, see you on that day.", 0.0),
        ("I have booked it.", 0.0),
    ],
)
def test_a_question_must_be_for_what_is_missing(reply: str, value: float) -> None:
    assert grade_question(NOTHING, reply, ["day", "date"]).value == value


def test_a_guess_is_no_question() -> None:
    assert grade_question(made(), "Which day?", ["day"]).value == 0.0
    broken = ToolReply(CallState.BROKEN, (), "hermes", "no JSON")
    assert grade_question(broken, "Which day?", ["day"]).value == 0.0


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("It leaves from platform 17.", 1.0),
        ("Platform 17 (9 cars).", 1.0),
        ("17", 1.0),
        ("It leaves from platform 9.", 0.0),
        ("It leaves from platform 170.", 0.0),
        ("It leaves from one of 1, 2, 17, 4, 5.", 0.0),
        ("I do not know the platform.", 0.0),
    ],
)
def test_the_result_must_be_told(reply: str, value: float) -> None:
    assert grade_used(NOTHING, reply, 17).value == value


def test_fractions_are_compared_as_they_are_written() -> None:
    assert grade_used(NOTHING, "You get 1,083.40 GBP.", 1083.4).value == 1.0
    assert grade_used(NOTHING, "You get 1,083 GBP.", 1083.4).value == 0.0


@pytest.mark.parametrize(
    ("reply", "answer", "options", "value"),
    [
        ("11 plus 22 is 33.", "33", (), 1.0),
        ("It is 34.", "33", (), 0.0),
        ("I cannot say.", "33", (), 0.0),
        ("Friday comes after Thursday.", "Friday", ("Thursday", "Friday", "Sunday"), 1.0),
        ("Sunday", "Friday", ("Thursday", "Friday", "Sunday"), 0.0),
        ("Thursday, Friday, Sunday", "Friday", ("Thursday", "Friday", "Sunday"), 0.0),
    ],
)
def test_answers_without_a_tool(reply: str, answer: str, options: tuple[str, ...], value: float) -> None:
    assert grade_direct(NOTHING, reply, answer, options).value == value
    assert grade_direct(made(), reply, answer, options).value == 0.0
