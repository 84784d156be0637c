"""Weights crossed with chat templates: is a difference the weights' doing, or the template's that came along? Pure.

Both models are asked a panel of items under both templates. The four cells of an item give three shares that add up to
the whole difference: the weights alone, the template alone, and what appears only where both come together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hydrometer.errors import UsageError
from hydrometer.outcomes import NOT_THE_MODELS_FAULT
from hydrometer.pairing import cluster_labels, counted
from hydrometer.provenance import ModelIdentity
from hydrometer.result import Finding, ItemResult, Standing
from hydrometer.shares import Share, TemplateShares
from hydrometer.stats.estimate import Estimate, Floats, Paired
from hydrometer.stats.multiplicity import holm
from hydrometer.stats.paired import estimate


def check_swapped(swapped: ModelIdentity, lender: ModelIdentity) -> None:
    """Refuse an engine that does not render the template it was lent.

    Raises:
        UsageError: It renders another one, so that the cells of the panel would be mixed up.
    """
    if swapped.template != lender.template:
        msg = (
            f"the {swapped.engine} engine cannot ask {swapped.label!r} under another chat template, so --template 2x2 "
            "cannot be done with it: use a .gguf file or a checkpoint folder, or --template base"
        )
        raise UsageError(msg)


def same_templates(base: ModelIdentity) -> Finding:
    """Return what stands instead of a panel where there is only one template."""
    return Finding(
        aspect="template 2x2",
        base=base.template,
        student=base.template,
        standing=Standing.NOTE,
        message="both models have the same chat template, so the whole difference is the weights'"
        if base.template
        else "neither chat template can be seen, so nothing can be told apart",
    )


def template_shares(
    items: Sequence[ItemResult], swapped: Sequence[ItemResult], *, alpha: float
) -> tuple[TemplateShares, ...]:
    """Return the shares over the whole panel first, then per capability; each over answered items, then strictly.

    Args:
        items: The audit's items, each model under its own template.
        swapped: The panel's items, each model under the other's template.
        alpha: Error rate; the intervals cover 1 - alpha.
    """
    own = {item.item_id: item for item in counted(items)}
    cells = [(own[other.item_id], other) for other in counted(swapped) if other.item_id in own]
    names = ["", *dict.fromkeys(item.capability for item, _ in cells)]
    if len(names) == 2:
        names = names[1:]
    return tuple(
        _shares(name, [pair for pair in cells if name in ("", pair[0].capability)], alpha, strict=strict)
        for name in names
        for strict in (False, True)
        if cells
    )


def _shares(
    name: str, cells: Sequence[tuple[ItemResult, ItemResult]], alpha: float, *, strict: bool
) -> TemplateShares:
    usable = [pair for pair in cells if _usable(pair, strict=strict)]
    scores = np.array([_scores(pair) for pair in usable], dtype=np.float64).reshape(-1, 4)
    base_own, base_swapped, student_swapped, student_own = scores.T
    clusters = cluster_labels([item.cluster or item.item_id for item, _ in usable])

    def found(before: Floats, after: Floats) -> Estimate:
        return estimate(Paired(base=before, student=after, clusters=clusters), 1.0 - alpha)

    weights, template = found(base_own, student_swapped), found(base_own, base_swapped)
    # A difference of differences reaches from -2 to 2: half of it is a difference of two scores in 0..1.
    both = found((base_swapped + student_swapped) / 2.0, (base_own + student_own) / 2.0)
    shown = holm([weights.p_value, template.p_value, both.p_value]) <= alpha
    total = found(base_own, student_own)
    means = [float(column.mean()) if usable else 0.0 for column in scores.T]
    return TemplateShares(
        capability=name,
        strict=strict,
        n=len(usable),
        base_own=means[0],
        base_swapped=means[1],
        student_swapped=means[2],
        student_own=means[3],
        total=_share(total, shown=total.p_value <= alpha),
        weights=_share(weights, shown=bool(shown[0])),
        template=_share(template, shown=bool(shown[1])),
        interaction=_share(both, 2.0, shown=bool(shown[2])),
        level=1.0 - alpha,
    )


def _share(found: Estimate, factor: float = 1.0, *, shown: bool) -> Share:
    return Share(
        difference=factor * found.difference,
        low=factor * found.low,
        high=factor * found.high,
        p_value=found.p_value,
        shown=shown,
    )


def _usable(pair: tuple[ItemResult, ItemResult], *, strict: bool) -> bool:
    replies = [reply for item in pair for reply in (item.base, item.student)]
    if strict:
        return not any(reply.status in NOT_THE_MODELS_FAULT for reply in replies)
    return all(reply.value is not None for reply in replies)


def _scores(pair: tuple[ItemResult, ItemResult]) -> tuple[float, float, float, float]:
    own, other = pair
    base_own, base_swapped, student_swapped, student_own = (
        reply.value or 0.0 for reply in (own.base, other.base, other.student, own.student)
    )
    return base_own, base_swapped, student_swapped, student_own
