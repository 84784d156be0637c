"""Which words of two replies the other does not have, so that a reader sees at once where they part.

Only how texts look depends on it, never a number. Replies that are too long or too different are left unmarked: marks
on every word show nothing, and a page must not take minutes to write.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from difflib import SequenceMatcher

from hydrometer.report.view import Piece

MATCHES = 20_000
"""Most pairs of equal words that are looked through; two replies of 600 different words have some 4,000."""

_ALIKE = 0.2
"""Share of common words below which nothing is marked."""

# Each with the space behind it, so that every character of a text is in one of them.
_WORDS = re.compile(r"^\s+|(?:\w+|[^\w\s])\s*")


def word_diff(base: str, student: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]] | None:
    """Split two texts into pieces that they share and pieces of their own.

    Args:
        base: The one text.
        student: The other.

    Returns:
        The pieces of each, which joined are the text again; None where marks would not help: equal texts, texts with
        next to nothing in common, texts too long to compare.
    """
    if base == student:
        return None
    first, second = _WORDS.findall(base), _WORDS.findall(student)
    left, right = [word.rstrip() for word in first], [word.rstrip() for word in second]
    counts, others = Counter(left), Counter(right)
    if sum(count * others[word] for word, count in counts.items()) > MATCHES:
        return None
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    common = sum(block.size for block in matcher.get_matching_blocks())
    if common < _ALIKE * max(len(first), len(second)):
        return None
    steps = [(tag == "equal", i, j, k, m) for tag, i, j, k, m in matcher.get_opcodes()]
    return (
        _pieces((same, first[i:j]) for same, i, j, _, _ in steps),
        _pieces((same, second[k:m]) for same, _, _, k, m in steps),
    )


def _pieces(runs: Iterable[tuple[bool, list[str]]]) -> tuple[Piece, ...]:
    pieces = []
    for same, words in runs:
        text = "".join(words)
        # The space behind a word is not the word's: a mark ends with the word.
        mark = "" if same else text.rstrip()
        pieces += [Piece(text=mark, own=True), Piece(text=text[len(mark) :], own=False)]
    return tuple(piece for piece in pieces if piece.text)
