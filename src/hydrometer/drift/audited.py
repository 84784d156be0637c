"""Drift as a part of an audit: both models read the replies of both, and what came of each item stands beside it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace

import numpy as np

from hydrometer.catalog import open_reader
from hydrometer.distances import (
    AuditDrift,
    Distance,
    FlipCurve,
    Fork,
    ForkSide,
    ItemDrift,
    Mean,
    ReplyDrift,
    SpanSums,
    Surprise,
    TaskDrift,
)
from hydrometer.drift.base_side import side_of
from hydrometer.drift.pair import Pair
from hydrometer.drift.reading import Read
from hydrometer.drift.replies import StoredReply, as_passages, stored_replies
from hydrometer.drift.result import DriftResult
from hydrometer.drift.rows import REPLY_WINDOW, make_rows
from hydrometer.drift.summary import mean
from hydrometer.drift.texts import Passage
from hydrometer.engines.base import EngineSettings
from hydrometer.errors import HydrometerError
from hydrometer.progress import Progress
from hydrometer.provenance import Environment
from hydrometer.result import AuditResult, ItemResult, Reply
from hydrometer.stats.estimate import Floats, Ints
from hydrometer.stats.flips import fit_flips
from hydrometer.stats.tokens import TokenDrift
from hydrometer.store import Store

SURPRISING = 1.0
"""Nats from which on a token is said to surprise the other model: it finds it 2.7 times less probable."""

_NEAR = 1e-6


def audit_drift(
    result: AuditResult, store: Store, settings: EngineSettings, progress: Progress, environment: Environment
) -> AuditDrift:
    """Let both models read the replies of an audit.

    Args:
        result: The audit.
        store: Its evidence.
        settings: Engine settings.
        progress: Who is told what happens.
        environment: Record of the machine.

    Returns:
        What was found, or in `skipped` why nothing was: that must not cost an audit whose verdict stands.
    """
    clock = time.perf_counter()
    try:
        found = _read(result, store, settings, progress, environment)
    except HydrometerError as error:
        found = AuditDrift(skipped=str(error))
    return replace(found, seconds=time.perf_counter() - clock)


def _read(
    result: AuditResult, store: Store, settings: EngineSettings, progress: Progress, environment: Environment
) -> AuditDrift:
    replies = stored_replies(result, store)
    refs = result.spec.base, result.spec.student
    settings = replace(settings, context=settings.context or REPLY_WINDOW)
    with ExitStack() as stack:
        progress.start("open both models to read", 2)
        base = stack.enter_context(open_reader(refs[0], settings))
        texts = as_passages(replies, base.chat_template)
        progress.advance()
        student = stack.enter_context(base.beside(refs[1]) or open_reader(refs[1], settings))
        progress.advance()
        threads = settings.threads or os.cpu_count() or 1
        window = min([settings.context, *(reader.context for reader in (base, student) if reader.context)])
        pair = Pair(student, texts, window, threads, progress)
        whole = pair.result(side_of(base, threads=threads), make_rows(base, texts, window), environment)
    if pair.read is None:
        return AuditDrift(skipped="the two tokenizers differ, so only bits per byte can be compared", bits=whole.bits)
    return _made(result, replies, texts, whole, pair.read)


def _made(
    result: AuditResult, replies: Sequence[StoredReply], texts: Sequence[Passage], whole: DriftResult, read: Read
) -> AuditDrift:
    order = np.lexsort((read.starts, read.documents))
    documents = read.documents[order]
    own = {(reply.side, reply.item): number for number, reply in enumerate(replies)}
    parts: dict[int, _Part] = {}
    for number in np.unique(documents):
        index = order[slice(*np.searchsorted(documents, [number, number + 1]))]
        parts[int(number)] = _Part(texts[number], replies[number], read.tokens.take(index), read.starts[index])
    items = []
    for item in result.items:
        pair = [parts.get(own.get((side, item.item_id), -1)) for side in ("base", "student")]
        if any(pair):
            items.append(_item(item, *pair))
    tasks, curve = drift_tables(result.items, items)
    return AuditDrift(
        bits=whole.bits,
        whole=whole.whole,
        groups=whole.groups,
        sources=whole.sources,
        spans=whole.spans,
        floor=whole.floor,
        cut=whole.cut,
        window=whole.window,
        items=tuple(items),
        tasks=tasks,
        curve=curve,
    )


def drift_tables(
    items: Sequence[ItemResult], drifts: Iterable[ItemDrift]
) -> tuple[tuple[TaskDrift, ...], FlipCurve | None]:
    """Return drift beside flips, per task and as a curve over all items; `verify` makes them again.

    Args:
        items: The items of an audit, graded.
        drifts: Those that were read.
    """
    known = {drift.item_id: drift for drift in drifts}
    rows = [
        (item.task, item.change in ("lost", "gained"), *_behind_the_prompt(known[item.item_id]))
        for item in items
        if item.item_id in known and item.change != "unanswered"
    ]
    rows = [row for row in rows if row[3]]
    tasks = []
    for task in dict.fromkeys(row[0] for row in rows):
        part = [row for row in rows if row[0] == task]
        sums, counts = np.array([row[2] for row in part]), np.array([row[3] for row in part])
        kl = _mean_of_sums(sums, counts)
        tasks.append(TaskDrift(task=task, items=len(part), flips=sum(row[1] for row in part), kl=kl))
    flipped = np.array([row[1] for row in rows], dtype=bool)
    fit = fit_flips(np.array([row[2] / row[3] for row in rows]), flipped)
    curve = FlipCurve(**fit._asdict(), items=len(rows), flips=int(flipped.sum())) if fit else None
    return tuple(tasks), curve


def follows(items: Sequence[ItemResult], drift: AuditDrift) -> str:
    """Return what in a drift does not follow from its items, `""` if all does.

    What each token was like to a model cannot be known without it; everything that is made from that can.
    """
    if _comparable(drift_tables(items, drift.items)) != _comparable((drift.tasks, drift.curve)):
        return "its drift per task or its curve does not follow from its items"
    capability = {item.item_id: item.capability for item in items}
    if unknown := {found.item_id for found in drift.items} - capability.keys():
        return f"its drift names {len(unknown)} items that were not asked"
    for rows, name_of in (
        ([drift.whole] if drift.whole else [], lambda *_: "all"),
        (drift.groups, lambda item, *_: capability[item.item_id]),
        (drift.sources, lambda _, side, __: f"replies of the {side}"),
        (drift.spans, lambda _, __, span: span.name),
    ):
        for row in rows:
            spans = [
                span
                for item in drift.items
                for side, reply in (("base", item.base), ("student", item.student))
                for span in (reply.spans if reply else ())
                if name_of(item, side, span) == row.name
            ]
            if not _adds_up(row, spans):
                return f"its drift over {row.name!r} does not follow from its items"
    return ""


def _comparable(tables: tuple[tuple[TaskDrift, ...], FlipCurve | None]) -> list[object]:
    """Tables with the last digits of sums and fits, which differ between machines, left out."""
    tasks, curve = tables
    numbers = [(t.task, t.items, t.flips, *(_rounded(v) for v in (t.kl.value, t.kl.low, t.kl.high))) for t in tasks]
    fit = curve and (*(_rounded(v) for v in (curve.level, curve.slope, curve.slope_error)), curve.items, curve.flips)
    return [numbers, fit]


def _rounded(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _adds_up(row: Distance, spans: Sequence[SpanSums]) -> bool:
    count = sum(span.tokens for span in spans)
    return count == row.tokens and all(
        abs(sum(getattr(span, name) for span in spans) / count - getattr(row, name).value) < _NEAR
        for name in ("kl", "reverse", "change", "same")
    )


def _behind_the_prompt(drift: ItemDrift) -> tuple[float, int]:
    """Divergence and tokens of both replies."""
    spans = [span for reply in (drift.base, drift.student) if reply for span in reply.spans if span.name != "prompt"]
    return sum(span.kl for span in spans), sum(span.tokens for span in spans)


def _mean_of_sums(sums: Floats, counts: Ints) -> Mean:
    """A mean over tokens clustered by item, from the items' sums: nothing else of them matters to its error."""
    return mean(np.repeat(sums / counts, counts), np.repeat(np.arange(len(sums)), counts))


