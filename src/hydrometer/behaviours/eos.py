"""Replies that go on after a finished answer: the end-of-turn token is wrong, so the model plays the user as well.

Told apart from loops: a loop is a model that cannot leave a thought, this is one that nobody stops. The remedy is
different too (a token in the configuration, not weights).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from hydrometer.behaviours.base import Behaviour, Observed, Sign
from hydrometer.behaviours.segments import both, fences, shortened
from hydrometer.letters import contains_any, lowered


class Turn(NamedTuple):
    """Where a turn begins that the model should not have written.

    Attributes:
        at: Its place in the text.
        reason: What was seen.
    """

    at: int
    reason: str


_SPECIAL = re.compile(
    r"<[|｜](?:im_start|im_end|im_sep|endoftext|eot_id|eom_id|end_of_text|begin_of_text|start_header_id"
    r"|end_header_id|end|user|assistant|system|eot|endofprompt|begin▁of▁sentence|end▁of▁sentence|User"
    r"|Assistant"
    r"|START_OF_TURN_TOKEN|END_OF_TURN_TOKEN)[|｜]>|<(?:start|end)_of_turn>|<\|turn>|<turn\|>|<eos>|<bos>"
    r"|</s>|\[/?INST\]|<</?SYS>>"
)
_PLAYERS = ("user", "assistant", "human")
"""One of them stands in whatever `_BARE` finds; likewise below."""
_BARE = re.compile(r"\n(?:<[^<>\n]{1,20}>)?(user|assistant|human)[ \t]{0,20}\n(?=\s{0,20}\S)")
_ROLE = re.compile(
    r"\n[ \t]{0,20}(?:\*\*|#{1,4} )?(Human|User|Instruction|### Instruction|USER"
    r"|HUMAN)(?:\*\*)?:(?:\*\*)?[ \t\n]"
)
_EXAMPLE = re.compile(
    r"\n[ \t]{0,20}\n(?:\*\*|#{1,4} )?(Question|Q|Problem|Exercise"
    r"|Input)(?: ?\d{1,3})?(?:\*\*)?:(?:\*\*)?[ \t\n]"
)
_ASKS = ("Q", "Problem", "Exercise", "Input")
_REPLIES = re.compile(r"\n(?:\*\*)?(?:A|Answer|Solution|Output)\b")
_SPEAKERS = ("Human", "User", "Instruction", "USER", "HUMAN")
"""One of them stands in whatever `_ROLE` finds."""
_DIALOGUE = re.compile(
    r"dialog|conversation|script|chat|interview|transcript|role|speaker|turn|prompt|template|token|log\b"
    r"|instruction"
    r"|user|human|assistant|example|few-shot"
)
_QUESTIONS = re.compile(
    r"question|quiz|exam|faq|problem|exercise|worksheet|test|flash ?card|interview|example|input"
)
"""Both for requests in lower case."""


@lru_cache(maxsize=8)
def foreign_turn(text: str, asked: str, system: str = "") -> Turn | None:
    """Return the first turn in a reply that is not the model's to write."""
    found = [
        turn for turn in (_special(text, asked + system), _role(text, asked), _example(text, asked)) if turn
    ]
    return min(found, default=None)


def detect(observed: Observed) -> Sign | None:
    """Say where a reply goes on after its end."""
    for text in both(observed):
        turn = foreign_turn(text, observed.asked, observed.system)
        if turn:
            return Sign(turn.reason, shortened(text[turn.at :]))
    return None


EOS_WRONG = Behaviour(
    name="eos_wrong",
    version=1,
    summary="goes on after a finished answer: turns of the user, special tokens as text",
    detect=detect,
)


def _special(text: str, asked: str) -> Turn | None:
    if "<" not in text and "INST]" not in text:
        return None
    for found in _SPECIAL.finditer(text):
        mark = found[0]
        if mark == "</s>" and "<s>" in text:
            continue
        if mark not in asked and not _in_code(text, found.start()):
            return Turn(found.start(), f"special token {mark} as text")
    return None


def _role(text: str, asked: str) -> Turn | None:
    found = _BARE.search(text) if contains_any(text, _PLAYERS) else None
    if found and _free(text, found):
        return Turn(found.start(), f"a turn of {found[1]!r}")
    if ":" not in text or not contains_any(text, _SPEAKERS) or _about_dialogues(asked):
        return None
    # A reply that opens with a role writes a dialogue; one that answers first and then lets the user speak does not.
    found = _ROLE.search(text)
    return Turn(found.start(), f"a turn of {found[1]!r}") if found and _free(text, found) else None


def _example(text: str, asked: str) -> Turn | None:
    found = _EXAMPLE.search(text) if ":" in text and contains_any(text, _ASKS) else None
    if not found or _asks_questions(asked) or not _free(text, found) or not _REPLIES.search(text, found.end()):
        return None
    return Turn(found.start(), f"asks itself a new {found[1]!r}")


@lru_cache(maxsize=64)
def _about_dialogues(asked: str) -> bool:
    return bool(_DIALOGUE.search(lowered(asked)))


@lru_cache(maxsize=64)
def _asks_questions(asked: str) -> bool:
    return bool(_QUESTIONS.search(lowered(asked.rpartition("\n\n")[2])))


def _free(text: str, found: re.Match[str]) -> bool:
    return bool(text[: found.start()].strip()) and not _in_code(text, found.start())


def _in_code(text: str, at: int) -> bool:
    if any(block.start <= at < block.end for block in fences(text)):
        return True
    line = text[max(0, text.rfind("\n", 0, at) + 1, at - 400) : at]
    return line.count("`") % 2 == 1
