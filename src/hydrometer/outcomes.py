"""Completions, grades and outcomes: what came back, and what it was worth.

A missing answer is never a zero: only `GRADED` carries a value, and the types enforce it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Finish(StrEnum):
    """Why a reply ended."""

    STOP = "stop"
    LENGTH = "length"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceScore:
    """Log-probability (nats, natural log) of one choice given the prompt, summed over its tokens.

    `greedy` says whether each of its tokens was the most probable one, None where the engine did not look.
    """

    logprob: float
    tokens: int
    greedy: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """The raw reply of an engine, stored as it came; thinking is split off later by `templates.dialects`.

    Attributes:
        text: The reply as decoded, think tags included where the engine shows them.
        reasoning: Thinking that a server had already split off, else None.
        finish: Why it ended, decided on tokens, never guessed from the length of the text.
        token_ids: Ids of the reply's tokens, where the engine gives them.
        prompt_tokens: Tokens of the rendered prompt.
        completion_tokens: Tokens of the reply, thinking included, end-of-turn token excluded.
        choices: One score per choice, for requests of that kind.
        method: How choices were scored, such as `continuation` or `letters`; `""` for replies.
        opens_thinking: Whether the rendered prompt itself ended inside an opened think block.
        seconds: Time the engine reports for this request, waiting excluded where it can tell.
        served_model: Model name that a server put into its reply, else `""`.
        error: What went wrong when `finish` is `ERROR`.
    """

    text: str = ""
    reasoning: str | None = None
    finish: Finish = Finish.STOP
    token_ids: tuple[int, ...] | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    choices: tuple[ChoiceScore, ...] = ()
    method: str = ""
    opens_thinking: bool = False
    seconds: float = 0.0
    served_model: str = ""
    error: str = ""


class Status(StrEnum):
    """What became of an item. Only `GRADED` has a value."""

    GRADED = "graded"
    UNPARSED = "unparsed"
    TRUNCATED = "truncated"
    REFUSED = "refused"
    ENGINE_ERROR = "engine_error"
    ITEM_INVALID = "item_invalid"


NOT_THE_MODELS_FAULT = (Status.ENGINE_ERROR, Status.ITEM_INVALID)
"""Statuses that say nothing about a model; a pair with one of them is left out of every table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """A grader's finding about one reply.

    Attributes:
        status: What became of the item.
        value: Score in 0..1, present exactly when `status` is `GRADED`.
        extracted: What the grader took as the answer.
        reason: Why, in a few words a reader can check.
    """

    status: Status
    value: float | None = None
    extracted: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        """Refuse a value without a grade, a grade without a value, and values outside 0..1."""
        if (self.status is Status.GRADED) != (self.value is not None):
            msg = f"status {self.status.value!r} with value {self.value!r}: only 'graded' carries a value"
            raise ValueError(msg)
        if self.value is not None and not 0.0 <= self.value <= 1.0:
            msg = f"value {self.value!r} must lie in 0..1"
            raise ValueError(msg)

    @classmethod
    def right(cls, extracted: str = "", reason: str = "") -> Grade:
        """A reply that is right."""
        return cls(status=Status.GRADED, value=1.0, extracted=extracted, reason=reason)

    @classmethod
    def wrong(cls, extracted: str = "", reason: str = "") -> Grade:
        """A reply that answers, and is wrong."""
        return cls(status=Status.GRADED, value=0.0, extracted=extracted, reason=reason)

    @classmethod
    def unparsed(cls, reason: str) -> Grade:
        """A reply in which the grader finds no answer."""
        return cls(status=Status.UNPARSED, reason=reason)


_CUT = "cut after"


def cut_reason(tokens: int | None) -> str:
    """Return the reason of a grade whose reply the token cap ended."""
    return f"{_CUT} {tokens} tokens"


def was_cut(grade: Grade) -> bool:
    """Return whether the token cap ended the reply, whether it was graded all the same or not."""
    return grade.status is Status.TRUNCATED or grade.reason.startswith(_CUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The grade of one model on one item, with what the reply cost."""

    item_id: str
    grade: Grade
    completion_tokens: int | None = None

    @property
    def value(self) -> float | None:
        """The score, or None where there is none."""
        return self.grade.value
