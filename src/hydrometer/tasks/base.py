"""The task protocol: one source of items with its grader, belonging to one capability.

A task is one file of at most 120 lines. It makes item `i` from the seed and `i` alone, so that a smaller suite
is a prefix of a larger one and a base answered for the quick suite is not asked again for the full one. It
brings its own grader cases, and the contract suite runs them.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from random import Random
from typing import ClassVar

from hydrometer.errors import HydrometerError
from hydrometer.graders.choice import grade_choice
from hydrometer.items import Decoding, Item, Kind
from hydrometer.outcomes import Completion, Grade, Status

FILE_PREFIX = "file:"
"""Begins the name of a task that a user's file holds."""

LM_EVAL_PREFIX = "lm_eval:"
"""Begins the name of a task of lm-eval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraderCase:
    """A reply whose grade is known: what a task's grader is tested with.

    Attributes:
        name: What the case shows: `right`, `wrong`, `empty`, `refusal`, `template_echo`, or a trap's name.
        item: The item it answers.
        reply: The answer text, thinking already split off.
        status: The status the grader must find.
        value: The value it must give, None unless graded.
    """

    name: str
    item: Item
    reply: str
    status: Status
    value: float | None = None


class Family(ABC):
    """Tasks whose source puts their scores together into figures of its own, which stand beside the verdicts.

    Attributes:
        name: Its name.
    """

    name: str

    @abstractmethod
    def figures(self, answers: Mapping[Task, Sequence[tuple[Item, Completion]]]) -> Mapping[str, float]:
        """Return one model's figures by what they are.

        Args:
            answers: What the model answered to the items of each member that was asked.

        Raises:
            ModelError: Code of the tasks failed.
        """


class Task(ABC):
    """One task. Subclasses set the class attributes and implement three methods.

    Attributes:
        name: Name in the catalogue.
        version: Raised whenever items or grades change.
        capability: What a reader cares about, the unit of verdicts.
        summary: One line for tables: what is asked.
        kind: How its items are asked.
        chance: Score that guessing reaches, subtracted nowhere but shown and used for the below-chance alarm.
        limit: Largest number of distinct items, 0 if there is no end.
        needs: Packages that its items or grades take.
        extra: Extra that installs them.
        refusal_is_answer: Whether a refusal is graded like any reply instead of counting as none.
        verbatim: Whether the task's own scoring takes every reply as it stands: cut, empty, or with its thinking.
        method: How choices must be scored, `""` for the best way that both models have in common.
        decoding: Sampling settings that belong to the task, None for the audit's.
        corpus: Whether its items are measured all together, by `corpus_metrics`, and stand beside the verdicts.
        group: Consecutive items made from one draw, such as the two twins of a minimal pair: `make` gets equal
            generators for them and tells them apart by the index. They share a `cluster`.
        together: Whether the items of a group count only together, see `graders.together`; chance is that of a group.
        sampled: Whether the items of a group are samples of one question: drawn even in a greedy audit, and together
            right if any of them is.
        asks_confidence: Whether its items ask how sure the model is, see `graders.confidence`.
        families: Families that it belongs to.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    capability: ClassVar[str]
    summary: ClassVar[str]
    kind: ClassVar[Kind] = Kind.GENERATE
    chance: ClassVar[float] = 0.0
    limit: ClassVar[int] = 0
    needs: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""
    refusal_is_answer: ClassVar[bool] = False
    verbatim: ClassVar[bool] = False
    method: ClassVar[str] = ""
    decoding: ClassVar[Decoding | None] = None
    corpus: ClassVar[bool] = False
    group: ClassVar[int] = 1
    together: ClassVar[bool] = False
    asks_confidence: ClassVar[bool] = False
    sampled: ClassVar[bool] = False
    families: ClassVar[tuple[Family, ...]] = ()

    def unavailable(self) -> str:
        """Return why the task cannot run on this machine, with the cure; `""` if it can."""
        missing = [name for name in self.needs if find_spec(name) is None]
        if not missing:
            return ""
        return f"{', '.join(missing)} not installed: pip install 'hydrometer[{self.extra}]'"

    @abstractmethod
    def make(self, rng: Random, index: int) -> Item:
        """Make item `index`; `rng` is seeded from the seed, the task and the index."""

    @abstractmethod
    def grade(self, item: Item, reply: str) -> Grade:
        """Judge a finished, unrefused, thinking-free reply. Not called for choice tasks."""

    def grade_choices(self, item: Item, completion: Completion) -> Grade:
        """Judge an item whose choices were all scored."""
        return grade_choice(item, completion.choices, completion.method)

    def corpus_metrics(self, answers: Sequence[tuple[Item, Completion]]) -> Mapping[str, float]:
        """Return what one model's answers to all items are worth together, for a task with `corpus`."""
        del answers
        return {}

    @abstractmethod
    def cases(self) -> Sequence[GraderCase]:
        """Replies whose grades are known, at least right, wrong, empty, refusal and template echo."""

    def items(self, n: int, seed: int) -> tuple[Item, ...]:
        """Return the first `n` distinct items for a seed.

        Raises:
            HydrometerError: The generator repeats itself so often that `n` distinct items cannot be made.
        """
        wanted = min(n, self.limit) if self.limit else n
        found: dict[str, Item] = {}
        clusters: set[str] = set()
        for turn in range(wanted * 20 + 100):
            if len(found) >= wanted:
                return tuple(found.values())[:wanted]
            first = turn * self.group
            group = [self.make(item_rng(self.name, seed, turn), first + place) for place in range(self.group)]
            own = {item.id: item for item in group}
            shared = {item.cluster for item in group} if self.group > 1 else set()
            # A group is new as a whole or left out as a whole, so that no cluster lacks an item or has one too many.
            if not (own.keys() & found.keys() or shared & clusters):
                found |= own
                clusters |= shared
        msg = f"task {self.name!r} made only {len(found)} distinct items of {wanted}"
        raise HydrometerError(msg)


def item_rng(task: str, seed: int, index: int) -> Random:
    """Return the random generator of one item, independent of every other item's."""
    entropy = hashlib.sha256(f"{task}|{seed}|{index}".encode()).digest()
    return Random(int.from_bytes(entropy[:8], "big"))  # noqa: S311 - reproducible items, not secrets
