"""The window that a plan needs: known before any model is opened, the same for both, and part of who answers.

Tokens are reckoned from bytes, for no tokenizer is at hand yet. A window too large only takes memory, so they are
reckoned large where one is opened, and small where an item is said not to fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hydrometer.asking import Respondent
from hydrometer.items import Item
from hydrometer.plan import Entry
from hydrometer.result import Finding, Standing

_LARGE, _SMALL = 3.0, 4.5
"""Bytes per token: fewer than any text of a task has with a common tokenizer, and as many as English prose has."""

_TURN = 16
"""Tokens that a template puts around one turn."""


def tokens(item: Item, cap: int, per_token: float = _LARGE) -> int:
    """Return about how many tokens an item and its reply take.

    Args:
        item: The item.
        cap: Largest number of tokens of a reply, 0 for the item's own.
        per_token: Bytes per token.
    """
    told = sum(len(message.content.encode("utf-8", "replace")) for message in item.messages)
    longest = max((len(choice.encode("utf-8", "replace")) for choice in item.choices), default=0)
    reply = 0 if item.choices else cap or item.max_tokens
    return int((told + longest) / per_token) + _TURN * len(item.messages) + reply


def needed(items: Iterable[Item], cap: int) -> int:
    """Return a window that holds all items, a power of two, so that audits of one kind share their answers.

    Args:
        items: All items of the plan.
        cap: Largest number of tokens of a reply, 0 for each item's own.
    """
    most = max((tokens(item, cap) for item in items), default=0)
    return 1 << (most - 1).bit_length() if most else 0


def level(base: Respondent, student: Respondent) -> None:
    """Give both models the smaller one's window where one was trained for less than the plan needs."""
    if {student.identity.engine, base.identity.engine} not in ({"llamacpp"}, {"llama-server"}):
        return
    small = min(student.identity.context_length, base.identity.context_length)
    for side, other in ((student, base), (base, student)):
        if side.identity.context_length > small:
            # Its identity is asked again, and two models at once may not fit into memory.
            other.rest()
            side.narrow(small)


def misfits(entries: Sequence[Entry], context: int) -> tuple[Finding, ...]:
    """Say of each task how many of its items do not fit; none where the window is unknown.

    Args:
        entries: The plan.
        context: Tokens of the smaller window, 0 if unknown.
    """
    if not context:
        return ()
    sizes: dict[str, list[int]] = {}
    for entry in entries:
        sizes.setdefault(entry.task.name, []).append(tokens(entry.item, entry.base.max_tokens, _SMALL))
    return tuple(
        Finding(
            aspect=f"task {name}",
            base=f"window {context:,}",
            student=f"window {context:,}",
            standing=Standing.NOTE,
            message=f"{sum(size > context for size in own)} of {len(own)} items take more than the window of "
            f"{context:,} tokens, up to some {max(own):,}: they are missing on both sides, not wrong",
        )
        for name, own in sizes.items()
        if max(own) > context
    )
