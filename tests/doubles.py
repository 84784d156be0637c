"""A scripted model and a tiny task for tests of the loop: what is asked, in which order, and what comes of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from random import Random

from hydrometer.engines.base import Answer, Capabilities, ClosingEngine, EngineSettings
from hydrometer.items import Item, Kind, Message, Request
from hydrometer.outcomes import ChoiceScore, Completion, Grade
from hydrometer.provenance import ModelIdentity
from hydrometer.spec import ModelRef
from hydrometer.tasks.base import GraderCase, Task

REF = {
    "base": ModelRef(text="base", engine="fake", target="base"),
    "student": ModelRef(text="student", engine="fake", target="student"),
}


class Adding(Task):
    name, capability, summary = "adding", "arithmetic", "a sum"

    def make(self, rng: Random, index: int) -> Item:
        return Item(task=self.name, messages=(Message("user", f"{index}+{index}"),), answer=2 * index)

    def grade(self, item: Item, reply: str) -> Grade:
        found = re.findall(r"\d+", reply)
        if not found:
            return Grade.unparsed("no number")
        return Grade.right(found[-1]) if int(found[-1]) == item.answer else Grade.wrong(found[-1])

    def cases(self) -> Sequence[GraderCase]:
        return ()


class Choosing(Task):
    name, capability, summary, kind, chance = "choosing", "knowledge", "a choice", Kind.CHOICES, 0.5

    def make(self, rng: Random, index: int) -> Item:
        return Item(
            task=self.name, messages=(Message("user", f"q{index}"),), answer=0, choices=("yes", "no!")
        )

    def grade(self, item: Item, reply: str) -> Grade:
        raise AssertionError

    def cases(self) -> Sequence[GraderCase]:
        return ()


Script = Callable[[Request], Completion]


def adder(request: Request) -> Completion:
    """The right sum."""
    left, right = request.messages[-1].content.split("+")
    return Completion(text=str(int(left) + int(right)), completion_tokens=1, prompt_tokens=3)


class Scripted(ClosingEngine):
    """Answers from a function; counts every request it was asked."""

    def __init__(self, label: str, script: Script, asked: list[Request], **identity: object) -> None:
        self._label, self._script, self._asked, self._identity = label, script, asked, identity
        self.capabilities = Capabilities(choice_methods=("continuation",), token_ids=False, local=True)
        self.chat_template = ""

    def identity(self) -> ModelIdentity:
        facts = {
            "weights": self._label,
            "tokenizer": "t",
            "template": "c",
            "engine": "scripted",
            "engine_version": "1",
        }
        return ModelIdentity(label=self._label, **{**facts, **self._identity})  # type: ignore[arg-type]

    def generate(self, requests: Sequence[Request]) -> Iterator[Answer]:
        for request in reversed(requests):
            self._asked.append(request)
            yield Answer(request, self._script(request))

    def score(self, requests: Sequence[Request], method: str) -> Iterator[Answer]:
        for request in requests:
            self._asked.append(request)
            scores = tuple(ChoiceScore(logprob=-float(i), tokens=1) for i in range(len(request.choices)))
            yield Answer(request, Completion(choices=scores, method=method))


class World:
    """Two scripted models behind an opener, with a record of what each was asked."""

    def __init__(self, base: Script = adder, student: Script = adder, **student_identity: object) -> None:
        self.asked: dict[str, list[Request]] = {"base": [], "student": []}
        self.opened: list[str] = []
        self._scripts = {"base": base, "student": student}
        self._identities: dict[str, dict[str, object]] = {"base": {}, "student": student_identity}

    def open(self, ref: ModelRef, settings: EngineSettings) -> Scripted:
        self.opened.append(ref.target)
        return Scripted(
            ref.target, self._scripts[ref.target], self.asked[ref.target], **self._identities[ref.target]
        )
