"""Shortcuts of detectors and graders change no result: each is held against the slow way that it saves."""

import ast
import random
import re
import warnings
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hydrometer.behaviours import corruption, eos, giving_up, language, leaving_off, loops, refusal, segments
from hydrometer.graders import asides, confidence, honesty, mathematics, numbers
from hydrometer.graders import text as texts
from hydrometer.letters import contains_any, lowered
from hydrometer.tasks.math_problems import PROBLEMS

FEW = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
GATES = {
    "stops": (giving_up._STOPS, giving_up._LEFT),
    "forbidden": (refusal._FORBIDDEN, refusal._RULES),
    "free": (language._FREE, language._ABOUT),
    "roles": (eos._ROLE, eos._SPEAKERS),
    "players": (eos._BARE, eos._PLAYERS),
    "stated": (confidence._STATED, confidence._SIGNS),
    "gaps": (honesty._UNKNOWN, honesty._GAPS),
    "answers": (numbers._MARKER, ("answer", "result")),
    "elided": (giving_up._ELIDED, giving_up._ELISIONS),
    "elision marks": (giving_up._ELIDED, giving_up._MARKS),
    "examples": (eos._EXAMPLE, eos._ASKS),
    **{f"cue {number}": found for number, found in enumerate(leaving_off._NEEDED.items())},
}
NAMED = ("St.", "Ives", "3", ":", "30", "Anna", "a", ",", " ", "b", "\n", "İz", ". ", "answer is ", " but ", "\u2028", "x")
PIECES = ("```", "~~~", "````", "\n", " ", "> ", "\t", "python", "x", "`", "~", "\r", "\u2028")
NUMBERED = ("-", "−", "3", "12.5", "1. ", "2) ", "\n", " ", "**", "x", "$", "_", ")", "\\$", "th", "\u2028", "é")


@pytest.mark.parametrize("name", GATES)
def test_what_an_expression_finds_holds_one_of_the_words_looked_for_first(name: str) -> None:
    pattern, words = GATES[name]

    @settings(FEW, max_examples=1000 if len(words) > 20 else 60 if name.startswith("cue") else 150)
    @given(st.from_regex(pattern, alphabet=st.characters(max_codepoint=0x2100)))
    def check(text: str) -> None:
        # Expressions for lower case are searched in lower case only.
        found = pattern.search(text)
        low = found[0] if name in {"roles", "players", "examples"} else lowered(found[0]) if found else ""
        assert not found or contains_any(low, words), found[0]

    check()


@FEW
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_fence_lines_are_those_of_a_search_over_the_whole_text(text: str) -> None:
    quick = [(line.start(), line.end(), line[0]) for line in segments._fence_lines(text)]
    assert quick == [(line.start(), line.end(), line[0]) for line in segments._FENCE.finditer(text)]


@FEW
@given(st.integers(0, 10**6), st.booleans())
def test_a_stall_is_what_counting_every_run_says(seed: int, cut: bool) -> None:
    rng = random.Random(seed)
    words = [f"w{rng.randrange(300)}" for _ in range(rng.randrange(140, 500))]
    block = words[: rng.randrange(5, 200)]
    # Between no repetition and nothing else, so that both sides of each limit come up.
    tail = [word if rng.random() > rng.choice((0.0, 0.02, 0.1)) else "new" for word in block * 6]
    words += tail[: rng.randrange(0, 400)]
    for length, all_ends in loops._STALLS[cut].items():
        ends = tuple((span, most) for span, most in all_ends if len(words) >= span + 60)
        runs = list(zip(*(words[place:] for place in range(length)), strict=False))
        seen, again = set[tuple[str, ...]](), list[bool]()
        for run in runs:
            again.append(run in seen)
            seen.add(run)
        if ends:
            slow = any(sum(again[-span:]) >= most * span for span, most in ends)
            assert loops._stands_still(words, length, ends) == slow


@FEW
@given(st.lists(st.sampled_from(NUMBERED), max_size=60).map("".join))
def test_numbers_from_the_end_are_all_numbers(text: str) -> None:
    found = numbers.find_numbers(text)
    assert found == [numbers._value(match) for match in numbers._NUMBER.finditer(numbers._without_noise(numbers._ENUMERATOR.sub("", text)))]
    assert list(numbers.numbers_from_end(text)) == found[::-1]


@FEW
@given(st.lists(st.sampled_from(NAMED), max_size=30).map("".join))
def test_clauses_name_no_option_whose_words_the_text_lacks(text: str) -> None:
    for option in ("St. Ives", "3:30", "Anna", "a, b", "İz"):
        low = lowered(text)
        if not all(word in low for word in lowered(option).split()):
            assert not texts._mentions(" ".join(asides._CLAUSE.split(text)), [option])
            assert texts.pick_option(text, [option]) is None


def test_an_option_with_other_blanks_is_found_in_the_clauses() -> None:
    assert asides.pick_main("It is St.  Ives.", ["St. Ives", "Rome"], re.compile("first")) == "St. Ives"


@pytest.mark.parametrize("body", ["x = 1\n", "def f(:\n", "return 1\n", "nonlocal a\n", "x = '\\d'\n", "a\0b", "\ud800", "(" * 90])
def test_code_is_broken_where_the_parser_of_trees_says_so(body: str) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(body)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as fault:
        broken = isinstance(fault, SyntaxError) and corruption._depth(body) <= 60
    else:
        broken = False
    assert bool(corruption._does_not_parse(body)) == broken


@FEW
@given(st.lists(st.sampled_from(NUMBERED), max_size=60).map("".join), st.integers(0, 30))
def test_the_last_number_of_the_end_is_that_of_the_whole(end: str, blank: int) -> None:
    reply = "so 7\n" * 150 + "word \n" * blank + "word" * 20 + end
    whole = numbers._last_number(reply, whole=True)
    assert numbers.final_number(reply) == (numbers._value(whole) if whole else None)


def test_fractions_are_compared_as_math_verify_does() -> None:
    judge = pytest.importorskip("math_verify")
    rng = random.Random(4)
    for problems in PROBLEMS.values():
        for problem in problems:
            wanted = problem(rng)[1]
            exact = mathematics._EXACT.fullmatch(wanted)
            value = mathematics._fraction(exact) if exact else Fraction(rng.randint(-9, 9), 3)
            same, other = f"{3 * value.numerator}/{3 * value.denominator}", f"{value.numerator + 1}/{value.denominator}"
            for found in (same, other, str(rng.randint(-9, 9))):
                if exact is None and not mathematics._NO_NUMBER.fullmatch(wanted):
                    continue
                gold, said = mathematics._parsed(wanted), mathematics._parsed(found)
                slow = judge.verify(gold, said, timeout_seconds=None, allow_set_relation_comp=True)
                assert mathematics._equal(found, wanted) == slow, (found, wanted)


def test_what_no_fraction_equals_is_told_without_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mathematics, "_parsed", lambda text: pytest.fail(f"parsed {text}"))
    for wanted in (r"4\sqrt{10}", r"\{-8, 9\}", r"(-\infty, \frac{3}{5})", r"(-\infty, -1) \cup (4, \infty)"):
        assert not mathematics._equal("-8", wanted)
    assert mathematics._equal("6/8", r"\frac{3}{4}")
    assert not mathematics._equal(r"-\frac{3}{4}", r"\frac{3}{4}")
