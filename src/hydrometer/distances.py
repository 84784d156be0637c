"""How far two models' token distributions are apart: the values that a drift run and an audit carry. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

QUANTILES = (0.5, 0.9, 0.99, 0.999, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """A mean over tokens with its error, clustered by document.

    Attributes:
        value: The mean.
        low: Lower end of the 95 % interval; None where one document alone has no error.
        high: Its upper end.
    """

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """How far two models are apart on some tokens; logarithms are natural.

    Attributes:
        name: What the tokens belong to.
        tokens: Number of tokens that were predicted.
        documents: Number of documents that they come from.
        kl: Divergence of the student from the base.
        reverse: The other way.
        change: Log-probability of the text's own token, student minus base.
        same: Share of places where both find the same token most probable.
        overlap: Share of the five most probable tokens that both have (intersection over union).
        large: Share of tokens with a divergence above 1.
        quantiles: Divergence at the shares of `QUANTILES`, the last one the largest.
        gap: Estimate of how much larger `kl` is in truth where it is a lower bound, None where it is exact.
    """

    name: str
    tokens: int
    documents: int
    kl: Mean
    reverse: Mean
    change: Mean
    same: Mean
    overlap: Mean
    large: Mean
    quantiles: tuple[float, ...]
    gap: Mean | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanSums:
    """Sums over the tokens of one span of one reply; logarithms are natural.

    Attributes:
        name: `prompt`, `thinking` or `answer`.
        tokens: Tokens that were predicted.
        kl: Divergence of the student from the base.
        reverse: The other way.
        change: Log-probability of the reply's own tokens, student minus base.
        same: Places where both find the same token most probable.
    """

    name: str
    tokens: int
    kl: float
    reverse: float
    change: float
    same: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Surprise:
    """A token that surprises the model that did not write it.

    Attributes:
        place: `thinking` or `answer`, the text of the reply that it stands in.
        start: Its first character there.
        end: Behind its last one.
        nats: How much less probable it is to the other model than to the writer, as a logarithm.
    """

    place: str
    start: int
    end: int
    nats: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyDrift:
    """One reply, read by both models.

    Attributes:
        spans: Sums over its spans, the prompt before it included.
        surprises: Tokens that surprise the other model by a nat or more.
    """

    spans: tuple[SpanSums, ...]
    surprises: tuple[Surprise, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkSide:
    """One model's token at the place where two replies part.

    Attributes:
        place: `thinking` or `answer`.
        at: First character there.
        token: The token.
        base: Probability that the base gives it.
        student: Probability that the student gives it.
    """

    place: str
    at: int
    token: str
    base: float
    student: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """Where two replies to the same prompt part: the same text before, the first different token behind."""

    base: ForkSide
    student: ForkSide


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemDrift:
    """An item whose replies were read by both models.

    Attributes:
        item_id: The item.
        base: The base's reply, None where there was none to read.
        student: The same for the student.
        fork: Where the two part, None where they are the same or one ends where the other goes on.
    """

    item_id: str
    base: ReplyDrift | None
    student: ReplyDrift | None
    fork: Fork | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDrift:
    """Drift of a task beside its flips, over items that both models answered and that were read.

    Attributes:
        task: The task.
        items: Such items.
        flips: Items whose score changed.
        kl: Mean divergence over the tokens of both replies, prompts left out, clustered by item.
    """

    task: str
    items: int
    flips: int
    kl: Mean


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipCurve:
    """How the chance of a flip grows with an item's drift: log odds = level + slope log(KL), fitted to these items.

    Attributes:
        level: Log odds of a flip at a divergence of 1 nat a token.
        slope: How much they grow with each factor e of the divergence.
        slope_error: Standard error of the slope.
        items: Items behind it.
        flips: Those among them that flipped.
    """

    level: float
    slope: float
    slope_error: float
    items: int
    flips: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditDrift:
    """Both models over the replies of an audit.

    Attributes:
        skipped: Why nothing was compared token by token, `""` if it was.
        bits: Bits per byte of the texts, base and student; None where nothing was read.
        whole: All tokens; None where the tokenizers differ, or nothing was read.
        groups: By capability.
        sources: By whose replies they are.
        spans: By prompt, thinking and answer.
        floor: The base against itself in another batch.
        cut: Replies longer than the window, read in parts.
        window: Tokens read at once at most.
        items: The items that were read.
        tasks: Drift beside flips, task by task.
        curve: The two over all items; None where too few flipped, or none did not.
        seconds: Wall time.
    """

    skipped: str = ""
    bits: tuple[float, float] | None = None
    whole: Distance | None = None
    groups: tuple[Distance, ...] = ()
    sources: tuple[Distance, ...] = ()
    spans: tuple[Distance, ...] = ()
    floor: Distance | None = None
    cut: int = 0
    window: int = 0
    items: tuple[ItemDrift, ...] = ()
    tasks: tuple[TaskDrift, ...] = ()
    curve: FlipCurve | None = None
    seconds: float = 0.0
