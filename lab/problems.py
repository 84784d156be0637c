"""Problems with worked solutions: the questions of the bundled distillation and what its solver knows.

A problem is drawn from a seed, never read from a file, so the training data can be made again anywhere.
What this module does not do: ask a teacher (`teachers`) or decide which replies are kept (`dataset`).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Message = dict[str, str]
"""One chat turn with the keys `role` and `content`."""

PEOPLE = ("Anna", "Ben", "Cara", "David", "Elena", "Farid", "Grace", "Hugo", "Ines", "Jonas", "Kira", "Liam")
GOODS = ("apples", "pencils", "stickers", "marbles", "books", "cookies", "shells", "stamps", "cards", "coins")

SYSTEM_SHARE = 0.3
"""Share of problems that arrive with a system message, about what public trace collections carry."""

_SYSTEMS = (
    "You are a patient tutor.",
    "You are a helpful assistant.",
    "Answer with the result only.",
    "Reply in one short sentence.",
    "You are a careful assistant. Never show your working.",
    "Always answer in capital letters.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A question with its worked solution.

    Attributes:
        prompt: What the user asks.
        goal: What is to be found, as the first step of the trace words it.
        steps: The work, one line each.
        answer: The final answer, as short as it can be said.
    """

    prompt: str
    goal: str
    steps: tuple[str, ...]
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A draft with its family and the conversation it comes in.

    Attributes:
        kind: Name of the family, a key of `solver.KINDS`.
        draft: Question and worked solution.
        system: System message of the conversation, or None.
    """

    kind: str
    draft: Draft
    system: str | None

    def messages(self) -> list[Message]:
        """Return the conversation up to the question."""
        head = [] if self.system is None else [{"role": "system", "content": self.system}]
        return [*head, {"role": "user", "content": self.draft.prompt}]


Maker = Callable[[random.Random], Draft]
"""Draws one question of a family."""


def draw(kinds: dict[str, Maker], count: int, seed: int) -> Iterator[Problem]:
    """Draw problems with no question asked twice, the families taking turns.

    Args:
        kinds: The families by name.
        count: Number of problems.
        seed: The same seed gives the same problems.

    Raises:
        ValueError: The families cannot give that many different questions.
    """
    rng = random.Random(seed)
    names = sorted(kinds)
    seen: set[str] = set()
    wasted = 0
    for position in range(10**9):
        if len(seen) >= count:
            return
        kind = names[position % len(names)]
        draft = kinds[kind](rng)
        system = rng.choice(_SYSTEMS) if rng.random() < SYSTEM_SHARE else None
        if draft.prompt in seen:
            wasted += 1
            if wasted > 20 * count + 1000:
                msg = f"{count} different questions cannot be drawn, only {len(seen)}: ask for fewer samples"
                raise ValueError(msg)
            continue
        seen.add(draft.prompt)
        yield Problem(kind=kind, draft=draft, system=system)


def listed(values: tuple[int, ...] | list[int]) -> str:
    """Return numbers as a list in a sentence."""
    return ", ".join(map(str, values))
