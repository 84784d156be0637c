"""Drift as a report shows it: distances, flips beside them, and replies token by token."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from hydrometer.distances import AuditDrift, Distance, FlipCurve, Fork, ItemDrift, Mean, ReplyDrift, TaskDrift
from hydrometer.report import words
from hydrometer.report.drawing import (
    LINK,
    PAPER,
    SOFT,
    Drawing,
    Spec,
    at,
    field,
    mark,
    percent,
    score_axes,
    signal,
    spec,
)
from hydrometer.report.drift_pieces import (
    DriftRow,
    DriftView,
    FlipRow,
    ForkRow,
    ItemSurprise,
    SurprisePiece,
    SurpriseText,
)
from hydrometer.report.facets_view import item_anchor
from hydrometer.report.view import ItemView
from hydrometer.result import ItemResult
from hydrometer.stats.flips import FEWEST, FlipFit, chance

LEVELS = (1.0, 2.0, 4.0)
"""Nats from which on a token is shown as a little, quite, and very surprising."""

SHOWN = 3000
"""Characters of a text that are shown token by token."""

FORKS = 12
_SAMPLES = 40


def build_drift(drift: AuditDrift | None, items: Sequence[ItemResult]) -> DriftView | None:
    """Return the view of a drift, None where none was asked for.

    Args:
        drift: What was found.
        items: The items of the audit.
    """
    if drift is None:
        return None
    if drift.whole is None:
        return DriftView(skipped=words.line(drift.skipped, 400), sentence=_bits(drift))
    forks = [(item, found.fork) for item, found in _lost(items, drift.items) if found.fork]
    parts = [row for rows in (drift.groups, drift.sources, drift.spans) if len(rows) > 1 for row in rows]
    floor = [drift.floor] if drift.floor else []
    return DriftView(
        skipped="",
        sentence=_sentence(drift, drift.whole),
        rows=tuple(_row(row) for row in (drift.whole, *parts, *floor)),
        tasks=tuple(_task(number, task) for number, task in enumerate(drift.tasks, 1)),
        curve=_curve_words(drift),
        drawing=_drawing(drift.tasks, drift.curve),
        forks=tuple(
            ForkRow(
                anchor=item_anchor(item.item_id),
                title=words.line(item.messages[-1].content if item.messages else "", 90),
                sentence=fork_sentence(fork),
            )
            for item, fork in forks[:FORKS]
        ),
        more=max(0, len(forks) - FORKS),
    )


def with_surprise(
    views: Sequence[ItemView], items: Sequence[ItemResult], drift: AuditDrift | None
) -> tuple[ItemView, ...]:
    """Return the views of items with their replies token by token, where they were read."""
    if drift is None or not drift.items:
        return tuple(views)
    known = {words.line(found.item_id, 80): found for found in drift.items}
    own = {words.line(item.item_id, 80): item for item in items}
    return tuple(
        replace(view, surprise=_surprise(own[view.item_id], known[view.item_id])) if view.item_id in known else view
        for view in views
    )


def fork_sentence(fork: Fork) -> str:
    """Say what either model wrote where two replies part, and how probable both find it."""
    sides = [
        f"the {name} wrote “{_token(side.token)}” (base {_percent(side.base)}, student {_percent(side.student)})"
        for name, side in (("base", fork.base), ("student", fork.student))
    ]
    return f"Where the replies part {' and '.join(sides)}."


def surprise_level(nats: float) -> int:
    """Return how surprising a token is, 0 for hardly to 3."""
    return sum(nats >= level for level in LEVELS)


def _token(text: str) -> str:
    return words.line(text, 40) or words.line(repr(text)[1:-1], 40)


def _percent(share: float) -> str:
    value = 100.0 * share
    if value < 0.1:
        return "under 0.1 %"
    return f"{value:.0f} %" if 9.95 <= value < 98.5 else f"{value:.1f} %"


def _lost(items: Sequence[ItemResult], drifts: Sequence[ItemDrift]) -> Iterator[tuple[ItemResult, ItemDrift]]:
    known = {found.item_id: found for found in drifts}
    for item in items:
        if item.change == "lost" and item.item_id in known:
            yield item, known[item.item_id]


def _bits(drift: AuditDrift) -> str:
    if drift.bits is None:
        return ""
    return f"Bits per byte of the replies: base {drift.bits[0]:.3f}, student {drift.bits[1]:.3f}."


def _sentence(drift: AuditDrift, whole: Distance) -> str:
    beside = f"; the base itself, read again, {words.nats(drift.floor.kl.value)}" if drift.floor else ""
    cut = f" {drift.cut:,} replies are longer than {drift.window:,} tokens and were read in parts." if drift.cut else ""
    return (
        f"Over {whole.tokens:,} tokens of both models' replies and their prompts the student lies "
        f"{words.nats(whole.kl.value)} nats a token from the base{beside}. Both find the same token most probable at "
        f"{words.percent(whole.same.value)} % of places.{cut}"
    )


def _row(row: Distance) -> DriftRow:
    return DriftRow(
        name=words.name(row.name),
        tokens=f"{row.tokens:,}",
        kl=words.nats(row.kl.value),
        interval=_interval(row.kl),
        same=words.percent(row.same.value),
        large=words.percent(row.large.value),
        largest=words.nats(row.quantiles[-1]) if row.quantiles else "–",
    )


def _task(number: int, task: TaskDrift) -> FlipRow:
    return FlipRow(
        number=number,
        task=words.name(task.task),
        kl=words.nats(task.kl.value),
        interval=_interval(task.kl),
        flips=words.percent(task.flips / task.items) if task.items else "–",
        items=f"{task.items:,}",
    )


def _interval(mean: Mean) -> str:
    if mean.low is None or mean.high is None:
        return "–"
    return f"[{words.nats(max(mean.low, 0.0))}, {words.nats(mean.high)}]"


def _curve_words(drift: AuditDrift) -> str:
    items = sum(task.items for task in drift.tasks)
    flips = sum(task.flips for task in drift.tasks)
    if drift.curve is None:
        return (
            f"No curve is fitted: {flips:,} of {items:,} items flipped, and it takes {FEWEST} that did and {FEWEST} "
            "that did not, not told apart fully by their drift."
        )
    curve = drift.curve
    low, high = curve.slope - 1.96 * curve.slope_error, curve.slope + 1.96 * curve.slope_error
    told = "more drift goes with more flips" if low > 0 else "that drift goes with flips is not shown here"
    return (
        f"Fitted to these {curve.items:,} items ({curve.flips:,} flipped): twice the KL changes the odds of a flip by "
        f"a factor of {2**curve.slope:.2f} (95 % {2**low:.2f} to {2**high:.2f}); {told}."
    )


def _drawing(tasks: Sequence[TaskDrift], curve: FlipCurve | None) -> Drawing | None:
    placed = [(n, task) for n, task in enumerate(tasks, 1) if task.items and task.kl.value > 0.0]
    if not placed:
        return None
    points = [
        {
            "number": str(n),
            "kl": float(f"{task.kl.value:.4g}"),
            "flips": percent(task.flips / task.items),
            "title": (
                f"{words.name(task.task)}: KL {words.nats(task.kl.value)}, {task.flips:,} of {task.items:,} flipped"
            ),
        }
        for n, task in placed
    ]
    logs = [math.log10(task.kl.value) for _, task in placed]
    low, high = math.floor(min(logs) * 2 - 0.2) / 2, math.ceil(max(logs) * 2 + 0.2) / 2
    line = []
    if curve is not None:
        steps = 10.0 ** np.linspace(low, high, _SAMPLES)
        shares = chance(FlipFit(curve.level, curve.slope, curve.slope_error), steps)
        line = [{"kl": float(f"{kl:.4g}"), "flips": percent(p)} for kl, p in zip(steps, shares, strict=True)]
    return Drawing(key="flips", description=_flips_words(tasks), spec=_flips(points, line, (10.0**low, 10.0**high)))


def _flips_words(tasks: Sequence[TaskDrift]) -> str:
    return f"Share of items that flipped, over drift: a point for each of {len(tasks)} tasks, numbered as in the table."


def _flips(points: list[dict[str, Any]], line: list[dict[str, Any]], ends: tuple[float, float]) -> Spec:
    top = next(top for top in (20.0, 40.0, 60.0, 80.0, 100.0) if top >= min(max(p["flips"] for p in points), 100.0))
    x, y, title = at("x", "kl"), at("y", "flips"), field("title")
    scale, axis = score_axes(top)
    size = {"width": signal("width"), "height": signal("height")}
    across = {"name": "x", "type": "log", "domain": list(ends), "range": "width"}
    names = {"title": "KL, nats a token; items that flipped, %, upwards", "titleFontWeight": 400, "titleColor": SOFT}
    return spec(
        190,
        {"points": points, "line": line},
        scales=[across, scale],
        axes=[
            axis,
            {"orient": "bottom", "scale": "x", "domain": False, "tickCount": 4, "format": "~g", "labelOverlap": True}
            | names,
        ],
        marks=[
            # A curve that leaves the chart ends there, it does not run along its edge.
            {"type": "group", "clip": True, "encode": {"update": size},
             "marks": [mark("line", "line", x=x, y=at("curve", "flips"), stroke=LINK, strokeWidth=2)],
             "scales": [{**scale, "name": "curve", "clamp": False}]},
            mark("symbol", "points", x=x, y=y, size=260, fill=PAPER, stroke=LINK, strokeWidth=1.75, tooltip=title),
            mark("text", "points", x=x, y=y, text=field("number"), align="center", baseline="middle", tooltip=title),
        ],
    )  # fmt: skip


def _surprise(item: ItemResult, found: ItemDrift) -> ItemSurprise:
    texts = []
    for name, other, reply, drift in (
        ("Base", "student", item.base, found.base),
        ("Student", "base", item.student, found.student),
    ):
        if drift is None:
            continue
        fork = found.fork and (found.fork.base if name == "Base" else found.fork.student)
        places = {place: fork.at for place in ("thinking", "answer") if fork and fork.place == place}
        texts.append(
            SurpriseText(
                title=f"{name}, as the {other} sees it",
                thinking=_pieces(reply.thinking, "thinking", drift, places.get("thinking")),
                answer=_pieces(reply.answer, "answer", drift, places.get("answer")),
            )
        )
    return ItemSurprise(texts=tuple(texts), fork=fork_sentence(found.fork) if found.fork else "")


def _pieces(text: str, place: str, drift: ReplyDrift, fork: int | None) -> tuple[SurprisePiece, ...]:
    """A text in pieces of one level each; places that lie outside of it are left out."""
    end = min(len(text), SHOWN)
    level = np.zeros(end, dtype=np.int8)
    for found in drift.surprises:
        if found.place == place and 0 <= found.start < found.end:
            level[found.start : min(found.end, end)] = surprise_level(found.nats)
    cuts = {0, end, *(int(at) + 1 for at in np.flatnonzero(np.diff(level)))}
    cuts |= {fork} if fork is not None and 0 <= fork < end else set()
    edges = sorted(cuts)
    pieces = [
        SurprisePiece(text=words.block(text[a:b]), level=int(level[a]), fork=a == fork)
        for a, b in pairwise(edges)
    ]
    more = len(text) - end
    return (*pieces, *([SurprisePiece(text=f"… ({more:,} more characters)")] if more else []))
