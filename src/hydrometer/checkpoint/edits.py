"""What was done to a base: nothing, a copy in another format, a LoRA, dense training, a merge, or surgery.

Every weight is compared over some of its rows; a few matrices of every role that moved are looked at more closely.
All words are about files: "dense" says that the change has no low rank, not how it was trained.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from hydrometer.checkpoint.blocks import NOISE, Codes, compare_codes
from hydrometer.checkpoint.changes import SAMPLE, Change, total_relative
from hydrometer.checkpoint.grids import GRIDS, rounded
from hydrometer.checkpoint.inventory import Inventory, Pairing, Weight
from hydrometer.checkpoint.names import Place
from hydrometer.checkpoint.own_scales import (
    equal_on_scales,
    is_scaled,
    rounding_noise,
    same_codes,
    scaled_format,
)
from hydrometer.checkpoint.rank import LEARN, TEST, Rank, find_rank
from hydrometer.checkpoint.source import Rows
from hydrometer.checkpoint.surgery import Surgery, find_surgery
from hydrometer.checkpoint.sweep import sweep

Kind = Literal[
    "none", "cast", "quantised copy", "quantised fine-tune", "lora", "dense", "merge", "changed", "unknown"
]

LAYERS_PER_ROLE = 3
"""Matrices of a role that are looked at closely: the first, the middle and the last that moved."""
EXPERTS = 8
"""Experts that are compared, of those in a layer, unless every value is."""
GLANCE = 1 << 14
"""Values of a weight that a glance compares, of one expert in a layer."""
FAINT = 5e-4
"""Changes below this hide in bfloat16's grid: neither a rank nor its absence can be shown."""
_SHARE = 0.6
"""Share of a role's matrices that must have a rank before the role has one."""
_ON_GRID = 0.5
"""Cosine between the change and a grid's rounding error from which the base was on that grid; by chance 0.001."""
_FIT = 0.9
"""Share of the change that other models must explain before the student is called a merge of them."""
_CODES = ("F8_", "F4", "I8", "U8", "I32", "U32")
_LEAST_GRID = 0.01
"""Distance below which no change contains the rounding error of a grid: the finest, FP8, makes 0.026."""
_GRID_TRIES, _GRID_ROWS = 6, 128
_VOCABULARY = ("embed_tokens", "lm_head", "embed_tokens_per_layer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What was done to a base.

    Attributes:
        kind: The answer.
        changes: How far every shared weight moved.
        ranks: Matrix -> what its change looks like, for those looked at closely.
        rank: Rank of the LoRA, 0 for other kinds.
        grid: Grid that the base was rounded to before training, such as `NF4`; `""` for none.
        weights: Other model -> its share in a merge; the base has the rest.
        fit: Share of the change that the merge explains.
        codes: Codes of quantised weights that the base explains.
        surgery: What was cut or sewn on.
        reason: Why there is no better answer, `""` if there is one.
    """

    kind: Kind
    changes: tuple[Change, ...]
    surgery: Surgery
    ranks: Mapping[Place, Rank]
    rank: int = 0
    grid: str = ""
    weights: tuple[tuple[str, float], ...] = ()
    fit: float = 0.0
    codes: tuple[Codes, ...] = ()
    reason: str = ""

    @property
    def touched(self) -> tuple[Change, ...]:
        """Weights that moved."""
        return tuple(change for change in self.changes if change.changed)

    @property
    def relative(self) -> float:
        """Median relative distance of the weights that moved."""
        return total_relative(self.changes)

    def roles(self) -> dict[str, tuple[int, int]]:
        """Return for every role how many of its weights moved, and how many there are."""
        every = Counter(_role(change.place) for change in self.changes)
        moved = Counter(_role(change.place) for change in self.touched)
        return {role: (moved[role], count) for role, count in sorted(every.items())}

    def low_rank_roles(self) -> dict[str, int]:
        """Return the rank of every role whose change has a low one."""
        found: dict[str, list[int]] = {}
        for place, rank in self.ranks.items():
            found.setdefault(_role(place), []).append(rank.rank)
        return {
            role: _common(ranks)
            for role, ranks in sorted(found.items())
            if sum(rank > 0 for rank in ranks) >= _SHARE * len(ranks)
        }


def find_edit(
    base: Inventory,
    student: Inventory,
    pairing: Pairing,
    others: Sequence[Inventory] = (),
    *,
    full: bool = False,
    glance: bool = False,
    workers: int = 1,
    advance: Callable[[int, int], None] = lambda *_: None,
) -> Edit:
    """Find out what was done to a base.

    Args:
        base: The base, which the student comes from.
        student: The student.
        pairing: What they share.
        others: Models that may have been merged into the student.
        full: Compare every value instead of a sample of each weight.
        glance: Compare a small sample and do not ask how the weights were changed: `changed` is then the answer.
        workers: Processes that share a full pass.
        advance: Called after each weight with how many are done and how many there are.
    """
    surgery = find_surgery(base, student, pairing)
    most = None if full else GLANCE if glance else SAMPLE
    couples = _couples(base, student, surgery, experts=None if full else 1 if glance else EXPERTS)
    changes = sweep(base, student, couples, most=most, workers=workers if full else 1, advance=advance)
    edit = Edit(kind="none", changes=changes, surgery=surgery, ranks={})
    scaled = _scaled(base, student, pairing)
    if scaled:
        what = f"{scaled} numbers mean little without their scales, which are not applied: give it as BF16 or GGUF"
        return _with(edit, "unknown", reason=what)
    if not changes:
        return _with(edit, "unknown", reason="the two models share no tensor of the same name and width")
    if not edit.touched:
        return edit
    if not any(change.cast_changed for change in changes):
        return _with(edit, "cast")
    return _look_closely(base, student, edit, others, glance=glance)


def _look_closely(
    base: Inventory, student: Inventory, edit: Edit, others: Sequence[Inventory], *, glance: bool
) -> Edit:
    codes = _codes(base, student, edit)
    if codes:
        return _quantised(base, edit, codes)
    scaled = _on_scales(base, student, edit)
    if scaled is not None:
        return scaled
    if glance:
        return _with(edit, "changed")
    chosen = _chosen(student, edit)
    if not chosen:
        return _with(edit, "unknown", reason="no matrix that moved is large enough to be looked at")
    blocks = {place: _blocks(base, student, edit.surgery, place) for place in chosen}
    merged = _merge(edit, blocks, others)
    if merged is not None:
        return merged
    grid = _grid(blocks) if max(change.relative for change in edit.touched) >= _LEAST_GRID else ""
    if grid:
        blocks = {place: (_on_grid(grid, ours), theirs) for place, (ours, theirs) in blocks.items()}
        if all(np.array_equal(rounded(o, _precision(student, p, t)), t) for p, (o, t) in blocks.items()):
            return _with(edit, "quantised copy", grid=grid)
    ranks = {
        place: find_rank(ours, theirs, _precision(student, place, theirs))
        for place, (ours, theirs) in blocks.items()
    }
    return _trained(base, student, _with(edit, "dense", grid=grid, ranks=ranks))


def _trained(base: Inventory, student: Inventory, edit: Edit) -> Edit:
    """LoRA, dense, or too little to tell."""
    low = edit.low_rank_roles()
    roles = {_role(place) for place in edit.ranks}
    if low and all(role in low or role.split(".")[-1] in _VOCABULARY for role in roles):
        return _with(edit, "lora", rank=_common(list(low.values())))
    if edit.grid:
        return edit
    coarse = _coarse_base(base, student, edit)
    if coarse:
        return _with(edit, "unknown", reason=coarse)
    if edit.relative < FAINT:
        return _with(edit, "unknown", reason=f"a change of {edit.relative:.1e} is too small to have a shape")
    return edit


def _coarse_base(base: Inventory, student: Inventory, edit: Edit) -> str:
    """Why a quantised base cannot tell: its own rounding may be all or most of the distance."""
    origins = [_origin(edit, place) for place in edit.ranks]
    scaled = [rounding_noise(scaled_format(base, place)) for place in origins if is_scaled(base, place)]
    if scaled and edit.relative >= min(scaled) / 2:
        return f"the base is quantised, which alone moves weights by {min(scaled)}: give it unquantised"
    quantised = [place for place in edit.ranks if base.weights[_origin(edit, place)].meta.dtype in NOISE]
    if not quantised:
        return ""
    copies = [compare_codes(student, base, _origin(edit, place), place) for place in quantised]
    if all(found is not None and found.origin == "base" for found in copies):
        return "the base is a quantised copy of the student, which holds the same weights in finer steps"
    noise = float(np.median([NOISE[base.weights[_origin(edit, p)].meta.dtype] for p in quantised]))
    if edit.relative >= noise / 2:
        return f"the base is quantised, which alone moves weights by {noise:.3f}: give it unquantised"
    return ""


def _codes(base: Inventory, student: Inventory, edit: Edit) -> tuple[Codes, ...]:
    """Codes of quantised weights spread over the model."""
    quantised = [c.place for c in edit.touched if student.weights[c.place].meta.dtype in NOISE]
    chosen = _spread_by_role(quantised)
    found = [compare_codes(base, student, place, _origin(edit, place)) for place in chosen]
    return tuple(codes for codes in found if codes is not None)


def _on_scales(base: Inventory, student: Inventory, edit: Edit) -> Edit | None:
    """A student in 8 or 4 bits with scales: the base's values on its own scales, or something that cannot be told.

    None where it holds no such weights. A rank or its absence shows in no rounding as coarse as this one.
    """
    scaled = [c.place for c in edit.touched if is_scaled(student, c.place)]
    if not scaled:
        return None
    counts: dict[str, list[tuple[int, int]]] = {}
    for place in _spread_by_role(scaled):
        found = equal_on_scales(base, student, place, _origin(edit, place))
        counts.setdefault(scaled_format(student, place), []).append(found)
    totals = {form: (sum(e for e, _ in rows), sum(c for _, c in rows)) for form, rows in counts.items()}
    if all(compared and equal >= same_codes(form) * compared for form, (equal, compared) in totals.items()):
        return _with(edit, "quantised copy")
    form, (equal, compared) = min(totals.items(), key=lambda row: row[1][0] / max(1, row[1][1]))
    scales = "8-bit scales" if form.startswith("F8") else f"scales of {form}"
    what = f"the base rounded onto the student's {scales} gives {equal / max(1, compared):.2%} of its values"
    return _with(edit, "unknown", reason=f"{what}: another rounding or training; give the student unquantised")


def _quantised(base: Inventory, edit: Edit, codes: Sequence[Codes]) -> Edit:
    edit = _with(edit, "unknown", codes=tuple(codes))
    origins = {found.origin for found in codes}
    if origins == {"base"}:
        return _with(edit, "quantised copy")
    dtypes = [base.weights[_origin(edit, c.place)].meta.dtype for c in codes]
    coarse = [NOISE[dtype] for dtype in dtypes if dtype in NOISE]
    relative = float(np.median([found.relative for found in codes]))
    if coarse and relative >= float(np.median(coarse)) / 2:
        noise = float(np.median(coarse))
        what = f"the base is quantised too, which alone moves weights by {noise:.3f}: give it unquantised"
        return _with(edit, "unknown", reason=what)
    if "unrelated" in origins and "fine-tune" not in origins:
        return _with(edit, "unknown", reason="its codes have nothing to do with the base's weights")
    if "fine-tune" not in origins:
        what = "the base lies on so coarse a grid that a fine-tune gets the same codes: give it unquantised"
        return _with(edit, "unknown", reason=what)
    return _with(edit, "quantised fine-tune")


def _merge(edit: Edit, blocks: Mapping[Place, tuple[Rows, Rows]], others: Sequence[Inventory]) -> Edit | None:
    """Least squares of the change on those of other models: weights of a merge, or how far an interpolation went."""
    shares, fits = [], []
    for place, (ours, theirs) in blocks.items():
        usable = [place in o.weights and o.weights[place].rows >= len(ours) for o in others]
        if not others or not all(usable) or any(o.weights[place].width != ours.shape[1] for o in others):
            return None
        steps = [(o.values(place, 0, len(ours)) - ours).ravel().astype(np.float64) for o in others]
        change = (theirs - ours).ravel().astype(np.float64)
        matrix = np.stack(steps, axis=1)
        solution, *_ = np.linalg.lstsq(matrix.T @ matrix, matrix.T @ change, rcond=1e-9)
        left = change - matrix @ solution
        shares.append(solution)
        fits.append(1.0 - float(left @ left) / max(float(change @ change), 1e-300))
    fit = float(np.median(fits))
    if fit < _FIT:
        return None
    mean = np.median(shares, axis=0)
    names = tuple((o.label, float(share)) for o, share in zip(others, mean, strict=True))
    return _with(edit, "merge", weights=names, fit=fit)


def _grid(blocks: Mapping[Place, tuple[Rows, Rows]]) -> str:
    """The grid whose rounding error the change contains, in most of the matrices."""
    found: Counter[str] = Counter()
    few = list(blocks.values())[:: max(1, len(blocks) // _GRID_TRIES)]
    for whole, changed in few:
        # A hundred thousand values are plenty for a cosine of 0.5.
        ours, theirs = whole[:_GRID_ROWS], changed[:_GRID_ROWS]
        for name in GRIDS:
            error = _on_grid(name, ours) - ours
            found[name] += _cosine(theirs - ours, error) >= _ON_GRID
    name, count = found.most_common(1)[0]
    return name if count > len(few) / 2 else ""


def _on_grid(name: str, rows: Rows) -> Rows:
    """Rows on a grid; unchanged where its blocks do not fit."""
    found = GRIDS[name](rows)
    return rows if found is None else found


def _cosine(first: Rows, second: Rows) -> float:
    sizes = float(np.linalg.norm(first)) * float(np.linalg.norm(second))
    return float(np.vdot(first, second)) / sizes if sizes else 0.0


def _chosen(student: Inventory, edit: Edit) -> list[Place]:
    """Matrices that moved and are large enough, some of every role."""
    matrices = [c.place for c in edit.touched if c.place.role.split(".")[-1] not in _VOCABULARY]
    large = [p for p in matrices if student.weights[p].rows >= 24 and student.weights[p].width >= 16]
    return _spread_by_role([p for p in large if student.weights[p].matrix])


def _spread_by_role(places: Sequence[Place]) -> list[Place]:
    """First, middle and last of every role."""
    roles: dict[str, list[Place]] = {}
    for place in sorted(places):
        roles.setdefault(_role(place), []).append(place)
    chosen = []
    for found in roles.values():
        count = min(LAYERS_PER_ROLE, len(found))
        chosen += [found[round(i)] for i in np.linspace(0, len(found) - 1, count)]
    return chosen


def _blocks(base: Inventory, student: Inventory, surgery: Surgery, place: Place) -> tuple[Rows, Rows]:
    """First rows of a matrix in both models, a whole number of 128 where it has so many (FP8 scales need that)."""
    origin = surgery.origin(place) or place
    rows = min(LEARN + TEST, base.weights[origin].rows, student.weights[place].rows)
    rows = rows // 128 * 128 or rows
    found = base.values(origin, 0, rows), student.values(place, 0, rows)
    good = np.isfinite(found[0]) & np.isfinite(found[1])
    if good.all():
        return found
    # What is no number is counted elsewhere; here it would spoil everything else.
    return np.where(good, found[0], np.float32(0.0)), np.where(good, found[1], np.float32(0.0))


def _couples(
    base: Inventory, student: Inventory, surgery: Surgery, *, experts: int | None
) -> list[tuple[Place, Place]]:
    """Weights of the student with those of the base that they come from; of many experts so many, or all."""
    every = sorted({place.expert for place in student.weights if place.expert >= 0})
    kept = set(every if experts is None else every[:: max(1, len(every) // experts)])
    found = []
    for place, weight in student.weights.items():
        origin = surgery.origin(place)
        if origin is None or origin not in base.weights or (place.expert >= 0 and place.expert not in kept):
            continue
        if _comparable(base.weights[origin], weight) and not _is_code(base.weights[origin], weight):
            found.append((place, origin))
    return found


def _is_code(ours: Weight, theirs: Weight) -> bool:
    """Whether one side holds codes that a scale elsewhere turns into weights, and the other holds something else."""
    return ours.meta.dtype != theirs.meta.dtype and any(
        side.meta.dtype.startswith(_CODES) for side in (ours, theirs)
    )


def _scaled(base: Inventory, student: Inventory, pairing: Pairing) -> str:
    """Format of matrices that cannot be compared for want of their scales, `""` without any."""
    for place in (*pairing.pairs, *pairing.reshaped):
        if _is_code(base.weights[place], student.weights[place]):
            dtypes = (base.weights[place].meta.dtype, student.weights[place].meta.dtype)
            return next(dtype for dtype in dtypes if dtype.startswith(_CODES))
    return ""


def _comparable(ours: Weight, theirs: Weight) -> bool:
    """Whether rows can be subtracted: same width, and the same rows or more tokens."""
    vocabulary = theirs.place.role in _VOCABULARY
    return ours.width == theirs.width and (ours.rows == theirs.rows or vocabulary)


def _origin(edit: Edit, place: Place) -> Place:
    return edit.surgery.origin(place) or place


def _precision(student: Inventory, place: Place, rows: Rows) -> str:
    """The coarsest dtype that holds the rows: bfloat16 is often stored again as float16 or in 32 bits."""
    dtype = student.weights[place].meta.dtype
    coarse = (name for name in ("BF16", "F16") if np.array_equal(rounded(rows, name), rows))
    return next(coarse, dtype) if dtype in ("F32", "F16") else dtype


def _role(place: Place) -> str:
    return place.role if place.group in ("", "text") else f"{place.group}.{place.role}"


def _common(ranks: Sequence[int]) -> int:
    """The most common rank, the larger of equally common ones."""
    counts = Counter(rank for rank in ranks if rank > 0)
    return max(counts, key=lambda rank: (counts[rank], rank)) if counts else 0


def _with(edit: Edit, kind: Kind, **values: object) -> Edit:
    return replace(edit, kind=kind, **values)  # type: ignore[arg-type]
