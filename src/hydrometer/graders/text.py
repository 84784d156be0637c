"""Compare texts: normalised and exact equality, answers inside sentences, the option that a reply settles on."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from hydrometer.letters import lowered
from hydrometer.outcomes import Grade

VERSION = 1

_QUOTES = {"“": '"', "”": '"', "‘": "'", "’": "'", "`": "'"}
_PAIRS = (('"', '"'), ("'", "'"), ("“", "”"), ("‘", "’"), ("`", "`"), ("**", "**"))
_MARKER = re.compile(r"answer(?<!\wanswer)\b[*_\s]*(?:is\b|[:=])[*_:\s]*")
"""For texts in lower case. What must stand before the word comes behind it, so that a search skips to the word."""
_MARKERS, _LOOK = 20, 4000
"""Last markers that are looked behind, and how far: a reply that repeats itself for ever must not take as long."""

_YES_NO = re.compile(r"[\s\"'“*_(]{0,9}(yes|no)\b", re.IGNORECASE)
_YES_NO_WORD = re.compile(r"\b(yes|no)\b(?!\s+(?:one|more|longer|matter|problem|doubt)\b)", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")


def normalise(text: str) -> str:
    """Return a text without case, punctuation, Markdown marks and repeated blanks."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.sub(r"[^\w\s]|_", " ", plain).split())


def unwrap(text: str) -> str:
    """Return a text without the blanks and the one pair of quotes or emphasis marks around all of it."""
    plain = text.strip()
    for left, right in _PAIRS:
        inner = plain[len(left) : -len(right)]
        if inner and plain.startswith(left) and plain.endswith(right) and left not in inner:
            return inner.strip()
    return plain


def same_text(reply: str, wanted: str) -> bool:
    """Whether a reply is exactly a text; blanks and quotes around it, and curly quotes, make no difference."""
    plain = unwrap(reply)
    return len(plain) == len(wanted) and _plain_quotes(plain) == _plain_quotes(wanted)


def strip_echo(reply: str, prompt: str) -> str:
    """Return what a reply says behind a repeated prompt; all of it if it does not repeat the prompt."""
    _, found, rest = reply.rpartition(prompt.strip())
    return rest.strip() if found else reply.strip()


def yes_or_no(reply: str) -> str | None:
    """Return `yes` or `no`: the one that a reply begins with or marks as its answer, else the last one in it."""
    for match in list(_MARKER.finditer(lowered(reply)))[: -_MARKERS - 1 : -1]:
        if said := _YES_NO.match(reply, match.end()):
            return said[1].lower()
    # "Yes, there is no charge" says yes: the first word is the answer, whatever words follow.
    begun = _YES_NO.match(reply)
    if begun:
        return begun[1].lower()
    found = _YES_NO_WORD.findall(reply)
    return found[-1].lower() if found else None


def stated(reply: str) -> str:
    """Return what stands behind the last "answer is" or "Answer:", `""` where nothing does."""
    last = None
    for last in _MARKER.finditer(lowered(reply)):  # noqa: B007 - the last one counts
        pass
    behind = reply[last.end() :] if last else ""
    return behind if re.search(r"\w", behind) else ""


def find_last(reply: str, pattern: re.Pattern[str]) -> str:
    """Return the match behind the last "answer is" or "Answer:", else the last one of all, `""` without any."""
    marks = list(_MARKER.finditer(lowered(reply)))
    behind = pattern.search(reply, marks[-1].end()) if marks else None
    if behind:
        return behind[0]
    found = [match[0] for match in pattern.finditer(reply)]
    return found[-1] if found else ""


def pick_option(reply: str, options: Sequence[str], cue: str = "") -> str | None:
    """Return the option that a reply settles on, None if it names none.

    The option behind the last "answer is" or "Answer:"; the only one named; the first line if it is nothing
    else; with a cue, the one of which the last sentence with the cue says it; else the last one named.

    Args:
        reply: The reply.
        options: All answers that the question allows, matched as whole words without case.
        cue: The asked-for word, such as `tallest`: "Anna is the tallest, because she is taller than Ben".
    """
    low = lowered(reply)
    if not any(lowered(option) in low for option in options):
        return None
    for match in list(_MARKER.finditer(low))[: -_MARKERS - 1 : -1]:
        named = _mentions(reply[match.end() : match.end() + _LOOK], options)
        if named:
            return named[0][1]
    named = _mentions(reply, options)
    if len({option for _, option in named}) <= 1:
        return named[0][1] if named else None
    first = normalise(reply.strip().partition("\n")[0])
    alone = [option for option in options if normalise(option) == first]
    if alone:
        return alone[0]
    beside = _beside(reply[-_LOOK:], options, cue) if cue else None
    return beside or named[-1][1]


def grade_option(
    reply: str, right: str, options: Sequence[str], *, cue: str = "", passing: Sequence[str] = ()
) -> Grade:
    """Grade a reply by the option it settles on; unparsed if it names none.

    Args:
        reply: The reply.
        right: The right option.
        options: All options, the right one among them.
        cue: The asked-for word, see `pick_option`.
        passing: Wrong answers that right ones name in passing ("the day after Monday is ..."); they count only
            where no option is named.
    """
    found = pick_option(reply, options, cue) or pick_option(reply, passing)
    if found is None:
        return Grade.unparsed("none of the possible answers in the reply")
    return Grade.right(found) if found == right else Grade.wrong(found, f"expected {right}")


def _beside(reply: str, options: Sequence[str], cue: str) -> str | None:
    """Option of which the last sentence with the cue says it: "A is the tallest", "tallest is A", else nearest."""
    word, name = rf"\b{re.escape(cue)}\b", "(?<!\\w)(" + "|".join(map(re.escape, options)) + ")(?!\\w)"
    before = rf"{name}\W+(?:is|was|has|must be)\b(?:\W+\w+){{0,2}}?\W+{word}"
    behind = rf"{word}[^.!?\n]*?\bis\W+{name}"
    for sentence in reversed(_SENTENCE.split(reply)):
        said = re.search(before, sentence, re.IGNORECASE) or re.search(behind, sentence, re.IGNORECASE)
        if said:
            return next(option for option in options if option.casefold() == said[1].casefold())
        cues = [match.start() for match in re.finditer(word, sentence, re.IGNORECASE)]
        named = _mentions(sentence, options)
        if cues and named:
            return min(named, key=lambda found: abs(found[0] - cues[-1]))[1]
    # Without the cue, "Anna is taller than Ben" speaks of Anna: the subject of the last sentence that names one.
    sentences = (_mentions(sentence, options) for sentence in reversed(_SENTENCE.split(reply)))
    return next((named[0][1] for named in sentences if named), None)


def _mentions(text: str, options: Sequence[str]) -> list[tuple[int, str]]:
    # Most options do not occur: that is seen faster without an expression.
    low = lowered(text)
    found = [
        (match.start(), option)
        for option in options
        if (plain := lowered(option)) in low
        for match in re.finditer(_named_alone(plain), low)
    ]
    return sorted(found)


@lru_cache(maxsize=1024)
def _named_alone(option: str) -> re.Pattern[str]:
    word = re.escape(option)
    return re.compile(rf"{word}(?<!\w{word})(?<!\bnot {word})(?!\w)")


def _plain_quotes(text: str) -> str:
    return "".join(_QUOTES.get(char, char) for char in text)
