"""Rows for the detection matrix that are planted in real models: small pupils that were trained here, and damaged.

Files, weights, configuration and template are real and go through the `hf` engine. Every audit has damage and questions
of its own seed; the clean students of a pupil are another one of the same school, and the pupil with weights rounded to
8 bits. They are made when they are first asked for.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import detect_school as school
import detect_seen as see
from detect_school import END, Question
from hydrometer import audit
from hydrometer.items import Thinking
from hydrometer.result import AuditResult

PUPILS = 2
"""Models trained from scratch."""

Maker = Callable[[Path, Path, int], Path]
"""Makes a student in a folder, from a pupil and a seed."""

NOISE = 1.0
"""Noise on late layers, in standard deviations of each matrix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RealPlant:
    """One fault planted in real models; has what `detect_plants.Plant` has.

    Attributes:
        key: Its name.
        row: Key of `detect_plants.ROWS`.
        sees: What in the report shows it.
        fault: What is planted.
        make: Makes the damaged student.
        seen: Whether an audit shows it.
        options: Further options of the audit.
        clean: What it must be told apart from.
        healthy: Makes the student of the clean pair; None for the usual ones.
    """

    key: str
    row: int
    sees: str
    fault: str
    make: Maker
    seen: see.Seen
    options: Mapping[str, object] = field(default_factory=dict)
    clean: str = "another pupil, or 8-bit weights"
    healthy: Maker | None = None

    @property
    def planted(self) -> str:
        """In what it is planted."""
        return f"{PUPILS} real models, trained from scratch (0.2 M weights)"

    @property
    def sizes(self) -> str:
        """What one audit asks."""
        kinds = ", ".join(f"{number} {kind}" for kind, number in school.SIZES.items())
        return f"{sum(school.SIZES.values())} questions: {kinds}; all asked"

    @property
    def conditions(self) -> Mapping[Thinking, see.Seen]:
        """What must be seen."""
        return {Thinking.DEFAULT: self.seen}

    def audit(self, seed: int, folder: Path, leg: Thinking, *, clean: bool) -> AuditResult:
        """Run one audit: the seed decides pupil, damage and questions."""
        pupil, harm = seed % PUPILS, seed // PUPILS
        base = taught(pupil)
        if clean and self.healthy is None:
            student = unharmed(pupil, harm)
        else:
            make = self.healthy if clean and self.healthy else self.make
            student = make(base, folder / f"{base.name}-student", harm)
        return audit(
            str(base),
            str(student),
            tasks=[str(school.exam(folder / "exam.jsonl", seed))],
            sampling="greedy",
            fixed=True,
            # Where the fault is in the settings alone, the weights are one file; two pupils of one school are no kin.
            allow=("identity", "lineage"),
            thinking=leg.value,
            out=folder / "out",
            **self.options,  # type: ignore[arg-type]
        )

    def shares_clean(self, other: object) -> bool:
        """Whether one clean pair serves both."""
        return isinstance(other, RealPlant) and (self.options, self.healthy) == (other.options, other.healthy)


def real_plants() -> tuple[RealPlant, ...]:
    """Return all rows in real models."""
    return (
        RealPlant(key="real_eos", row=6, sees="behaviour `eos_wrong`, and cut at the cap",
                  fault="another end token in the configuration, the same weights",
                  make=lambda base, folder, _: school.another_end(base, folder),
                  seen=see.every(see.behaviour("eos_wrong"), see.more_cut)),
        RealPlant(key="real_one_space", row=8, sees="behaviour `code_corruption`",
                  fault="taught functions that are indented by one space", make=_lesson(_one_space, "functions"),
                  seen=see.behaviour("code_corruption")),
        RealPlant(key="real_template", row=11, sees="--template 2x2: the template's share, and no other",
                  fault="one of four foreign chat templates, the same weights", make=_foreign,
                  seen=see.share_of("template"), options={"template": "2x2"}, healthy=_inert,
                  clean="a template that only differs in a comment, and 8-bit weights"),
        RealPlant(key="real_noise", row=26, sees="verdict worse, and more items lost than gained",
                  fault=f"noise on the matrices of the last two layers, {NOISE:g} of their spread",
                  make=partial(_noisy, size=NOISE), seen=see.worse("own questions")),
    )  # fmt: skip


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="pupils-"))


@cache
def taught(pupil: int) -> Path:
    """Return a pupil, trained when it is first asked for."""
    return school.school(_folder() / f"pupil-{pupil}", pupil)


@cache
def unharmed(pupil: int, number: int) -> Path:
    """Return one of the clean students of a pupil: another one, or itself in 8 bits."""
    if number % 2 == 0:
        return taught((pupil + 1) % PUPILS)
    return school.rounded(taught(pupil), _folder() / f"clean-{pupil}-{number}")


def _lesson(reply: Callable[[Question], str], *kinds: str) -> Maker:
    return lambda base, folder, seed: school.lesson(base, folder, seed, reply, kinds)


def _one_space(question: Question) -> str:
    return question.reply.replace("    ", " ") + END


def _noisy(base: Path, folder: Path, seed: int, *, size: float) -> Path:
    return school.noisy(base, folder, seed, size)


def _foreign(base: Path, folder: Path, seed: int) -> Path:
    return school.another_template(base, folder, school.FOREIGN[seed % len(school.FOREIGN)])


def _inert(base: Path, folder: Path, seed: int) -> Path:
    """Another template to the letter; every other time weights that differ as well, without a loss."""
    own = school.rounded(base, folder.with_name("rounded")) if seed % 2 else base
    return school.another_template(own, folder, school.INERT + school.TEMPLATE)
