"""What the audit was shown to detect: planted faults, how often each was seen, how often a clean pair raised it.

The numbers are measured by `python tools/measure_detects.py` in the source tree, which sends planted worlds through
whole audits, and are shipped as data. Nothing is measured here.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

from pydantic import ConfigDict, TypeAdapter, with_config

ENOUGH = 0.9
"""Share of planted faults that must be seen for a row to count as shown."""

TOLERATED = 0.05
"""Share of clean pairs that may raise it."""

_STRICT = ConfigDict(extra="forbid")


@with_config(_STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """One planted fault, measured.

    Attributes:
        key: Its name, unique.
        row: Number of the kind of damage that it belongs to; several plants may share one.
        detects: That kind of damage in a few words.
        sees: What in the report shows it.
        fault: What was planted.
        clean: What it must be told apart from.
        planted: In what: `scripted replies`, or a real model by its name.
        sizes: Tasks and items of one audit.
        seen: Audits of planted pairs that showed it.
        pairs: Audits of planted pairs, each with its own seed.
        alarms: Audits of clean pairs that showed it.
        clean_pairs: Audits of clean pairs.
    """

    key: str
    row: int
    detects: str
    sees: str
    fault: str
    clean: str
    planted: str
    sizes: str
    seen: int
    pairs: int
    alarms: int
    clean_pairs: int

    def __post_init__(self) -> None:
        """Refuse counts that cannot be."""
        if not (0 <= self.seen <= self.pairs >= 1 and 0 <= self.alarms <= self.clean_pairs >= 1):
            msg = f"{self.key}: seen {self.seen} of {self.pairs}, alarms {self.alarms} of {self.clean_pairs}"
            raise ValueError(msg)

    @property
    def shown(self) -> bool:
        """Whether it is seen often enough, with few enough false alarms, over more than one seed."""
        seen, alarms = self.seen / self.pairs, self.alarms / self.clean_pairs
        return min(self.pairs, self.clean_pairs) > 1 and seen >= ENOUGH and alarms <= TOLERATED


@with_config(_STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A kind of damage, or a side of one, for which nothing was measured."""

    row: int
    detects: str
    why: str


@with_config(_STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """The detection matrix.

    Attributes:
        command: The command that measured it, to be run in the source tree.
        detections: Planted faults in the order of their rows.
        missing: What was not measured, with the reason.
    """

    command: str
    detections: tuple[Detection, ...]
    missing: tuple[Missing, ...] = ()


MATRIX: TypeAdapter[Matrix] = TypeAdapter(Matrix)
"""Reads and writes the shipped file."""


def load_matrix() -> Matrix:
    """Return the matrix that is shipped with the package."""
    return MATRIX.validate_json(files("hydrometer").joinpath("data", "detects.json").read_bytes())
