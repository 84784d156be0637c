"""What a report shows of drift, ready for a template."""

from __future__ import annotations

from dataclasses import dataclass

from hydrometer.report.drawing import Drawing


@dataclass(frozen=True, slots=True, kw_only=True)
class SurprisePiece:
    """Some characters of a reply.

    Attributes:
        text: The characters.
        level: How surprised the other model is, 0 for hardly to 3.
        fork: Whether the replies part here.
    """

    text: str
    level: int = 0
    fork: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SurpriseText:
    """One reply token by token.

    Attributes:
        title: Whose it is and who is surprised.
        thinking: Its thinking, empty without any.
        answer: Its answer.
    """

    title: str
    thinking: tuple[SurprisePiece, ...]
    answer: tuple[SurprisePiece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemSurprise:
    """Both replies of an item token by token, and the fork in words, `""` without one."""

    texts: tuple[SurpriseText, ...]
    fork: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRow:
    """A row of the table of distances."""

    name: str
    tokens: str
    kl: str
    interval: str
    same: str
    large: str
    largest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipRow:
    """A task: drift beside flips; `number` stands at its point in the picture."""

    number: int
    task: str
    kl: str
    interval: str
    flips: str
    items: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkRow:
    """A lost item and where its replies part."""

    anchor: str
    title: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftView:
    """Drift in a report.

    Attributes:
        skipped: Why there is none, `""` if there is.
        sentence: The distance in one sentence.
        rows: It by capability, reply and span, the base against itself last.
        tasks: Drift beside flips.
        curve: The fitted curve in words, or why there is none.
        drawing: The picture, None without a task.
        forks: Lost items, the first ones.
        more: Lost items with a fork that are not among them.
    """

    skipped: str
    sentence: str
    rows: tuple[DriftRow, ...] = ()
    tasks: tuple[FlipRow, ...] = ()
    curve: str = ""
    drawing: Drawing | None = None
    forks: tuple[ForkRow, ...] = ()
    more: int = 0