class _Part:
    """One reply, read by both models: its tokens in their order."""

    def __init__(self, text: Passage, reply: StoredReply, tokens: TokenDrift, starts: Ints) -> None:
        self.text, self.said, self.tokens = text, text.text[text.prompt :], tokens
        self.side = reply.side
        # Within the reply; the prompt lies before 0.
        self.starts = starts - text.prompt
        # Some tokens are a part of a character: such a one ends where the character does.
        edges = np.append(np.unique(self.starts), len(self.said))
        self.ends = edges[np.searchsorted(edges, self.starts, side="right").clip(max=len(edges) - 1)]

    def drift(self, reply: Reply) -> ReplyDrift:
        """Sums by span, and what surprises the other model."""
        names = np.array([self.text.span(int(start) + self.text.prompt) for start in self.starts])
        spans = []
        for name in dict.fromkeys(names.tolist()):
            own = self.tokens.take(names == name)
            sums = {key: float(getattr(own, key).sum()) for key in ("kl", "reverse", "change")}
            spans.append(SpanSums(name=name, tokens=len(own.kl), **sums, same=int(own.same.sum())))
        nats = -self.tokens.change if self.side == "base" else self.tokens.change
        found = []
        for at in np.flatnonzero((nats >= SURPRISING) & (self.starts >= 0)):
            place, start = self.place(reply, int(self.starts[at]))
            if place:
                end = start + int(self.ends[at] - self.starts[at])
                found.append(Surprise(place=place, start=start, end=end, nats=round(float(nats[at]), 1)))
        return ReplyDrift(spans=tuple(spans), surprises=tuple(found))

    def place(self, reply: Reply, at: int) -> tuple[str, int]:
        """The text of a reply that a character stands in, and where; `""` for tags and blanks around them."""
        answer = self.said.rfind(reply.answer) if reply.answer else -1
        if 0 <= answer <= at < answer + len(reply.answer):
            return "answer", at - answer
        thinking = self.said.find(reply.thinking) if reply.thinking else -1
        if 0 <= thinking <= at < thinking + len(reply.thinking):
            return "thinking", at - thinking
        return "", 0

    def fork(self, reply: Reply, start: int) -> ForkSide | None:
        """The token that begins at a character."""
        index = np.flatnonzero(self.starts == start)
        place, at = self.place(reply, start)
        if not index.size or not place:
            return None
        first = int(index[0])
        return ForkSide(
            place=place,
            at=at,
            token=self.said[start : int(self.ends[first])],
            base=float(np.exp(self.tokens.base[first])),
            student=float(np.exp(self.tokens.student[first])),
        )


def _item(item: ItemResult, base: _Part | None, student: _Part | None) -> ItemDrift:
    return ItemDrift(
        item_id=item.item_id,
        base=base.drift(item.base) if base else None,
        student=student.drift(item.student) if student else None,
        fork=_fork(item, base, student) if base and student else None,
    )


def _fork(item: ItemResult, base: _Part, student: _Part) -> Fork | None:
    """Where two replies to one prompt part: the last token that begins alike before the first different character."""
    shorter = min(len(base.said), len(student.said))
    same = next((n for n in range(shorter) if base.said[n] != student.said[n]), shorter)
    if same == shorter:
        return None
    common = np.intersect1d(base.starts, student.starts)
    common = common[(common >= 0) & (common <= same)]
    if not common.size:
        return None
    sides = base.fork(item.base, int(common[-1])), student.fork(item.student, int(common[-1]))
    return Fork(base=sides[0], student=sides[1]) if sides[0] and sides[1] else None
