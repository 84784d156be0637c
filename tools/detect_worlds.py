"""Scripted pairs of models for the detection matrix: tasks' own right and wrong replies, spoken with chance and noise.

Both models of a pair share how hard an item is; the student draws some items again, so that a clean pair flips
answers both ways and writes replies of other lengths, as two models of one ability do. Words count as tokens.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import NamedTuple, cast

from behaviour_grammar import Maker
from behaviour_judged import JUDGED
from hydrometer import audit
from hydrometer.catalog import load_task
from hydrometer.engines.base import Answer, Engine, EngineSettings
from hydrometer.engines.fake import FakeEngine, spoken
from hydrometer.items import Item, Message, Request, Thinking
from hydrometer.outcomes import ChoiceScore, Completion
from hydrometer.plan import SIDES
from hydrometer.provenance import ModelIdentity
from hydrometer.result import AuditResult
from hydrometer.spec import ModelRef
from hydrometer.tasks.common import RepliedTask

ABILITY = 0.75
"""Chance of a right reply where nothing else is said."""

CHURN = 0.06
"""Share of items that a student draws again; a quarter of it flips either way at most."""

PROSE = ("arithmetic", "word_problems", "long_chains", "competition_math")
"""Tasks whose graders look for the answer at the end, so that words may stand before it."""

_WORDS, _SPREAD, _OWN_SPREAD = 30.0, 0.5, 0.2
_BREACH = (
    "WELL, the weather, as ever, was fine; 12 people walked along the old canal, talked about this and that, looked at "
    "boats, ate some bread, and went home late. Nothing else happened, and nobody, not even a dog, cared; over and out"
)
"""Breaks most constraints that a task may set."""


class Said(NamedTuple):
    """A reply before it is marred.

    Attributes:
        task: The task.
        item: The item.
        request: What was asked.
        body: Words before the answer, `""` where the task wants the answer alone.
        answer: The task's right reply, or a wrong one.
        chance: The model's own source of chance for this reply.
        maker: Makes ordinary sentences, and faults.
    """

    task: RepliedTask
    item: Item
    request: Request
    body: str
    answer: str
    chance: Random
    maker: Maker

    @property
    def text(self) -> str:
        """The reply as a healthy model writes it."""
        return f"{self.body}\n{self.answer}".strip()

    @property
    def thought(self) -> str:
        """The same with the words inside a think block."""
        return f"<think>\n{self.body or self.maker.sentence()}\n</think>\n\n{self.answer}"


def same(_: Item, __: Request) -> float:
    """Ability of a model without strengths and weaknesses."""
    return ABILITY


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """How a model replies.

    Attributes:
        ability: Chance of a right reply to an item as it is requested.
        length: Factor of the length of replies.
        churn: Share of items drawn again, apart from the base.
        thinks: Whether words stand in a think block, unless thinking is switched off.
        mar: Damages a reply.
        share: Share of the replies that are damaged.
        facts: What its identity says otherwise.
        template: Name of its own chat template, `""` for one that cannot be seen.
        under: Change of ability under a template, by its name.
    """

    ability: Callable[[Item, Request], float] = same
    length: float = 1.0
    churn: float = CHURN
    thinks: bool = False
    mar: Callable[[Said], str] | None = None
    share: float = 1.0
    facts: Mapping[str, object] = field(default_factory=dict)
    template: str = ""
    under: Mapping[str, float] = field(default_factory=dict)


class World:
    """The two models of a pair, and the questions they will be asked.

    Args:
        tasks: Names of the tasks.
        items: Items per task.
        seed: Seed of the items and of all chance.
        voices: How base and student reply, and a teacher where there is one.
    """

    def __init__(self, tasks: Sequence[str], items: int, seed: int, voices: Mapping[str, Voice]) -> None:
        self.seed, self._voices = seed, voices
        self._asked: dict[tuple[Message, ...], tuple[RepliedTask, Item]] = {}
        self._pool: dict[str, tuple[Item, ...]] = {}
        for name in tasks:
            task = cast("RepliedTask", load_task(name))
            self._pool[name] = task.items(items, seed)
            self._asked |= {item.messages: (task, item) for item in self._pool[name]}

    def open(self, ref: ModelRef, settings: EngineSettings) -> Engine:
        """Open one side, as an audit's `opener`."""
        voice = self._voices[ref.target]
        return Scripted(self, ref.target, voice, settings.chat_template or voice.template)

    def chance(self, side: str, request: Request, item: Item) -> Random:
        """Return a model's own chance for one reply, another one where it is asked again on purpose."""
        return Random(f"{self.seed}|{side}|{item.id}|{request.take}|{request.thinking}|{request.seed}")

    def right(self, side: str, request: Request, item: Item, template: str = "") -> bool:
        """Return whether a model is right: by the item's luck, or by its own where it draws again."""
        voice, own = self._voices[side], self.chance(f"{side} luck", request, item)
        luck = Random(f"{self.seed}|{item.id}").random()
        again = own.random() < (voice.churn if side == SIDES[1] else CHURN / 2 if request.take else 0.0)
        ability = voice.ability(item, request) + voice.under.get(template, 0.0)
        return (own.random() if again else luck) < ability

    def reply(self, side: str, request: Request, template: str) -> str:
        """Return what a model writes."""
        task, item = self._asked[request.messages]
        voice, own = self._voices[side], self.chance(side, request, item)
        # The bank of phrases on which no detector was developed.
        maker = Maker(JUDGED, own)
        answer = (
            task.gold_reply(item) if self.right(side, request, item, template) else self._wrong(task, item)
        )
        shared = Random(f"{self.seed}|words|{item.id}").gauss(0.0, _SPREAD)
        words = _WORDS * voice.length * math.exp(shared + own.gauss(0.0, _OWN_SPREAD))
        body = (
            _cut_after(maker.prose(int(9 * words) + 60), words) if task.name in PROSE or voice.thinks else ""
        )
        said = Said(task, item, request, body, answer, own, maker)
        if voice.mar and own.random() < voice.share:
            return voice.mar(said)
        return said.thought if voice.thinks and request.thinking is not Thinking.OFF else said.text

    def scores(self, side: str, request: Request) -> tuple[ChoiceScore, ...]:
        """Return scores by which a model picks the right choice, or another one."""
        _, item = self._asked[request.messages]
        wrong = (int(item.answer) + 1) % len(item.choices)
        picked = int(item.answer) if self.right(side, request, item) else wrong
        return tuple(
            ChoiceScore(logprob=(-0.1 if index == picked else -1.0) * len(choice.encode()), tokens=1)
            for index, choice in enumerate(request.choices)
        )

    def _wrong(self, task: RepliedTask, item: Item) -> str:
        """Return the right reply to another item that is wrong here, or one that breaks what was asked."""
        others = Random(f"{self.seed}|wrong|{item.id}").sample(
            self._pool[task.name], min(6, len(self._pool[task.name]))
        )
        for said in (*(task.gold_reply(other) for other in others), _BREACH, "rain"):
            if task.grade(item, said).value == 0.0:
                return said
        return _BREACH


