"""What a behaviour is: a fact about one reply that needs no right answer, found by a pure function.

A behaviour is reported as excess of the student over the base on the same items, never by itself: every model loops or
refuses now and then. Detectors are precise rather than complete, linear in the length of the reply, and versioned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from hydrometer.outcomes import Finish


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One reply as it came, and what was asked.

    Attributes:
        text: The raw reply, think tags included where the engine shows them.
        thinking: Text inside the think block.
        answer: Text outside of it.
        think_state: `none`, `closed`, `empty`, `unclosed` or `orphan`.
        dialect: Think dialect of the tags in the reply (`none`, `qwen`, `gemma`, `mistral`).
        expected_dialect: Think dialect that the chat template speaks.
        finish: Why the reply ended.
        token_ids: Ids of the reply's tokens, where the engine gives them.
        asked: The last user turn.
        system: The system message, `""` without one.
        tools: Whether tools were offered.
        mode: Whether thinking was switched `on` or `off`; `default` where the request left it open.
    """

    text: str
    thinking: str = ""
    answer: str = ""
    think_state: str = "none"
    dialect: str = "none"
    expected_dialect: str = "none"
    finish: Finish = Finish.STOP
    token_ids: tuple[int, ...] | None = None
    asked: str = ""
    system: str = ""
    tools: bool = False
    mode: str = "default"


class Sign(NamedTuple):
    """Where a behaviour shows.

    Attributes:
        reason: What was seen, in a few words a reader can check.
        quote: The place, shortened.
    """

    reason: str
    quote: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """One behaviour.

    Attributes:
        name: Its name, words joined by underscores.
        version: Raised whenever it finds something else.
        summary: One line for tables.
        detect: Returns a sign, or None where the behaviour does not show.
        fault: Whether more of it is worse; others are style.
    """

    name: str
    version: int
    summary: str
    detect: Callable[[Observed], Sign | None]
    fault: bool = True
