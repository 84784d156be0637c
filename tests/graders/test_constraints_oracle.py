"""Our checks of instructions against those of lm-eval's IFEval, on the kinds that both have and mean alike.

What differs, and why lm-eval's are not used instead: design/0015.
"""

import sys
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hydrometer.graders.constraints import CHECKS

PIECES = ("rain", "Old", "BLUE", "the", "end", "Thank you", "12", ",", ".", " ", "\n", "é")
REPLIES = st.lists(st.sampled_from(PIECES), max_size=30).map(" ".join)
FEW = settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("lm_eval")
    nltk = pytest.importorskip("nltk")
    # As they are, the import loads data from the network, and needs a detector of languages that answers by chance.
    monkeypatch.setattr(nltk.data, "find", lambda *_: "")
    english = SimpleNamespace(detect=lambda _: "en", LangDetectException=ValueError)
    monkeypatch.setitem(sys.modules, "langdetect", english)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "immutabledict", SimpleNamespace(immutabledict=dict))  # type: ignore[arg-type]
    return import_module("lm_eval.tasks.ifeval.instructions")


@pytest.mark.parametrize(
    ("ours", "parameters", "name", "described"),
    [
        ("max_words", {"number": 5}, "NumberOfWords", {"num_words": 6, "relation": "less than"}),
        ("max_words", {"number": 12}, "NumberOfWords", {"num_words": 13, "relation": "less than"}),
        ("lacks_commas", {}, "CommaChecker", {}),
        ("ends_with", {"phrase": "Thank you"}, "EndChecker", {"end_phrase": "Thank you"}),
        ("includes", {"word": "old"}, "KeywordChecker", {"keywords": ["old"]}),
        ("lowercase", {}, "LowercaseLettersEnglishChecker", {}),
        ("uppercase", {}, "CapitalLettersEnglishChecker", {}),
    ],
)
def test_a_check_says_what_that_of_ifeval_says(
    theirs: ModuleType, ours: str, parameters: dict[str, Any], name: str, described: dict[str, Any]
) -> None:
    checker = getattr(theirs, name)("oracle")
    checker.build_description(**described)
    said = set[bool]()

    @FEW
    @given(REPLIES.map(str.strip))
    def check(reply: str) -> None:
        if ours == "ends_with":
            reply = reply.rstrip(".\n ")  # a full stop behind the phrase is fine with us
        for text in (reply, reply.lower(), reply.upper()):
            said.add(holds := CHECKS[ours](text, **parameters))
            assert holds == bool(checker.check_following(text)), text

    check()
    assert said == {True, False}


def test_where_they_differ_ours_says_what_was_asked(theirs: ModuleType) -> None:
    keyword, words, end = (getattr(theirs, name)("oracle") for name in ("KeywordChecker", "NumberOfWords", "EndChecker"))
    keyword.build_description(keywords=["old"])
    words.build_description(num_words=4, relation="less than")
    end.build_description(end_phrase="Thank you")
    assert keyword.check_following("bold bread")
    assert not CHECKS["includes"]("bold bread", word="old")
    assert not words.check_following("It's well-known today")
    assert CHECKS["max_words"]("It's well-known today", number=3)
    assert not end.check_following("Rain. Thank you!")
    assert CHECKS["ends_with"]("Rain. Thank you!", phrase="Thank you")