class Scripted(FakeEngine):
    """One side of a world as an engine."""

    def __init__(self, world: World, side: str, voice: Voice, template: str) -> None:
        super().__init__(self._said, side, f"{side}-{world.seed}")
        self._world, self._side, self._voice, self._template = world, side, voice, template

    @property
    def chat_template(self) -> str:
        """Name of the template in use, which stands for its source."""
        return self._template

    def identity(self) -> ModelIdentity:
        """Return who answers."""
        dialect = "qwen" if self._voice.thinks else "none"
        facts = {"dialect": dialect, "template": self._template, **self._voice.facts}
        return replace(super().identity(), **facts)  # type: ignore[arg-type]

    def score(self, requests: Sequence[Request], method: str) -> Iterator[Answer]:
        """Yield a score per choice."""
        for request in requests:
            choices = self._world.scores(self._side, request)
            yield Answer(request, Completion(choices=choices, method=method))

    def _said(self, request: Request) -> Completion:
        return spoken(request, self._world.reply(self._side, request, self._template))


def run(
    folder: Path,
    tasks: Sequence[str],
    items: int,
    seed: int,
    *,
    voices: Mapping[str, Voice],
    options: Mapping[str, object],
) -> AuditResult:
    """Audit one pair, as the command line does, and return the result; a third voice is the teacher."""
    world = World(tasks, items, seed, voices)
    refs = {who: ModelRef(text=who, engine="fake", target=who) for who in voices}
    return audit(
        refs["base"],
        refs["student"],
        teacher=refs.get("teacher"),
        tasks=tasks,
        items=items,
        seed=seed,
        out=folder,
        opener=world.open,
        **options,  # type: ignore[arg-type]
    )


def _cut_after(text: str, words: float) -> str:
    """Return the first sentences of at least so many words."""
    kept: list[str] = []
    for sentence in text.replace("\n\n", " ").split(". "):
        kept.append(sentence.rstrip("."))
        if sum(len(part.split()) for part in kept) >= words:
            break
    return ". ".join(kept) + "."
