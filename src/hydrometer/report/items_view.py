"""Items and replies as a report shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from hydrometer.report import words
from hydrometer.report.facets_view import item_anchor, sign_key
from hydrometer.report.view import Fact, ItemView, Piece, ReplyView
from hydrometer.report.worddiff import word_diff
from hydrometer.result import ItemResult, Reply

CHANGES = {
    "lost": ("lost", "▼"),
    "gained": ("gained", "▲"),
    "unanswered": ("unanswered", "–"),
    "same": ("same outcome", "="),
}
"""Change of an item: words and symbol, in the order of reports."""

ANSWER_LIMIT = 8000
THINKING_LIMIT = 12000
_OPTION_LIMIT = 400
_PER_BYTE = "continuation"
"""Method under which choices are compared per byte of their text (`graders.choice`)."""
_THINKING_NOTES = {
    "unclosed": "the think block was never closed",
    "orphan": "a think block was closed that was never opened",
    "empty": "the think block is empty",
}


def build_items(items: Sequence[ItemResult], methods: Mapping[str, str]) -> tuple[ItemView, ...]:
    """Return the views of all items, changed ones first, otherwise in their order.

    Args:
        items: The items.
        methods: How the choices of a task were scored, by the name of the task.
    """
    order = list(CHANGES)
    return tuple(
        _item(item, per_byte=methods.get(item.task) == _PER_BYTE)
        for item in sorted(items, key=lambda item: order.index(item.change))
    )


def _item(item: ItemResult, *, per_byte: bool) -> ItemView:
    label, symbol = CHANGES[item.change]
    question = item.messages[-1].content if item.messages else ""
    answers = [words.block(reply.answer, ANSWER_LIMIT) for reply in (item.base, item.student)]
    base, student = (not item.choices and word_diff(*answers)) or ((), ())
    return ItemView(
        anchor=item_anchor(item.item_id),
        item_id=words.line(item.item_id, 80),
        task=words.line(item.task, 60),
        capability=words.name(item.capability),
        capability_key=words.line(item.capability, 60),
        tier=words.line(item.tier, 40),
        change=item.change,
        change_label=label,
        cut=item.base.cut or item.student.cut,
        symbol=symbol,
        title=words.line(question, 110) or "(no text)",
        turns=tuple(
            Fact(label=turn.role, value=words.block(turn.content, ANSWER_LIMIT)) for turn in item.messages
        ),
        expected=_expected(item),
        note=words.together_sentence(item.together, sampled=item.sampled) if item.together else "",
        base=_reply("Base", item, item.base, base, per_byte=per_byte),
        student=_reply("Student", item, item.student, student, per_byte=per_byte),
        sign_keys=tuple(
            dict.fromkeys(
                sign_key(sign.partition(":")[0]) for sign in (*item.base.signs, *item.student.signs)
            )
        ),
    )


def _expected(item: ItemResult) -> str:
    value = item.expected
    if item.choices and isinstance(value, int) and 0 <= value < len(item.choices):
        return words.block(item.choices[value].strip(), _OPTION_LIMIT)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return words.block(text, ANSWER_LIMIT)


def _reply(
    side: str, item: ItemResult, reply: Reply, pieces: tuple[Piece, ...], *, per_byte: bool
) -> ReplyView:
    kind, mark = _mark(reply)
    facts = {
        "Taken as the answer": "" if reply.extracted == reply.answer else words.line(reply.extracted),
        "Grader": words.line(reply.reason),
        "Tokens": "" if reply.tokens is None else words.tokens(reply.tokens),
    }
    return ReplyView(
        side=side,
        mark=mark,
        kind=kind,
        answer=words.block(reply.answer, ANSWER_LIMIT),
        pieces=pieces,
        thinking=words.block(reply.thinking, THINKING_LIMIT),
        thinking_note=_THINKING_NOTES.get(reply.think_state, ""),
        facts=tuple(Fact(label=label, value=value) for label, value in facts.items() if value),
        options=_options(item, reply, per_byte=per_byte),
        signs=tuple(_sign(sign) for sign in reply.signs),
    )


def _sign(sign: str) -> Fact:
    behaviour, _, seen = sign.partition(":")
    return Fact(label=words.name(behaviour), value=words.line(seen, 160))


def _mark(reply: Reply) -> tuple[str, str]:
    if reply.value is None:
        return "none", f"– {words.STATUS_WORDS[reply.status]}"
    if reply.value in (0.0, 1.0):
        return ("right", "✓ right") if reply.value else ("wrong", "✗ wrong")
    return "partly", f"◐ {words.percent(reply.value)} % of the points"


def _options(item: ItemResult, reply: Reply, *, per_byte: bool) -> tuple[Fact, ...]:
    """Choices with their scores, the right one ticked, the model's one with an arrow.

    What decides is shown: long choices have lower log-probabilities, so most are compared per byte. Scores that do not
    fit the choices are not shown.
    """
    if len(reply.scores) != len(item.choices):
        return ()
    facts = []
    for index, (choice, score) in enumerate(zip(item.choices, reply.scores, strict=True)):
        marks = ("→ " if choice.strip() == reply.extracted else "") + ("✓ " if index == item.expected else "")
        size = len(choice.encode()) if per_byte else 0
        share = f" ({score / size:.2f} per byte)" if size else ""
        facts.append(Fact(label=marks + words.line(choice, _OPTION_LIMIT), value=f"{score:.2f}{share}"))
    return tuple(facts)
