"""What a card claims, as values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum


class ClaimKind(StrEnum):
    """What is claimed; each kind is tested as what it is."""

    SCORE = "score"
    DIFFERENCE = "difference"
    KEPT = "kept"
    BETTER = "better"
    LENGTH = "length ratio"
    SPEED = "speed ratio"
    CONTEXT = "context length"
    METHOD = "method"
    DATA = "training data"
    LINEAGE = "lineage"
    QUANTISATION = "quantisation"
    LICENCE = "licence"


STUDENT, BASE = "student", "base"

_LARGEST = 10_000_000
"""Items that a benchmark may have; a larger number on a card counts something else."""
_BOUNDS = {
    ClaimKind.SCORE: (0.0, 1.0),
    ClaimKind.DIFFERENCE: (-1.0, 1.0),
    ClaimKind.LENGTH: (1e-9, 1e9),
    ClaimKind.SPEED: (1e-9, 1e9),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One claim of a card.

    Attributes:
        kind: What is claimed.
        subject: Key of a benchmark, name of a capability, or what the quantity is of; `""` where the kind says it all.
        value: Scores and differences in 0..1; ratios as student over base, so that 0.7 is 30 % shorter; context in
            tokens; rank of a LoRA; number of training samples. None where the claim holds no number.
        digits: Decimals the card gives the value with, in percent; what rounding may hide.
        of: Whose it is: `student`, `base`, or the name of another model.
        up_to: Whether it says "up to": a claim about one condition only.
        settings: What the card says of how it was measured, see `settings.find_settings`.
        line: Line of the card, from 1.
        quote: The card's own words.
    """

    kind: ClaimKind
    subject: str = ""
    value: float | None = None
    digits: int = 0
    of: str = STUDENT
    up_to: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    line: int = 0
    quote: str = ""

    def __post_init__(self) -> None:
        """Refuse what no card can claim; a file of claims written by hand may hold anything.

        Raises:
            ValueError: A value or its decimals lie outside of what the kind allows.
        """
        low, high = _BOUNDS.get(self.kind, (-math.inf, math.inf))
        if self.value is not None and not (math.isfinite(self.value) and low <= self.value <= high):
            msg = f"{self.kind.value} {self.value}: must lie between {low:g} and {high:g}"
            raise ValueError(msg)
        if not 0 <= self.digits <= 12:
            msg = f"digits {self.digits}: must lie between 0 and 12"
            raise ValueError(msg)

    @property
    def items(self) -> int:
        """Number of items that its settings state, 0 where they state none that can be one."""
        stated = self.settings.get("items", "")
        return int(stated) if stated.isdecimal() and 2 <= int(stated[:9]) <= _LARGEST else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """Something that looks like a claim and could not be read, with its line and why."""

    line: int
    quote: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What was read from a card.

    Attributes:
        source: Where it came from.
        claims: In the order of the card.
        unread: What could not be read.
    """

    source: str
    claims: tuple[Claim, ...]
    unread: tuple[Unread, ...] = ()


class Answer(StrEnum):
    """What can be said of a claim."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    UNPROVEN = "unproven"
    NOT_COMPARABLE = "not comparable"
    IMPOSSIBLE = "impossible"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A claim with its answer.

    Attributes:
        claim: The claim.
        answer: What can be said of it.
        reasons: Why, in plain sentences, the decisive one first.
        low: Lower end of the interval of what was measured, in the unit of the claim's value; None without one.
        high: The upper end.
        items: Items behind it, in an audit's own names.
        plan: Command that would settle it, `""` if it is settled or nothing here can.
    """

    claim: Claim
    answer: Answer
    reasons: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    items: tuple[str, ...] = ()
    plan: str = ""

    def because(self, answer: Answer, words: str) -> Checked:
        """Return the claim with another answer, and what decides it before the other reasons."""
        return replace(self, answer=answer, reasons=(words, *self.reasons))
