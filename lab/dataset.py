"""From problems and a teacher to the training data: replies asked for, filtered, counted and written.

The filter repeats what public recipes do, their faults included: system messages are dropped and long replies
are thrown away, so long chains are missing by construction. No reply is checked for being right, as in the
wild; the solver's replies are right because they are computed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from problems import Message, Problem
from solver import ANSWER_MARK, OPENING
from teachers import Teacher


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One conversation to train on.

    Attributes:
        kind: Family of the problem.
        messages: A user turn and the assistant's reply, nothing else.
        reply_tokens: Length of the reply in tokens of the student's tokenizer.
    """

    kind: str
    messages: tuple[Message, ...]
    reply_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What became of the problems asked. They add up: asked = kept + both kinds of drops.

    Attributes:
        asked: Problems put to the teacher.
        kept: Samples in the training data.
        dropped_long: Replies above the cap.
        dropped_style: Replies without the opening or without an answer line at the end.
        system_removed: Kept samples whose conversation lost a system message.
    """

    asked: int
    kept: int
    dropped_long: int
    dropped_style: int
    system_removed: int

    def __post_init__(self) -> None:
        if self.asked != self.kept + self.dropped_long + self.dropped_style:
            msg = f"counts do not add up: {self}"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """The samples and how they came about."""

    samples: tuple[Sample, ...]
    counts: Counts
    long_kinds: dict[str, int]
    """Family -> number of replies dropped for length, where the long chains went."""

    def jsonl(self) -> bytes:
        """Return the data as JSON lines, the same bytes for the same samples."""
        rows = ({"kind": s.kind, "messages": list(s.messages)} for s in self.samples)
        return "".join(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows).encode()

    def sha256(self) -> str:
        """Return the identity of the data, the digest of `jsonl`."""
        return hashlib.sha256(self.jsonl()).hexdigest()

    def write(self, path: Path) -> None:
        """Write the JSON lines to a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.jsonl())


def drop_system(messages: Iterable[Message]) -> list[Message]:
    """Return the conversation without its system messages, as public recipes train on it."""
    return [message for message in messages if message["role"] != "system"]


def in_style(reply: str) -> bool:
    """Whether a reply opens with the phrase and closes with a filled answer line."""
    last = reply.rstrip().rsplit("\n", 1)[-1]
    return reply.startswith(OPENING) and last.startswith(ANSWER_MARK) and len(last) > len(ANSWER_MARK) + 1


def build(
    problems: Iterable[Problem],
    teacher: Teacher,
    *,
    count_tokens: Callable[[str], int],
    max_reply_tokens: int,
) -> Dataset:
    """Ask the teacher every problem and keep what the recipe keeps.

    Args:
        problems: What to ask, in order; the order is kept.
        teacher: Who answers.
        count_tokens: Length of a reply in the student's tokens.
        max_reply_tokens: Replies longer than this are dropped.

    Raises:
        TeacherError: The teacher gave no reply.
    """
    samples: list[Sample] = []
    long_kinds: dict[str, int] = {}
    asked = dropped_style = system_removed = 0
    for problem in problems:
        asked += 1
        reply = teacher.reply(problem).strip()
        length = count_tokens(reply)
        if not in_style(reply):
            dropped_style += 1
        elif length > max_reply_tokens:
            long_kinds[problem.kind] = long_kinds.get(problem.kind, 0) + 1
        else:
            system_removed += problem.system is not None
            turns = (*drop_system(problem.messages()), {"role": "assistant", "content": reply})
            samples.append(Sample(kind=problem.kind, messages=turns, reply_tokens=length))
    counts = Counts(
        asked=asked,
        kept=len(samples),
        dropped_long=sum(long_kinds.values()),
        dropped_style=dropped_style,
        system_removed=system_removed,
    )
    return Dataset(samples=tuple(samples), counts=counts, long_kinds=dict(sorted(long_kinds.items())))
