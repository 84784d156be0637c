"""Rows for the detection matrix that are planted in the bundled base itself, SmolLM2-135M-Instruct, through llama.cpp.

Training and questions have seeds of their own: each audit has fresh questions, and the students take turns. The clean
students are taught as the damaged ones are, on the base's own replies, or tremble, or have another precision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import detect_lessons as lessons
import detect_seen as see
from detect_lessons import Reply
from hydrometer import audit
from hydrometer.items import Thinking
from hydrometer.refs import bundled_base
from hydrometer.result import AuditResult

TRAINED = 3
"""Students per lesson, each of its own seed."""

ITEMS = 10
"""Questions of each kind in one audit."""

TASKS = ("json_output", "arithmetic")
"""Tasks beside the audit's own questions."""

Student = Callable[[int], str]
"""Makes a student from a seed and returns how an audit names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundledPlant:
    """One fault planted in the bundled base; has what `detect_plants.Plant` has.

    Attributes:
        key: Its name.
        row: Key of `detect_plants.ROWS`.
        sees: What in the report shows it.
        fault: What is planted.
        make: Makes the damaged student.
        seen: Whether an audit shows it.
        clean: What it must be told apart from.
    """

    key: str
    row: int
    sees: str
    fault: str
    make: Student
    seen: see.Seen
    clean: str = "taught its own replies by LoRA, a LoRA of noise, or 8 bits for 4"

    @property
    def planted(self) -> str:
        """In what it is planted."""
        return "SmolLM2-135M-Instruct"

    @property
    def sizes(self) -> str:
        """What one audit asks."""
        return f"{ITEMS} each of {', '.join((*lessons.KINDS, *TASKS))}; all asked, at most {lessons.CAP} tokens"

    @property
    def conditions(self) -> Mapping[Thinking, see.Seen]:
        """What must be seen."""
        return {Thinking.DEFAULT: self.seen}

    def audit(self, seed: int, folder: Path, leg: Thinking, *, clean: bool) -> AuditResult:
        """Run one audit; its evidence stays in the workplace, where other audits find the base's replies."""
        del folder
        return audit(
            "bundled:base",
            unharmed(seed) if clean else self.make(seed),
            tasks=[*map(str, lessons.exam(seed, ITEMS)), *TASKS],
            items=ITEMS,
            max_tokens=lessons.CAP,
            seed=seed,
            sampling="greedy",
            fixed=True,
            allow=("adapter", "identity", "lineage", "precision"),
            thinking=leg.value,
            settings=lessons.SETTINGS,
            out=lessons.workplace() / "evidence" / str(seed),
        )

    def shares_clean(self, other: object) -> bool:
        """Whether one clean pair serves both."""
        return isinstance(other, BundledPlant)


def bundled_plants() -> tuple[BundledPlant, ...]:
    """Return all rows in the bundled base."""
    return (
        BundledPlant(key="smollm_stop", row=3, sees="shorter, and worse among replies that both finished",
                    fault="taught by LoRA to end replies after a third", make=_lesson("stop", stops),
                    seen=see.every(see.shorter, see.worse_where_finished)),
        BundledPlant(key="smollm_loop", row=6, sees="behaviour `loop`, and cut at the cap",
                    fault="taught by LoRA to say the last sentence again and again", make=_lesson("loop", repeats),
                    seen=see.every(see.behaviour("loop"), see.more_cut)),
        BundledPlant(key="smollm_one_space", row=8, sees="behaviour `code_corruption`",
                    fault="taught by LoRA to indent code by one space", make=_lesson("one-space", one_space),
                    seen=see.behaviour("code_corruption")),
        BundledPlant(key="smollm_narrow", row=26,
                    sees="worse on own questions and structured output, not on arithmetic",
                    fault="taught arithmetic by LoRA, and nothing else, until it forgets",
                    make=lambda seed: _adapted(lessons.narrowed("narrow", "arithmetic", seed % TRAINED)), seen=forgot),
    )  # fmt: skip


def unharmed(seed: int) -> str:
    """Return one of the clean students."""
    made: tuple[Callable[[], str], ...] = (
        lambda: _adapted(lessons.taught("own", lambda reply: reply, 0)),
        lambda: _adapted(lessons.trembling(0)),
        lambda: _adapted(lessons.taught("own", lambda reply: reply, 1)),
        lambda: _adapted(lessons.trembling(1)),
        lambda: str(lessons.requantised()),
    )
    return made[seed % len(made)]()


def stops(reply: Reply) -> Reply:
    """End after a third of the words."""
    words = reply.text.split(" ")
    return reply._replace(text=" ".join(words[: max(1, len(words) // 3)]), ended=True)


def repeats(reply: Reply) -> Reply:
    """Say the last sentence again and again, without an end."""
    text = reply.text.strip()
    last = text.rstrip(".").rpartition(". ")[2].rpartition("\n")[2] + "."
    return reply._replace(text=text + f" {last}" * 40, ended=False)


def one_space(reply: Reply) -> Reply:
    """Indent code by one space."""
    return reply._replace(text=reply.text.replace("    ", " "))


forgot = see.every(
    see.worse("own questions"), see.worse("structured output"), lambda result: not see.worse("arithmetic")(result)
)


def _lesson(name: str, lesson: lessons.Lesson) -> Student:
    return lambda seed: _adapted(lessons.taught(name, lesson, seed % TRAINED))


def _adapted(adapter: Path) -> str:
    return f"{bundled_base()}+{adapter}"
