"""From a spec to the requests: ONE list of items, zipped over both models.

Items, order, caps, seeds and the thinking switch are decided here once, so they cannot differ between the two
models by accident. Only the decoding may differ, where a vendor asks for other sampling.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from hydrometer.canon import digest
from hydrometer.items import Decoding, Item, Kind, Message, Request
from hydrometer.sampling import SAMPLED
from hydrometer.spec import AuditSpec
from hydrometer.tasks.base import Task
from hydrometer.tasks.suites import TYPICAL_TOKENS
from hydrometer.templates.tools import described

SideName = Literal["base", "student"]
SIDES: tuple[SideName, SideName] = ("base", "student")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One item and what each model is asked about it."""

    task: Task
    item: Item
    base: Request
    student: Request

    def request(self, side: SideName) -> Request:
        """Return what one side is asked."""
        return self.base if side == "base" else self.student


SPEED = 50
"""Reply tokens a second at which times are given before anything was asked; then the progress bar knows better."""


class Cost(NamedTuple):
    """What a plan takes at most: early stopping and answers that are kept already make it less.

    Attributes:
        items: Number of items.
        requests: Requests to both models; items that repeat a request share it.
        cap: Reply tokens of both models if every reply ran into its cap.
        typical: Reply tokens where both models reply as briefly as the bundled pair.
    """

    items: int
    requests: int
    cap: int
    typical: int

    def __str__(self) -> str:
        """Say it in one line, with the time at a speed that a small model reaches on a few cores."""
        seconds = self.typical / SPEED
        time = f"{seconds:,.0f} s" if seconds < 120 else f"{seconds / 60:,.0f} min"
        return (
            f"at most {self.items:,} items, {self.requests:,} requests to both models together and {self.cap:,} reply "
            f"tokens; some {self.typical:,} if neither model thinks, {time} at {SPEED} tokens a second"
        )


def cost(entries: Sequence[Entry]) -> Cost:
    """Return what a plan takes at most."""
    asked = {
        (side, entry.request(side).digest): (entry.task.name, entry.request(side).max_tokens)
        for entry in entries
        for side in SIDES
    }
    typical = sum(min(cap, TYPICAL_TOKENS.get(task, cap)) for task, cap in asked.values())
    return Cost(len(entries), len(asked), sum(cap for _, cap in asked.values()), typical)


def draw_items(tasks: Mapping[Task, int], seed: int) -> dict[Task, tuple[Item, ...]]:
    """Return the items of each task, as many as asked for; long texts take seconds to make, so once in an audit.

    Args:
        tasks: Tasks with the number of items of each.
        seed: Seed of the items.
    """
    return {task: tuple(task.items(_whole(task, number), seed)) for task, number in tasks.items()}


def make_plan(
    spec: AuditSpec,
    items: Mapping[Task, Sequence[Item]],
    *,
    base_decoding: Decoding,
    student_decoding: Decoding,
    choice_method: str,
    describe_tools: bool = False,
) -> tuple[Entry, ...]:
    """Return the entries of an audit, task by task.

    Args:
        spec: The audit's spec.
        items: Tasks with the items of each, as `draw_items` returns them.
        base_decoding: Sampling settings of the base.
        student_decoding: Sampling settings of the student.
        choice_method: How choices are scored, the same for both models.
        describe_tools: Whether offered tools are written into the conversation, because one of the two templates has no
            place for them.
    """
    return tuple(
        Entry(
            task=task,
            item=item,
            base=_request(spec, item, messages, _drawn(task, base_decoding), task.method or choice_method),
            student=_request(spec, item, messages, _drawn(task, student_decoding), task.method or choice_method),
        )
        for task, own in items.items()
        for item in own
        for messages in (described(item.messages) if describe_tools else item.messages,)
    )


def grouped(entries: Sequence[Entry]) -> tuple[tuple[Entry, ...], ...]:
    """Return the entries in units of what is counted: one by one, or those that count only together as a whole."""
    units: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        shared = entry.item.cluster if entry.task.together else entry.item.id
        units.setdefault((entry.task.name, shared), []).append(entry)
    return tuple(map(tuple, units.values()))


def offers_tools(item: Item) -> bool:
    """Return whether an item's conversation offers tools."""
    return any(message.role == "tools" for message in item.messages)


def _whole(task: Task, number: int) -> int:
    """The number of items, rounded up to whole groups where they count only together: half of one says nothing."""
    return number + (-number % task.group if task.together else 0)


def _drawn(task: Task, decoding: Decoding) -> Decoding:
    """The sampling settings of a task: its own, or the audit's; greedy samples of one question would all be alike."""
    if task.decoding is not None:
        return task.decoding
    return SAMPLED if task.sampled and decoding.greedy else decoding


def _request(
    spec: AuditSpec, item: Item, messages: tuple[Message, ...], decoding: Decoding, choice_method: str
) -> Request:
    if item.kind is Kind.CHOICES:
        # Scoring draws nothing: neither a seed nor sampling settings may split the cache.
        return Request(
            kind=item.kind,
            messages=messages,
            choices=item.choices,
            max_tokens=0,
            thinking=spec.thinking,
            method=choice_method,
        )
    # A greedy reply does not depend on a seed; a sampled one gets its own per item, the same for both models.
    seed = 0 if decoding.greedy else int(digest([spec.seed, item.id])[3:10], 16)
    return Request(
        kind=item.kind,
        messages=messages,
        max_tokens=spec.max_tokens or item.max_tokens,
        decoding=decoding,
        thinking=spec.thinking,
        seed=seed,
    )
