"""Texts of a given size: sentences that matter among many that do not, and the sizes that long tasks have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from random import Random
from typing import NamedTuple

from hydrometer.tasks.common import load_table

PROSE, LOG = 4.5, 3.2
"""Characters per token that sizes are reckoned with. With SmolLM2's tokenizer prose has 4.85 here and a log 3.54:
a text, its question and a reply of 128 tokens fit a window of 2,048 (2k) to 32,768 (32k)."""


class Size(NamedTuple):
    """A tier by size, and its tokens."""

    tier: str
    tokens: int


SIZES = tuple(Size(f"{k}k tokens", 1000 * k) for k in (1, 2, 4, 8, 16, 32))


def size(index: int) -> Size:
    """Return the size of item `index`: each size comes half as often as the one before.

    So every tier costs as many tokens as any other, and a small suite stays affordable: 1k, 2k, 1k, 4k, 1k, 2k, 1k, 8k.
    """
    twos = ((index + 1) & -(index + 1)).bit_length() - 1
    return SIZES[twos] if twos < len(SIZES) else SIZES[-1]


def hide(
    rng: Random, sentences: Sequence[str], other: Callable[[Random], str], length: int, gap: str = " "
) -> str:
    """Return a text of about `length` characters: the sentences in their order, at random places among others.

    Args:
        rng: Draws the other sentences and the places.
        sentences: Sentences that matter.
        other: Makes one that does not.
        length: Characters of the whole text; never more.
        gap: Stands between two sentences.
    """
    room = length - sum(len(sentence) + len(gap) for sentence in sentences)
    lines: list[str] = []
    while (room := room - len(line := other(rng)) - len(gap)) > 0:
        lines.append(line)
    places = sorted(rng.choices(range(len(lines) + 1), k=len(sentences)))
    for at, (place, sentence) in enumerate(zip(places, sentences, strict=True)):
        lines.insert(place + at, sentence)
    return gap.join(lines)


def filler(rng: Random) -> str:
    """Return a sentence about a town that no question asks for."""
    return f"{rng.choice(words('subjects'))} {rng.choice(words('acts'))} {rng.choice(words('ends'))}."


@cache
def words(kind: str) -> tuple[str, ...]:
    """Return the words of a kind: `subjects`, `acts`, `ends`, `things`, `owners`, `places`, and those of logs."""
    return tuple(load_table("long_texts.json")[kind])
