"""Letters of a text: lower case that keeps every place, and how many there are; fast, for all replies go through."""

from __future__ import annotations

import string
from functools import lru_cache

_ASCII = string.ascii_letters.encode()


@lru_cache(maxsize=8)
def lowered(text: str) -> str:
    """Return a text in lower case and of the same length, so that places in it are places in the text.

    Expressions run on it without IGNORECASE, which makes a search of many alternatives several times slower.
    """
    # Python makes two characters of this letter, and of no other.
    return text.lower() if text.isascii() else text.replace("\u0130", "i").lower()


def contains_any(text: str, words: tuple[str, ...]) -> bool:
    """Return whether any of some words stands in a text, as a whole word or not.

    Looking for words without which an expression cannot match is ten times faster than trying the expression.
    """
    return any(map(text.__contains__, words))


def letters(text: str) -> int:
    """Return how many characters of a text are letters."""
    if text.isascii():
        return len(text) - len(text.encode().translate(None, _ASCII))
    return sum(map(str.isalpha, text))
