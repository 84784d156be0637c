"""A drift as an audit carries it, made up for the items of a sample."""

from __future__ import annotations

from dataclasses import replace

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
from hydrometer.result import AuditResult, ItemResult


def distance(name: str, kl: float) -> Distance:
    mean = Mean(value=kl, low=kl / 2, high=kl * 2)
    return Distance(
        name=name,
        tokens=1000,
        documents=20,
        kl=mean,
        reverse=mean,
        change=mean,
        same=Mean(value=0.9, low=0.8, high=1.0),
        overlap=mean,
        large=Mean(value=0.01, low=None, high=None),
        quantiles=(0.0, 0.1, 0.2, 0.3, 4.0),
    )


def drifted(item: ItemResult) -> ItemDrift:
    text = item.base.answer
    reply = ReplyDrift(
        spans=(SpanSums(name="answer", tokens=9, kl=1.0, reverse=1.0, change=-1.0, same=8),),
        surprises=tuple(
            Surprise(place="answer", start=at, end=at + 6, nats=1.0 + at % 5) for at in range(0, max(1, len(text) - 6), 40)
        ),
    )
    sides = [ForkSide(place="answer", at=7, token=token, base=0.62, student=0.0004) for token in (" <b>no", "\n")]
    return ItemDrift(item_id=item.item_id, base=reply, student=reply, fork=Fork(base=sides[0], student=sides[1]))


def with_drift(result: AuditResult) -> AuditResult:
    drift = AuditDrift(
        bits=(1.0, 1.1),
        whole=distance("all", 0.2),
        groups=(distance("reasoning", 0.1), distance("<i>tool use", 0.3)),
        floor=distance("base itself", 0.004),
        items=tuple(drifted(item) for item in result.items if not item.choices),
        tasks=tuple(
            TaskDrift(task=f"task {n}", items=50, flips=5 * n, kl=Mean(value=0.05 * 2**n, low=0.01, high=0.9)) for n in range(5)
        ),
        curve=FlipCurve(level=0.5, slope=0.8, slope_error=0.2, items=250, flips=50),
        window=4096,
        cut=2,
    )
    return replace(result, drift=drift)
