r"""Find the number that a reply gives as its answer, wherever a careful reader would find it.

In this order: the last `\boxed{}`; the number behind the last "answer is" or "Answer:"; a number in words when
it is the whole reply; else the last number. Enumerators ("2. Add them") and ordinals ("2nd") are no answers.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice

from hydrometer.letters import contains_any, lowered
from hydrometer.outcomes import Grade

VERSION = 1

_NUMBER = re.compile(
    r"(?<![\w.])"  # not inside a word or a decimal
    r"(?P<sign>[-−](?=[$€£]?\d|\.\d))?[$€£]?(?P<sign2>-(?=\d))?"
    r"(?P<digits>\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
    r"(?!\d|st\b|nd\b|rd\b|th\b)"
)
_DIGIT = re.compile(r"\d")
_BOXED = re.compile(r"\\boxed\{([^{}]*)\}")
_MARKER = re.compile(
    r"(?:answer(?<!\wanswer)|result(?<!\wresult))\b[*_\s]*(?:(?:is|was|equals|[:=])[*_:=\s]*|(?=[$€£]?[-−]?\d))"
)
"""What must stand before the words comes behind them, so that a search skips to their first letters."""
_ENUMERATOR = re.compile(r"^[ \t]*\d{1,2}[.)][ \t]+(?=\S)", re.MULTILINE)
_MINUS = re.compile(r"[-−](?=[$€£]?\d)")
_SUM = re.compile(r"[\d.,]+\s*(?:[-−+*/x×÷=]|plus|minus|times|divided by)\s*[$€£]?[-−]?\d")
_MARKERS, _LOOK = 20, 2000
"""Last markers that are looked behind, and how far: a reply that repeats "Answer:" for ever must not take as long."""

_END = 400
"""How far from the end of a reply its last number is looked for first."""

_UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORDS = {word: i for i, word in enumerate(_UNITS)} | {word: 10 * i for i, word in enumerate(_TENS, start=2)}


def find_numbers(text: str) -> list[Decimal]:
    """Return all numbers of a text in their order, thousands separators and currency signs removed."""
    return _numbers(_ENUMERATOR.sub("", text))


def numbers_from_end(text: str) -> Iterator[Decimal]:
    """Yield the numbers that `find_numbers` finds, the last one first, each read when it is asked for."""
    for line in reversed(_without_noise(_ENUMERATOR.sub("", text)).splitlines()):
        if _DIGIT.search(line):
            yield from map(_value, reversed(list(_NUMBER.finditer(line))))


def final_number(reply: str) -> Decimal | None:
    """Return the number that a reply gives as its answer, None if it holds none."""
    if "\\boxed{" in reply:
        boxed = [found for content in _BOXED.findall(reply) for found in find_numbers(content)[-1:]]
        if boxed:
            return boxed[-1]
    low = lowered(reply)
    marks = list(_MARKER.finditer(low)) if contains_any(low, ("answer", "result")) else []
    for match in marks[: -_MARKERS - 1 : -1]:
        found = _behind_marker(reply[match.end() : match.end() + _LOOK])
        if found is not None:
            return found
    if not _DIGIT.search(reply):
        return _in_words(reply)
    # Mostly the last number stands in the last lines.
    at = reply.find("\n", len(reply) - _END) if len(reply) > 2 * _END else -1
    short = reply[at + 1 :] if at >= 0 else ""
    last = _last_number(short, whole=False) or _last_number(reply, whole=True)
    return _value(last) if last else _in_words(reply)


def grade_number(reply: str, wanted: int | Decimal) -> Grade:
    """Grade a reply by its final number; a reply without any number is unparsed."""
    found = final_number(reply)
    if found is None:
        return Grade.unparsed("no number in the reply")
    shown = f"{found.normalize():f}"
    return Grade.right(shown) if found == wanted else Grade.wrong(shown, f"expected {wanted}")


def _last_number(text: str, *, whole: bool) -> re.Match[str] | None:
    """Last number of a text. In a part of a reply, only if a line before it tells what a minus in front of it is."""
    lines = _without_noise(_ENUMERATOR.sub("", text)).splitlines()
    # No number goes over two lines, so it is looked for from the end.
    for number in range(len(lines) - 1, -1, -1):
        # The last of what may be half a million.
        found = deque(_NUMBER.finditer(lines[number]) if _DIGIT.search(lines[number]) else (), maxlen=1)
        if found:
            return found[0] if whole or any(map(str.strip, lines[:number])) else None
    return None


def _behind_marker(tail: str) -> Decimal | None:
    """First number of the first line that has one; the last one where that number begins a calculation."""
    for line in tail.splitlines():
        numbers = _numbers(line)  # "The answer is 12. She ..." begins like an enumerator and is none
        if numbers:
            calculates = _SUM.match(line, re.search(r"\d", line).start())  # type: ignore[union-attr]
            return numbers[-1] if calculates else numbers[0]
        if line.strip():
            return _in_words(line)
    return None


def _numbers(text: str) -> list[Decimal]:
    # No number goes over two lines, and looking for a digit is several times faster than looking for a number.
    lines = _without_noise(text).splitlines() if _DIGIT.search(text) else []
    return [_value(match) for line in lines if _DIGIT.search(line) for match in _NUMBER.finditer(line)]


def _without_noise(text: str) -> str:
    # "20-5" and "20 -5" are subtractions: a minus behind a number or a bracket is no sign.
    plain = text.replace("\\$", "$").replace("**", "")
    return _MINUS.sub(_spaced, plain) if "-" in plain or "−" in plain else plain


def _spaced(minus: re.Match[str]) -> str:
    """Take a minus from its number where something stands before it that it can be subtracted from."""
    text, at = minus.string, minus.start() - 1
    while at >= 0 and text[at].isspace():
        at -= 1
    return "- " if at >= 0 and (text[at].isalnum() or text[at] in "_)") else minus[0]


def _value(match: re.Match[str]) -> Decimal:
    number = Decimal(match["digits"].replace(",", ""))
    return -number if match["sign"] or match["sign2"] else number


def _in_words(text: str) -> Decimal | None:
    words = [word[0] for word in islice(re.finditer(r"[a-z]+", text.lower()), 5)]
    total, seen = 0, False
    for word in words:
        if word in _WORDS:
            total, seen = total + _WORDS[word], True
        elif word == "hundred" and seen:
            total *= 100
        elif not (seen and word == "and"):
            break
    return Decimal(total) if seen else None
