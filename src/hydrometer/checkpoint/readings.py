"""Numbers that say where a student moved, each with the question to ask of its replies. None says how much was lost.

How far weights move does not measure what is forgotten (arXiv 2509.04259), so there is no score here. What is read:

- the effective gain of norms, 1 + weight where a family keeps its norms around zero;
- how long linear attention remembers: its decay per token is exp(-exp(A_log) * softplus(a + dt_bias)), so without
  input the half-life of a head is ln 2 / (exp(A_log) * softplus(dt_bias)) tokens;
- rows of the embeddings and the head for tokens that end a turn or a thought, beside all other rows;
- leading directions of a matrix that the base does not have, which LoRA leaves behind and training of all weights does
  not (Shuttleworth et al. 2024, arXiv 2410.21228), and how much of a change lies within the base's own leading ones.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hydrometer.checkpoint.edits import Edit
from hydrometer.checkpoint.inventory import Inventory
from hydrometer.checkpoint.names import Place, centred_norm
from hydrometer.checkpoint.source import Rows

SPECIAL = (
    "<think>", "</think>", "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<tool_call>", "</tool_call>", "<bos>",
    "<eos>", "<|turn>", "<turn|>", "<|channel>", "<channel|>", "<|think|>", "<start_of_turn>", "<end_of_turn>", "<s>",
    "</s>", "<|begin_of_text|>", "<|eot_id|>", "<|end_of_text|>", "[INST]", "[/INST]", "[THINK]", "[/THINK]",
)  # fmt: skip
"""Tokens that begin or end a turn, a thought or a call."""
LEADING = 10
"""Directions of a matrix that are looked at, the strongest ones."""

_NEW = 0.5
_SHARE = 0.1
"""Share of a change within the base's leading directions from which that is said."""
_ROWS, _SMALLEST = 128, 64
_FURTHER = 3.0
"""How many times as far as the others a row must have moved to be named."""
_NORM = re.compile(r"norm(_[0-9])?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One number that localises.

    Attributes:
        name: `norm gain`, `half-life`, `special token`, `new directions` or `leading directions`.
        where: The weight, or the table and the token.
        value: The student's: gain as a share, tokens, distance of a row, number of directions, share of the change.
        beside: What it is read against: the median gain of the role, the base's tokens, the distance of all rows, what
            noise of the same size makes, what chance makes.
        text: In words, with what to ask.
    """

    name: str
    where: str
    value: float
    beside: float
    text: str


def take_readings(
    base: Inventory, student: Inventory, edit: Edit, tokens: Mapping[str, int], *, closely: bool
) -> tuple[Reading, ...]:
    """Return what localises the change.

    Args:
        base: The base.
        student: The student.
        edit: How far every weight moved.
        tokens: Token -> number, as far as both models agree on it; empty where that was not read.
        closely: Whether blocks of matrices are read for their directions: 128 rows of one matrix per role.
    """
    found = [*_gains(base, student, edit), *_half_lives(base, student, edit), *_rows(base, student, edit, tokens)]
    return (*found, *_directions(base, student, edit)) if closely else tuple(found)


def _gains(base: Inventory, student: Inventory, edit: Edit) -> Iterator[Reading]:
    """Of every role of norms that moved, the layer whose gain changed most."""
    gains: dict[str, dict[Place, float]] = {}
    for change in edit.touched:
        place, origin = change.place, edit.surgery.origin(change.place) or change.place
        if place.group != "text" or not _NORM.search(place.role):
            continue
        offset = np.float32(1.0 if centred_norm(place, base.source.config) else 0.0)
        sizes = [np.linalg.norm(_whole(side, at) + offset) for side, at in ((base, origin), (student, place))]
        if np.isfinite(sizes).all() and sizes[0] > 0:
            gains.setdefault(place.role, {})[place] = float(sizes[1] / sizes[0]) - 1.0
    for role, mine in gains.items():
        place = max(mine, key=lambda one: abs(mine[one]))
        median = float(np.median([*mine.values()]))
        text = (
            f"{place}: the effective gain changed by {mine[place]:+.2%}, more than any other {role} "
            f"(median {median:+.2%} of {len(mine)})"
        )
        yield Reading(name="norm gain", where=str(place), value=mine[place], beside=median, text=text)


def _half_lives(base: Inventory, student: Inventory, edit: Edit) -> Iterator[Reading]:
    """The layer whose linear attention remembers for another time than before, most of all."""
    lives: dict[Place, tuple[float, float]] = {}
    for change in edit.changes:
        place = change.place
        bias = Place(place.group, place.layer, "linear_attn.dt_bias")
        origins = [edit.surgery.origin(one) or one for one in (place, bias)]
        known = bias in student.weights and all(one in base.weights for one in origins)
        if place.role == "linear_attn.A_log" and known:
            before = _tokens_kept(*(_whole(base, one) for one in origins))
            after = _tokens_kept(*(_whole(student, one) for one in (place, bias)))
            if not np.array_equal(before, after):
                lives[place] = float(np.median(before)), float(np.median(after))
    if lives:
        place = max(lives, key=lambda one: abs(np.log(max(lives[one][1], 1e-9) / max(lives[one][0], 1e-9))))
        before_, after_ = lives[place]
        text = (
            f"layer {place.layer}: linear attention keeps half of what it holds for {after_:.3g} tokens, in the base "
            f"for {before_:.3g} (median of its heads; {len(lives)} layers changed): ask it about long texts"
        )
        yield Reading(name="half-life", where=str(place), value=after_, beside=before_, text=text)


def _tokens_kept(logarithm: Rows, bias: Rows) -> NDArray[np.float64]:
    """Half-life of every head in tokens, without input."""
    with np.errstate(all="ignore"):
        rate = np.exp(logarithm.astype(np.float64)) * np.logaddexp(0.0, bias.astype(np.float64))
        found: NDArray[np.float64] = np.nan_to_num(np.log(2.0) / rate, nan=0.0, posinf=1e300)
    return found


def _rows(base: Inventory, student: Inventory, edit: Edit, tokens: Mapping[str, int]) -> Iterator[Reading]:
    """Rows of special tokens that moved further than the others of their table."""
    moved = {change.place: change.relative for change in edit.changes}
    for role in ("embed_tokens", "lm_head"):
        place = Place("text", -1, role)
        if place not in moved:
            continue
        last = min(base.weights[place].rows, student.weights[place].rows)
        for token in SPECIAL:
            number = tokens.get(token, last)
            if number >= last:
                continue
            ours, theirs = (side.values(place, number, number + 1) for side in (base, student))
            size = float(np.linalg.norm(ours))
            value = float(np.linalg.norm(theirs - ours)) / size if size else 0.0
            if np.isfinite(value) and value > _FURTHER * moved[place]:
                text = (
                    f"{role}: the row of {token} moved by {value:.2g}, all rows by {moved[place]:.2g}: "
                    "ask whether it still ends its turns and thoughts"
                )
                yield Reading(
                    name="special token", where=f"{role} {token}", value=value, beside=moved[place], text=text
                )


def _directions(base: Inventory, student: Inventory, edit: Edit) -> Iterator[Reading]:
    """Of every role the matrix that moved furthest, where it has something to tell."""
    furthest: dict[str, tuple[float, Place]] = {}
    for change in edit.touched:
        place, weight = change.place, student.weights[change.place]
        large = min(weight.rows, weight.width) >= _SMALLEST and place.role not in ("embed_tokens", "lm_head")
        if large and place.group == "text" and math.isfinite(change.relative):
            row = (change.relative, place)
            furthest[place.role] = max(furthest.get(place.role, row), row)
    for _, place in furthest.values():
        origin = edit.surgery.origin(place) or place
        rows = min(_ROWS, student.weights[place].rows, base.weights[origin].rows)
        blocks = base.values(origin, 0, rows), student.values(place, 0, rows)
        if not all(np.isfinite(block).all() for block in blocks):
            continue
        found = compare_directions(*blocks)
        if found.new > found.by_noise:
            text = (
                f"{place}: {found.new} of its {LEADING} leading directions are new to the base (noise of the same size "
                f"makes {found.by_noise}), as LoRA at high rates leaves behind: ask for what the base knew"
            )
            yield Reading(
                name="new directions", where=str(place), value=found.new, beside=found.by_noise, text=text
            )
        if found.within > max(_SHARE, _FURTHER * found.by_chance):
            text = (
                f"{place}: {found.within:.0%} of the change lies within the base's {LEADING} leading directions (by "
                f"chance {found.by_chance:.1%}): ask for what the base did best"
            )
            yield Reading(
                name="leading directions", where=str(place), value=found.within, beside=found.by_chance, text=text
            )


class Directions(NamedTuple):
    """How a change lies to the leading singular vectors of a block of rows.

    Attributes:
        new: How many of the student's leading left vectors have a cosine below 0.5 with every one of the base's.
        by_noise: The same for the base with noise of the size of the change.
        within: Share of the change, in squares, between the base's leading left and right vectors.
        by_chance: That share by chance.
    """

    new: int
    by_noise: int
    within: float
    by_chance: float


def compare_directions(ours: Rows, theirs: Rows) -> Directions:
    """Compare the leading directions of a block of rows.

    Args:
        ours: Rows of the base.
        theirs: The same of the student.
    """
    before, change = ours.astype(np.float64), (theirs - ours).astype(np.float64)
    size = float(np.linalg.norm(change))
    values, vectors = np.linalg.eigh(before @ before.T)
    noise = np.random.default_rng(0).standard_normal(change.shape) * (size / np.sqrt(change.size))

    def new(block: NDArray[np.float64]) -> int:
        leading = np.linalg.eigh(block @ block.T)[1][:, -LEADING:]
        return int(np.count_nonzero(np.abs(vectors.T @ leading).max(axis=0) < _NEW))

    left, strength = vectors[:, -LEADING:], np.sqrt(np.maximum(values[-LEADING:], values[-1] * 1e-12))
    right = before.T @ left / np.maximum(strength, 1e-300)
    within = float(np.linalg.norm(left.T @ change @ right)) ** 2 / size**2 if size else 0.0
    return Directions(new(before + change), new(before + noise), within, LEADING * LEADING / change.size)


def _whole(side: Inventory, place: Place) -> Rows:
    return side.values(place, 0, side.weights[place].rows).reshape(-1)
