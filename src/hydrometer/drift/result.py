"""What a drift run found: frozen values, and their JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hydrometer.canon import to_plain
from hydrometer.distances import Distance
from hydrometer.provenance import Environment, ModelIdentity

SCHEMA_VERSION = 1
_NOTHING = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """What a single temperature explains.

    Attributes:
        temperature: The one of the student at which it lies nearest to the base.
        before: Divergence on the tokens that were tried.
        after: What is left of it at that temperature.
        tokens: Tokens that were tried.
    """

    temperature: float
    before: float
    after: float
    tokens: int

    @property
    def explained(self) -> float:
        """Share of the divergence that the temperature takes away."""
        return 1.0 - self.after / self.before if self.before > 0.0 else 0.0

    @property
    def words(self) -> str:
        """Sharpening, flattening or another order, in words."""
        if self.before < _NOTHING:
            return "there is no distance to explain"
        if self.explained < 0.5:
            return "another order of tokens, not a matter of temperature"
        return "mostly sharper: the same order" if self.temperature > 1.0 else "mostly flatter: the same order"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A token at which the two part most.

    Attributes:
        document: Name of the document.
        before: The text before it.
        token: The token of the text.
        kl: Divergence there.
        change: Log-probability of the token, student minus base.
    """

    document: str
    before: str
    token: str
    kl: float
    change: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the numbers know of the base where it was not compared over the whole vocabulary.

    Attributes:
        top_k: Tokens kept of each place.
        rest: Mean mass of the base beside them.
        reused: Whether the base was not read for this run.
        bytes: Size of the file.
    """

    top_k: int
    rest: float
    reused: bool
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftResult:
    """The result of a drift run.

    Attributes:
        base: Who the base is.
        student: Who the student is.
        vocabulary: Width of the compared distributions, 0 where the tokenizers differ.
        bits: Bits per byte of text, base and student.
        whole: All tokens; None where the tokenizers differ.
        groups: By what the texts belong to.
        sources: By whose replies they are, where an audit's are read.
        spans: By prompt, thinking and answer, or text.
        heat: What a single temperature explains; None where the tokenizers differ, or nothing was tried.
        floor: The base against itself in another batch; None where the tokenizers differ.
        places: Where the two part most.
        bytes: Bytes of text that were predicted.
        cut: Texts longer than the window, read in parts.
        window: Tokens read at once at most.
        seconds: Wall time of the reading.
        environment: Machine and packages.
        texts: Digest of the texts; numbers over other texts do not compare.
        kept: Where the base's side was kept in part, so that divergences are lower bounds; None where it was whole.
    """

    base: ModelIdentity
    student: ModelIdentity
    vocabulary: int
    bits: tuple[float, float]
    whole: Distance | None
    groups: tuple[Distance, ...]
    sources: tuple[Distance, ...]
    spans: tuple[Distance, ...]
    heat: Heat | None
    floor: Distance | None
    places: tuple[Place, ...]
    bytes: int
    cut: int
    window: int
    seconds: float
    environment: Environment
    texts: str = ""
    kept: Kept | None = None


def to_json(result: DriftResult) -> dict[str, Any]:
    """Return a result as plain JSON values."""
    plain: dict[str, Any] = to_plain(result)
    if result.heat is not None:
        plain["heat"] |= {"explained": result.heat.explained, "words": result.heat.words}
    return {"schema": SCHEMA_VERSION, "kind": "drift", **plain}
