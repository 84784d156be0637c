"""Parts of a reply that detectors look at: the answer, prose without code, fenced blocks, ends of long text.

Everything here is linear in the length of the text, whatever the text is: no expression can backtrack over more than
a bounded stretch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from hydrometer.behaviours.base import Observed

QUOTE = 80
"""Characters of a quotation in a sign."""

_FENCE = re.compile(r"^[ \t>]{0,12}(`{3,}|~{3,})([^\n`]*)$", re.MULTILINE)
_INLINE = re.compile(r"`[^`\n]{1,300}`")


class Fence(NamedTuple):
    """One fenced block.

    Attributes:
        label: What stands behind the opening marks, in lower case.
        body: Text inside.
        start: Where the opening line starts.
        end: Where the closing line ends; the end of the text while it is open.
        closed: Whether it was closed.
    """

    label: str
    body: str
    start: int
    end: int
    closed: bool


def visible(observed: Observed) -> str:
    """Return what a reader takes as the answer: text outside of thinking, or the whole reply without a block."""
    if observed.answer or observed.thinking or observed.think_state != "none":
        return observed.answer
    return observed.text


def both(observed: Observed) -> tuple[str, ...]:
    """Return thinking and answer where there are any: a reply can go wrong at the end of either."""
    return tuple(part for part in (observed.thinking, visible(observed)) if part)


@lru_cache(maxsize=4)
def fences(text: str) -> tuple[Fence, ...]:
    """Return the fenced blocks of a text, the last one perhaps open."""
    if "```" not in text and "~~~" not in text:
        return ()
    found: list[Fence] = []
    opening: re.Match[str] | None = None
    for line in _fence_lines(text):
        if opening is None:
            opening = line
        elif _closes(opening, line):
            body = text[opening.end() + 1 : line.start()]
            found.append(Fence(_label(opening), body, opening.start(), line.end(), closed=True))
            opening = None
    if opening is not None:
        body = text[opening.end() + 1 :]
        found.append(Fence(_label(opening), body, opening.start(), len(text), closed=False))
    return tuple(found)


@lru_cache(maxsize=4)
def prose(text: str) -> str:
    """Return the text with fenced blocks left out."""
    blocks = fences(text)
    if not blocks:
        return text
    parts, at = [], 0
    for block in blocks:
        parts.append(text[at : block.start])
        at = block.end
    return "\n".join([*parts, text[at:]])


def without_inline(text: str) -> str:
    """Return prose with words in backticks left out: who writes about a tag does not use it."""
    return _INLINE.sub(" ", text) if "`" in text else text


def shortened(text: str) -> str:
    """Return a quotation that fits on one line."""
    line = " ".join(text[: QUOTE * 4].split())
    return line if len(line) <= QUOTE else line[: QUOTE - 1] + "…"


def _fence_lines(text: str) -> Iterator[re.Match[str]]:
    """Yield the lines that are marks of a fence; only lines with such marks are looked at."""
    at = 0
    marks = {mark: text.find(mark) for mark in ("```", "~~~")}
    while found := [place for place in marks.values() if place >= 0]:
        start = text.rfind("\n", at, min(found)) + 1 or at
        line = _FENCE.match(text, start)
        if line:
            yield line
        end = text.find("\n", min(found))
        if end < 0:
            return
        at = end + 1
        marks = {mark: text.find(mark, at) if 0 <= place < at else place for mark, place in marks.items()}


def _closes(opening: re.Match[str], line: re.Match[str]) -> bool:
    marks, first = line[1], opening[1]
    return marks[0] == first[0] and len(marks) >= len(first) and not line[2].strip()


def _label(opening: re.Match[str]) -> str:
    words = opening[2].split()
    return words[0].lower() if words else ""
