"""Faults of the think block: never closed, empty, orphaned, leaked, in a wrong dialect, or holding what it must not."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from hydrometer.behaviours.base import Behaviour, Observed, Sign
from hydrometer.behaviours.segments import fences, prose, shortened, visible, without_inline
from hydrometer.letters import lowered
from hydrometer.outcomes import Finish

_TAG = re.compile(
    r"</?(?:think|thinking|thought|thoughts|reasoning|reflection|scratchpad|antThinking)>"
    r"|<\|channel>(?:thought)?|<channel\|>|<\|(?:begin|end)_of_(?:thought|solution)\|>|◁/?think▷"
    r"|<\|channel\|>(?:analysis|commentary)|<seed:think>|\[/?THINK\]"
)
_CALL = re.compile(
    r"<tool_call>|<\|tool_call>|<\|tool_call\||<tool_calls?>|\[TOOL_CALLS\]|<function=\w"
    r"|<\|tool▁calls?▁begin\|>"
    r"|<function_calls?>|<invoke name=|<\|python_tag\|>"
)
_BARE_CALL = re.compile(
    r"\{\s{0,20}\"(?:name|function|tool)\"\s{0,9}:\s{0,9}\"[\w.-]{1,64}\"\s{0,9},\s{0,20}\"(?:arguments"
    r"|parameters)\""
)
_VALUE = r"(?:\*\*|\$|\\\(|\\boxed\{|\(|\s|€|£){0,6}(-?\d[\d,]{0,20}(?:\.\d{1,12})?|[a-j](?![a-z'’]))"
_FINAL = re.compile(
    r"(?:final answer|answer is|answer:|answer\*\*:|answer:\*\*|answer should be|answer must be|\\boxed\{)"
    r"(?:\s{0,3}(?:is|:|=|option|choice|therefore|thus)){0,3}" + _VALUE
)
"""For texts in lower case."""
_ENDS = re.compile(
    r"(?:final answer|the answer is|answer:|\\boxed\{|final response:|final output:|here['’]s the final"
    r"|i(?:['’]ll| will) (?:answer|respond|reply|write)"
    r"|my (?:answer|response|reply) (?:is|will be))",
    re.IGNORECASE,
)
_DOUBT = re.compile(
    r"\b(?:wait|hold on|actually|hmm|but|no,|let me (?:re-?check|verify|double)|unless|alternatively"
    r"|or maybe)\b",
    re.IGNORECASE,
)
_ABOUT = re.compile(r"\b(?:about|approximately|approx|roughly|around|nearly|almost)\b|≈|~", re.IGNORECASE)
_STUB = re.compile(
    r"\W*(?:(?:done|see above|as above|as (?:shown|explained|stated|described) above|ok(?:ay)?|answer"
    r"|final answer|here you go"
    r"|the answer is (?:above|given above|in my reasoning)|finished|complete[d]?|response|output|sure)\W*)?",
    re.IGNORECASE,
)


class Stated(NamedTuple):
    """A final answer as stated.

    Attributes:
        value: A number, or an option letter.
        at: Where the statement ends.
    """

    value: Decimal | str
    at: int


def unclosed(observed: Observed) -> Sign | None:
    """A block that stays open although the reply ended by itself; one that the budget cut is a truncation."""
    if observed.think_state != "unclosed" or observed.finish is not Finish.STOP:
        return None
    return Sign("ended by itself inside the think block", shortened(observed.thinking[-160:]))


def empty(observed: Observed) -> Sign | None:
    """A block with nothing in it."""
    return Sign("the think block is empty") if observed.think_state == "empty" else None


def orphan(observed: Observed) -> Sign | None:
    """A closing tag that no opening belongs to."""
    if observed.think_state != "orphan":
        return None
    return Sign("a closing think tag without an opening", shortened(observed.thinking[-80:]))


def leaked(observed: Observed) -> Sign | None:
    """Think tags in the answer, where a reader sees them."""
    text = visible(observed)
    if "<" not in text and "◁" not in text and "THINK]" not in text:
        return None
    plain = without_inline(prose(text))
    for found in _TAG.finditer(plain):
        if found[0] not in observed.asked and found[0] not in observed.system:
            return Sign(
                f"{found[0]} inside the answer",
                shortened(plain[max(0, found.start() - 30) : found.end() + 40]),
            )
    return None


def answer_inside(observed: Observed) -> Sign | None:
    """The answer stands at the end of the thinking, and outside of it is nothing or a stub."""
    if not observed.thinking or observed.finish is not Finish.STOP:
        return None
    answer = observed.answer
    if len(answer) > 60 or not _STUB.fullmatch(answer):
        return None
    tail = observed.thinking[-600:]
    found = _ENDS.search(tail)
    if found:
        return Sign("the answer stands inside the think block", shortened(tail[found.start() :]))
    blocks = fences(observed.thinking)
    if blocks and blocks[-1].closed and len(observed.thinking) - blocks[-1].end < 200:
        return Sign("the answer's code stands inside the think block", shortened(blocks[-1].body))
    return None


def call_inside(observed: Observed) -> Sign | None:
    """A tool call where no parser looks for it."""
    thinking = observed.thinking
    if "<" in thinking or "[TOOL" in thinking:
        for found in _CALL.finditer(without_inline(thinking)):
            if found[0] not in observed.asked and (observed.tools or found[0] not in observed.system):
                return Sign(f"{found[0]} inside the think block", shortened(thinking[-200:]))
    if (
        observed.tools
        and '"' in thinking
        and not _CALL.search(observed.answer)
        and not _BARE_CALL.search(observed.answer)
    ):
        bare = _BARE_CALL.search(thinking)
        if bare:
            return Sign(
                "a tool call in JSON inside the think block only", shortened(thinking[bare.start() :])
            )
    return None


def wrong_dialect(observed: Observed) -> Sign | None:
    """Tags of another family than the chat template speaks, or tags where it knows none."""
    if observed.dialect in ("none", observed.expected_dialect):
        return None
    wanted = observed.expected_dialect
    reason = f"tags of {observed.dialect}, " + (
        "the template has none" if wanted == "none" else f"the template speaks {wanted}"
    )
    return Sign(reason, shortened(observed.text))


def contradiction(observed: Observed) -> Sign | None:
    """Thinking and answer each state a final answer, and they differ."""
    if not observed.thinking or not observed.answer:
        return None
    tail = observed.thinking[-4000:]
    thought, said = last_stated(tail), last_stated(observed.answer[-8000:])
    if thought is None or said is None or type(thought.value) is not type(said.value):
        return None
    behind = tail[thought.at :]
    if len(behind) > 400 or _DOUBT.search(behind) or _same(thought.value, said.value):
        return None
    if _mentioned(thought.value, observed.answer) or _ABOUT.search(observed.answer[-400:]):
        return None
    return Sign(
        f"thinking ends with {thought.value}, the answer says {said.value}", shortened(observed.answer[-160:])
    )


def last_stated(text: str) -> Stated | None:
    """Return the last explicit final answer of a text, a number or an option letter."""
    last = None
    for last in _FINAL.finditer(lowered(text)):  # noqa: B007 - the last one counts
        pass
    if last is None:
        return None
    word = text[last.start(1) : last.end(1)]
    if word.isalpha():
        # "The answer is a matter of taste" names no option: letters count as capitals only.
        return Stated(word, last.end()) if word.isupper() and word != "I" else None
    try:
        return Stated(Decimal(word.replace(",", "").rstrip(".")), last.end())
    except InvalidOperation:
        return None


BEHAVIOURS = (
    Behaviour(
        name="think_unclosed", version=1, summary="ends by itself inside the think block", detect=unclosed
    ),
    Behaviour(name="think_empty", version=1, summary="the think block is empty", detect=empty),
    Behaviour(
        name="think_orphan", version=1, summary="closes a think block that was never opened", detect=orphan
    ),
    Behaviour(name="think_leaked", version=1, summary="think tags inside the answer", detect=leaked),
    Behaviour(
        name="answer_in_thinking",
        version=1,
        summary="answers inside the think block only",
        detect=answer_inside,
    ),
    Behaviour(
        name="tool_call_in_thinking",
        version=1,
        summary="calls a tool inside the think block",
        detect=call_inside,
    ),
    Behaviour(name="wrong_dialect", version=1, summary="think tags of another family", detect=wrong_dialect),
    Behaviour(
        name="think_answer_contradiction",
        version=1,
        summary="thinking and answer end differently",
        detect=contradiction,
    ),
)


def _same(one: Decimal | str, other: Decimal | str) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    if all(number == number.to_integral_value() for number in (one, other)):
        return one == other
    # Rounding, and a share given once as a fraction and once in percent, are no contradictions.
    small, large = sorted((abs(one), abs(other)))
    return abs(one - other) <= large / 100 or (small > 0 and abs(large / small - 100) < 1)


def _mentioned(value: Decimal | str, answer: str) -> bool:
    if isinstance(value, str):
        return bool(re.search(rf"(?<![A-Za-z]){value}(?![A-Za-z'’])", answer))
    return any(
        Decimal(n.replace(",", "")) == value
        for n in re.findall(r"-?\d[\d,]{0,20}(?:\.\d{1,12})?", answer[-20_000:])
    )
