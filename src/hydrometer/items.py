"""Items and requests: what is asked. Frozen values, identified by their content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Literal, NamedTuple

from hydrometer.canon import digest

Role = Literal["system", "user", "assistant", "tools", "calls", "tool", "raw", "stop"]


class Message(NamedTuple):
    """One turn of a conversation, or what `templates.tools` puts between turns as JSON.

    That is the offered tools before the first turn (role `tools`), the assistant's calls of tools (`calls`) and the
    result of one (`tool`). They are content of the conversation like any turn, and so of every digest.

    Two roles stand outside of a conversation. `raw` is a text that goes to the model as it stands, without a chat
    template; where a request has several, they belong to its choices one by one. `stop` follows all the others: a
    text at which a reply ends, and which is no part of it.
    """

    role: Role
    content: str


class Kind(StrEnum):
    """How an item is asked."""

    GENERATE = "generate"
    CHOICES = "choices"


class Thinking(StrEnum):
    """What a request asks of a chat template that can switch thinking."""

    DEFAULT = "default"
    ON = "on"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """Sampling settings; the defaults are greedy decoding.

    `temperature` 0 means greedy, and the other fields then change nothing. `top_k` 0 and `top_p` 1 mean off.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    presence_penalty: float = 0.0
    repetition_penalty: float = 1.0

    @property
    def greedy(self) -> bool:
        """Whether the reply is the most probable token at each step."""
        return self.temperature == 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One question of a task.

    Attributes:
        task: Name of the task it belongs to.
        messages: The conversation up to the turn that the model writes.
        answer: What the grader needs to judge a reply; any JSON value. For choices: the index of the right one.
        choices: The continuations to score; empty for generated replies.
        max_tokens: Largest number of tokens the reply may have, thinking included.
        tier: Difficulty tier, `""` where the task has none.
        cluster: Items that share it are not independent (same passage, same template); `""` is its own.
    """

    task: str
    messages: tuple[Message, ...]
    answer: Any
    choices: tuple[str, ...] = ()
    max_tokens: int = 160
    tier: str = ""
    cluster: str = ""

    @property
    def kind(self) -> Kind:
        """How the item is asked."""
        return Kind.CHOICES if self.choices else Kind.GENERATE

    @property
    def id(self) -> str:
        """Digest of the content: the same question has the same id in every run, on every machine."""
        return digest(self)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What an engine is asked. Two models of a pair get equal requests, except for declared sampling presets.

    `method` names how choices are scored, `""` for replies: the same choices scored another way are another
    request. `take` tells apart the same question asked again on purpose, as the noise floor does.
    """

    kind: Kind
    messages: tuple[Message, ...]
    choices: tuple[str, ...] = ()
    max_tokens: int = 160
    decoding: Decoding = field(default_factory=Decoding)
    thinking: Thinking = Thinking.DEFAULT
    seed: int = 0
    method: str = ""
    take: int = 0

    @cached_property
    def digest(self) -> str:
        """Identity of the request; kept, since a hash over a long conversation is asked for again and again."""
        return digest(self)

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts at which the reply ends."""
        return tuple(message.content for message in self.messages if message.role == "stop")

    @property
    def asked(self) -> str:
        """The last turn, `""` where there is none."""
        return next((m.content for m in reversed(self.messages) if m.role != "stop"), "")


def cut_at(text: str, stops: Sequence[str]) -> str:
    """Return a text up to the first of some stops, or all of it."""
    return text[: min((at for at in map(text.find, stops) if at >= 0), default=len(text))]


def raw_texts(messages: Sequence[Message]) -> tuple[str, ...]:
    """Return the texts that go to the model without a chat template; empty for a conversation."""
    return tuple(message.content for message in messages if message.role == "raw")
