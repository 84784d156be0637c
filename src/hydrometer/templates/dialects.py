"""Think dialects: how a family marks thinking, and how a reply is split into thinking and answer.

Qwen and most others write `<think>...</think>`; Gemma 4 writes `<|channel>thought ... <channel|>`; Mistral's reasoning
models write `[THINK]...[/THINK]`. A prompt may already have opened the block, and then a reply that starts with
thinking and a lone `</think>` is normal; without that, the same reply is an orphan. All dialects are looked for in each
reply, whatever the template says: a distillation may have learned the wrong one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Dialect(StrEnum):
    """How a chat template marks thinking."""

    NONE = "none"
    QWEN = "qwen"
    GEMMA = "gemma"
    MISTRAL = "mistral"


class ThinkState(StrEnum):
    """What the think block of a reply looks like."""

    NONE = "none"
    CLOSED = "closed"
    EMPTY = "empty"
    UNCLOSED = "unclosed"
    ORPHAN = "orphan"


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinkSplit:
    """A reply taken apart.

    Attributes:
        thinking: Text inside the think block.
        answer: Text behind it; the whole reply without a block; `""` while the block is open.
        state: What the block looks like.
        dialect: Whose tags were found, `NONE` without any.
    """

    thinking: str
    answer: str
    state: ThinkState
    dialect: Dialect


_OPEN = {
    Dialect.QWEN: re.compile(r"\A\s*<think>"),
    Dialect.GEMMA: re.compile(r"\A\s*<\|channel>thought\b"),
    Dialect.MISTRAL: re.compile(r"\A\s*\[THINK\]"),
}
_CLOSE = {Dialect.QWEN: "</think>", Dialect.GEMMA: "<channel|>", Dialect.MISTRAL: "[/THINK]"}


def dialect_of(template: str) -> Dialect:
    """Return the dialect that a chat template's source speaks."""
    if "<|channel>" in template:
        return Dialect.GEMMA
    if "[THINK]" in template:
        return Dialect.MISTRAL
    return Dialect.QWEN if "<think>" in template or "</think>" in template else Dialect.NONE


def opens_thinking(prompt: str) -> bool:
    """Return whether a rendered prompt ends inside a think block that the template opened."""
    tail = prompt.rstrip()
    return tail.endswith(("<think>", "<|channel>thought", "[THINK]"))


def split_thinking(text: str, *, opened: bool = False, reasoning: str | None = None) -> ThinkSplit:
    """Split a reply into thinking and answer.

    Args:
        text: The reply as it came.
        opened: Whether the prompt ended inside a think block.
        reasoning: Thinking that a server had already split off; then `text` is the answer.
    """
    if reasoning:
        state = ThinkState.CLOSED if text.strip() else ThinkState.UNCLOSED
        return ThinkSplit(thinking=reasoning.strip(), answer=text.strip(), state=state, dialect=Dialect.NONE)
    for dialect, opening in _OPEN.items():
        found = opening.match(text)
        if found:
            return _split_inside(text[found.end() :], dialect)
    return _split_opened(text) if opened else _without_opening(text)


def _split_opened(text: str) -> ThinkSplit:
    """A reply to a prompt that had opened a block: whoever's closing tag comes first ends it."""
    closed = [(text.find(close), dialect) for dialect, close in _CLOSE.items() if close in text]
    # Without any tag nothing tells which dialect the model speaks.
    return _split_inside(text, min(closed)[1]) if closed else _split_inside(text, Dialect.NONE)


def _split_inside(inside: str, dialect: Dialect) -> ThinkSplit:
    tag = _CLOSE.get(dialect)
    thinking, close, answer = inside.partition(tag) if tag else (inside, "", "")
    if not close:
        return ThinkSplit(thinking=thinking.strip(), answer="", state=ThinkState.UNCLOSED, dialect=dialect)
    state = ThinkState.CLOSED if thinking.strip() else ThinkState.EMPTY
    return ThinkSplit(thinking=thinking.strip(), answer=answer.strip(), state=state, dialect=dialect)


def _without_opening(text: str) -> ThinkSplit:
    for dialect, close in _CLOSE.items():
        before, found, after = text.partition(close)
        if found:
            return ThinkSplit(
                thinking=before.strip(), answer=after.strip(), state=ThinkState.ORPHAN, dialect=dialect
            )
    return ThinkSplit(thinking="", answer=text.strip(), state=ThinkState.NONE, dialect=Dialect.NONE)
