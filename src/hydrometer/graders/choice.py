"""Choose among scored continuations: the most probable per byte of its text."""

from __future__ import annotations

from collections.abc import Sequence

from hydrometer.items import Item
from hydrometer.outcomes import ChoiceScore, Grade

VERSION = 1

LETTERS_METHOD = "letters"
"""Scores of this method belong to option letters, whose probability has nothing to do with a text's length."""


def choose(scores: Sequence[float], lengths: Sequence[int]) -> int:
    """Return the index of the best log-probability per byte, the lowest index among equals.

    Args:
        scores: Log-probability of each choice, summed over its tokens.
        lengths: Length of each choice in UTF-8 bytes: two models may cut a text into different tokens, never
            into different bytes.
    """
    rates = [score / max(length, 1) for score, length in zip(scores, lengths, strict=True)]
    return max(range(len(rates)), key=rates.__getitem__)


def grade_choice(item: Item, scores: Sequence[ChoiceScore], method: str = "") -> Grade:
    """Grade an item whose choices were scored; `item.answer` is the index of the right one.

    Args:
        item: The item.
        scores: One score per choice, in the item's order.
        method: How they were scored; `letters` are compared as they are, everything else per byte.
    """
    per_byte = method != LETTERS_METHOD
    lengths = [len(choice.encode()) if per_byte else 1 for choice in item.choices]
    index = choose([score.logprob for score in scores], lengths)
    shown = item.choices[index].strip()
    if index == item.answer:
        return Grade.right(shown)
    return Grade.wrong(shown, f"expected {item.choices[item.answer].strip()}")
