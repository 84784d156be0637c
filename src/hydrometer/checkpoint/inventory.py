"""The weights of a model by what they are, whatever its files call them and however they pack them.

On top of a `TensorSource`: experts come out of their stacks, heads that the GGUF converter reordered come back into
the order of the checkpoint, and what it added to norms is taken off again, so that two models in different formats
can be subtracted from each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hydrometer.checkpoint.names import Cut, Place, added_to_norm, cuts
from hydrometer.checkpoint.source import Rows, TensorMeta, TensorSource, Wanted, far_source


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """One weight of a model.

    Attributes:
        cut: Where it lies within its tensor.
        meta: The tensor as its file describes it.
        rows: Number of rows: outputs of a matrix, values of a vector.
        width: Values per row.
        heads: Number of heads whose rows the file holds in another order, 0 if they are in order.
        added: What was added to every value.
    """

    cut: Cut
    meta: TensorMeta
    rows: int
    width: int
    heads: int = 0
    added: float = 0.0

    @property
    def place(self) -> Place:
        """What it is."""
        return self.cut.place

    @property
    def elements(self) -> int:
        """Number of values."""
        return self.rows * self.width

    @property
    def nbytes(self) -> int:
        """Bytes of its data."""
        return self.meta.nbytes * self.elements // max(1, self.meta.rows * self.meta.width)

    @property
    def matrix(self) -> bool:
        """Whether it is a matrix with at least two rows and columns."""
        return self.rows > 1 and self.width > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """All weights of one model.

    Attributes:
        source: Where the tensors come from.
        weights: Every weight by what it is; under its raw name where no table knows it.
        label: How reports name it.
    """

    source: TensorSource
    weights: Mapping[Place, Weight] = field(repr=False)
    label: str

    @property
    def unknown(self) -> tuple[str, ...]:
        """Raw names that no table knows."""
        return tuple(sorted(place.role for place in self.weights if not place.known))

    @property
    def layers(self) -> int:
        """Number of layers of the text model."""
        return 1 + max((place.layer for place in self.weights if place.group == "text"), default=-1)

    def values(self, place: Place, start: int, stop: int) -> Rows:
        """Return rows of a weight as float32, shape (stop - start, width), in the order of the checkpoint."""
        weight = self.weights[place]
        name, expert = weight.cut.name, weight.cut.expert
        if expert >= 0:
            first = start + max(0, weight.cut.half) * weight.rows
            stack = self.source.values(name, expert, expert + 1).reshape(-1, weight.width)
            found = stack[first : first + stop - start]
        elif weight.heads:
            low, high = _whole_heads(weight, start, stop)
            found = _ordered(self.source.values(name, low, high), weight)[start - low : stop - low]
        else:
            found = self.source.values(name, start, stop)
        return found - np.float32(weight.added) if weight.added else found

    def bits(self, place: Place, start: int, stop: int) -> bytes:
        """Return the bytes of rows of a weight as stored, in the order of the checkpoint."""
        weight = self.weights[place]
        name, expert = weight.cut.name, weight.cut.expert
        if expert >= 0:
            stack = self.source.bits(name, expert, expert + 1)
            size = len(stack) // (weight.rows * (2 if weight.cut.half >= 0 else 1))
            first = start + max(0, weight.cut.half) * weight.rows
            return stack[first * size : (first + stop - start) * size]
        if not weight.heads:
            return self.source.bits(name, start, stop)
        low, high = _whole_heads(weight, start, stop)
        raw = np.frombuffer(self.source.bits(name, low, high), np.uint8).reshape(high - low, -1)
        ordered: bytes = _ordered(raw, weight)[start - low : stop - low].tobytes()
        return ordered

    def at_hand(self, place: Place) -> int:
        """Return how many rows of a weight, from its first one on, can be read without asking a server."""
        weight, far = self.weights[place], far_source(self.source)
        if far is None:
            return weight.rows
        found = far.held(weight.cut.name)
        if weight.cut.expert >= 0:
            return weight.rows if found > weight.cut.expert else 0
        return found if not weight.heads or found == weight.rows else 0

    def wanted(self, place: Place, start: int, stop: int) -> Wanted:
        """Return what a source has to read for these rows."""
        weight = self.weights[place]
        if weight.cut.expert >= 0:
            return weight.cut.name, weight.cut.expert, weight.cut.expert + 1
        if weight.heads:
            start, stop = _whole_heads(weight, start, stop)
        return weight.cut.name, start, stop


def take_inventory(source: TensorSource, label: str = "") -> Inventory:
    """Find out what every tensor of a model is; reads no weights.

    Args:
        source: The model.
        label: How reports name it; the source's own label by default.
    """
    architecture = _gguf_architecture(source)
    weights: dict[Place, Weight] = {}
    for name, meta in source.tensors.items():
        for cut in cuts(name, meta.shape, architecture):
            weight = _weight(cut, meta, source.config, architecture)
            if weight.place in weights:  # two names for one place: the second is compared under its raw name
                cut = Cut(place=Place("", -1, name), name=name)  # noqa: PLW2901 - the cut is what is replaced
                weight = _weight(cut, meta, source.config, architecture)
            weights[weight.place] = weight
    return Inventory(source=source, weights=weights, label=label or source.label)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """Which weights two models share.

    Attributes:
        pairs: In both, of the same shape.
        reshaped: In both, of different shapes.
        only_base: In the base alone.
        only_student: In the student alone.
    """

    pairs: tuple[Place, ...]
    reshaped: tuple[Place, ...]
    only_base: tuple[Place, ...]
    only_student: tuple[Place, ...]


def pair_up(base: Inventory, student: Inventory) -> Pairing:
    """Return which weights two models share, in a fixed order."""
    both = sorted(base.weights.keys() & student.weights.keys())
    same = [place for place in both if _shape(base, place) == _shape(student, place)]
    alike = set(same)
    return Pairing(
        pairs=tuple(same),
        reshaped=tuple(place for place in both if place not in alike),
        only_base=tuple(sorted(base.weights.keys() - student.weights.keys())),
        only_student=tuple(sorted(student.weights.keys() - base.weights.keys())),
    )


def pieces(weight: Weight, start: int, stop: int, most: int = 1 << 19) -> Iterator[tuple[int, int]]:
    """Yield stretches of rows of at most `most` values, or one row."""
    step = max(1, most // max(1, weight.width))
    for first in range(start, stop, step):
        yield first, min(stop, first + step)


def _shape(inventory: Inventory, place: Place) -> tuple[int, int]:
    weight = inventory.weights[place]
    return weight.rows, weight.width


def _gguf_architecture(source: TensorSource) -> str:
    """What a GGUF file says; `""` for safetensors, whose configs have no such key."""
    return str(source.config.get("general.architecture", ""))


def _weight(cut: Cut, meta: TensorMeta, config: Mapping[str, object], architecture: str) -> Weight:
    rows, width = meta.rows, meta.width
    if cut.expert >= 0:
        rows, width = meta.shape[1] // (2 if cut.half >= 0 else 1), meta.shape[2]
    if architecture:
        cut = _moved_to_mtp(cut, config, architecture)
    return Weight(
        cut=cut,
        meta=meta,
        rows=rows,
        width=width,
        heads=_reordered_heads(cut.place, config, architecture),
        added=added_to_norm(cut.place, architecture) if architecture else 0.0,
    )


def _moved_to_mtp(cut: Cut, config: Mapping[str, object], architecture: str) -> Cut:
    """GGUF files append the layers that predict several tokens to those of the text model."""
    extra = _number(config.get(f"{architecture}.nextn_predict_layers"))
    first = _number(config.get(f"{architecture}.block_count")) - extra
    place = cut.place
    if not extra or place.group != "text" or place.layer < first:
        return cut
    moved = Place("mtp", place.layer - first, place.role, place.expert)
    return Cut(place=moved, name=cut.name, expert=cut.expert, half=cut.half)


def _reordered_heads(place: Place, config: Mapping[str, object], architecture: str) -> int:
    """The converter interleaves both halves of every query and key head for `llama`, whose RoPE wants it so."""
    if architecture != "llama":
        return 0
    key = {"self_attn.q_proj": "head_count", "self_attn.k_proj": "head_count_kv"}.get(
        place.role.removesuffix(".bias")
    )
    return _number(config.get(f"llama.attention.{key}")) if key else 0


def _whole_heads(weight: Weight, start: int, stop: int) -> tuple[int, int]:
    size = weight.rows // weight.heads
    return start // size * size, -(-stop // size) * size


def _ordered(rows: Any, weight: Weight) -> Any:
    """Rows of whole heads in the order of the checkpoint: (head, pair, side) becomes (head, side, pair)."""
    size = weight.rows // weight.heads
    return rows.reshape(-1, size // 2, 2, rows.shape[-1]).swapaxes(1, 2).reshape(rows.shape)


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
