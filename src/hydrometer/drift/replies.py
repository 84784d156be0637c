"""Replies that an audit stored, as texts to read: what both models think of what either of them said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from hydrometer.drift.texts import Passage
from hydrometer.errors import ModelError, UsageError
from hydrometer.items import Message, Thinking
from hydrometer.outcomes import Completion, Finish
from hydrometer.result import AuditResult
from hydrometer.store import Store
from hydrometer.templates.dialects import ThinkState, split_thinking
from hydrometer.templates.render import ChatTemplate

_PLAIN = {"system", "user", "assistant"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReply:
    """One reply of an audit.

    Attributes:
        side: Whose it is.
        item: The item's id.
        capability: Capability of its item.
        name: What a reader knows it by.
        messages: What was asked.
        thinking: What was asked of a template that can switch thinking.
        completion: The raw reply.
    """

    side: Literal["base", "student"]
    item: str
    capability: str
    name: str
    messages: tuple[Message, ...]
    thinking: Thinking
    completion: Completion


def stored_replies(result: AuditResult, store: Store) -> tuple[StoredReply, ...]:
    """Return the replies of an audit that are texts: no scored choices, no tools, no thinking that a server split off.

    Raises:
        UsageError: The audit holds none.
    """
    found = tuple(_found(result, store))
    if not found:
        msg = "the audit holds no replies that can be read again: give one with generated replies, or --text FILE"
        raise UsageError(msg)
    return found


def _found(result: AuditResult, store: Store) -> Iterator[StoredReply]:
    for number, item in enumerate(result.items, start=1):
        if item.choices or not {message.role for message in item.messages} <= _PLAIN:
            continue
        for side, reply in (("base", item.base), ("student", item.student)):
            completion = store.completion(reply.key)
            if completion is None or completion.finish is Finish.ERROR or completion.reasoning or not completion.text:
                continue
            yield StoredReply(
                side="base" if side == "base" else "student",
                item=item.item_id,
                capability=item.capability,
                name=f"{item.task} {number}, reply of the {side}",
                messages=item.messages,
                thinking=result.spec.thinking,
                completion=completion,
            )


def as_passages(replies: Sequence[StoredReply], template: ChatTemplate | None) -> tuple[Passage, ...]:
    """Render the prompts with the base's template, and mark where each reply thinks.

    Raises:
        ModelError: The base has no chat template, or it refuses a conversation.
    """
    if template is None:
        msg = "the base has no chat template, so the prompts of an audit cannot be rendered: use --text FILE"
        raise ModelError(msg)
    return tuple(_passage(reply, template) for reply in replies)


def _passage(reply: StoredReply, template: ChatTemplate) -> Passage:
    prompt, opened = template.render(reply.messages, thinking=reply.thinking)
    said = reply.completion.text
    split = split_thinking(said, opened=opened)
    behind = 0
    if split.state is ThinkState.UNCLOSED:
        behind = len(said)
    elif split.state is not ThinkState.NONE:
        behind = said.rfind(split.answer) if split.answer else len(said)
    return Passage(
        name=reply.name,
        group=reply.capability,
        source=f"replies of the {reply.side}",
        text=prompt + said,
        prompt=len(prompt),
        thinking=(len(prompt), len(prompt) + behind),
    )
