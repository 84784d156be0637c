"""Compare texts: normalised equality, answers inside sentences, and which of several options a reply settles on."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

VERSION = 1

_QUOTES = {"“": '"', "”": '"', "‘": "'", "’": "'", "`": "'"}
_PAIRS = (('"', '"'), ("'", "'"), ("“", "”"), ("‘", "’"), ("`", "`"), ("**", "**"))
_MARKER = re.compile(r"\banswer\b[*_\s]*(?:is\b|[:=])[*_:\s]*", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")


def normalise(text: str) -> str:
    """Return a text without case, punctuation, Markdown marks and repeated blanks."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.sub(r"[^\w\s]|_", " ", plain).split())


def unwrap(text: str) -> str:
    """Return a text without surrounding blanks and without one pair of quotes or emphasis marks around all of it."""
    plain = text.strip()
    for left, right in _PAIRS:
        inner = plain[len(left) : -len(right)]
        if inner and plain.startswith(left) and plain.endswith(right) and left not in inner:
            return inner.strip()
    return plain


def same_text(reply: str, wanted: str) -> bool:
    """Whether a reply is exactly a text; blanks and quotes around it, and curly quotes, make no difference."""
    return _plain_quotes(unwrap(reply)) == _plain_quotes(wanted)


def contains_answer(reply: str, answer: str) -> bool:
    """Whether a reply holds an answer as whole words, case and punctuation aside."""
    return f" {normalise(answer)} " in f" {normalise(reply)} "


def strip_echo(reply: str, prompt: str) -> str:
    """Return what a reply says behind a repeated prompt; all of it if it does not repeat the prompt."""
    _, found, rest = reply.rpartition(prompt.strip())
    return rest.strip() if found else reply.strip()


def pick_option(reply: str, options: Sequence[str], cue: str = "") -> str | None:
    """Return the option that a reply settles on, None if it names none.

    The option behind the last "answer is" or "Answer:"; the only one named; the first line if it is nothing
    else; the one nearest to the last sentence's cue; else the last one named.

    Args:
        reply: The reply.
        options: All answers that the question allows, matched as whole words without case.
        cue: The asked-for word, such as `tallest`: "Anna is the tallest, because she is taller than Ben".
    """
    for match in reversed(list(_MARKER.finditer(reply))):
        named = _mentions(reply[match.end() :], options)
        if named:
            return named[0][1]
    named = _mentions(reply, options)
    if len({option for _, option in named}) <= 1:
        return named[0][1] if named else None
    first = normalise(reply.strip().partition("\n")[0])
    alone = [option for option in options if normalise(option) == first]
    if alone:
        return alone[0]
    return (_nearest(reply, options, cue) if cue else None) or named[-1][1]


def _nearest(reply: str, options: Sequence[str], cue: str) -> str | None:
    for sentence in reversed(_SENTENCE.split(reply)):
        places = [match.start() for match in re.finditer(rf"\b{re.escape(cue)}\b", sentence, re.IGNORECASE)]
        named = _mentions(sentence, options)
        if places and named:
            return min(named, key=lambda found: abs(found[0] - places[-1]))[1]
    return None


def _mentions(text: str, options: Sequence[str]) -> list[tuple[int, str]]:
    found = [
        (match.start(), option)
        for option in options
        for match in re.finditer(rf"(?<!\w){re.escape(option)}(?!\w)", text, re.IGNORECASE)
    ]
    return sorted(found)


def _plain_quotes(text: str) -> str:
    return "".join(_QUOTES.get(char, char) for char in text)
