"""What was cut out of a model or sewn on: layers, experts, vocabulary, head, biases.

Layers and experts are found by their rows, not by their numbers, so that a model without layers 20 to 23 is still
compared with its base layer by layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from hydrometer.checkpoint.inventory import Inventory, Pairing
from hydrometer.checkpoint.lineage import PROOF, ROLES, ROWS, RowMatch, match_rows
from hydrometer.checkpoint.names import Place
from hydrometer.checkpoint.source import Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Surgery:
    """What was cut and where the rest went.

    Attributes:
        notes: One line for each operation, in words.
        layers: For each layer of the student the base's layer that it is, -1 for none; empty if none moved.
        experts: Layer -> for each expert of the student the base's expert that it is; only layers whose number changed.
    """

    notes: tuple[str, ...] = ()
    layers: tuple[int, ...] = ()
    experts: Mapping[int, tuple[int, ...]] = field(default_factory=dict)

    def origin(self, place: Place) -> Place | None:
        """Return which weight of the base a weight of the student comes from, None for none."""
        if place.group != "text" or place.layer < 0:
            return place
        layer = self.layers[place.layer] if self.layers else place.layer
        expert = place.expert
        if expert >= 0 and place.layer in self.experts:
            expert = self.experts[place.layer][expert]
        found = Place(place.group, layer, place.role, expert)
        return found if layer >= 0 and (expert >= 0 or place.expert < 0) else None


def find_surgery(base: Inventory, student: Inventory, pairing: Pairing) -> Surgery:
    """Compare the shapes of two models, and find layers and experts again by their rows.

    Args:
        base: The base.
        student: The student.
        pairing: What they share.
    """
    layers = _layers(base, student) if base.layers != student.layers else ()
    experts = _all_experts(base, student, layers)
    notes = [
        *_layer_notes(base, layers),
        *_expert_notes(base, experts),
        *_vocabulary(base, student, pairing),
        *_head(base, student),
        *_biases(pairing),
    ]
    return Surgery(notes=tuple(notes), layers=layers, experts=experts)


def _layers(base: Inventory, student: Inventory) -> tuple[int, ...]:
    shared = {place.role for place in base.weights} & {place.role for place in student.weights}
    roles = [role for role in ROLES if role in shared]
    known = {layer: _rows(base, layer, roles) for layer in range(base.layers)}
    return tuple(_best(_rows(student, layer, roles), known) for layer in range(student.layers))


def _rows(side: Inventory, layer: int, roles: Sequence[str]) -> dict[Place, Rows]:
    """First rows of two matrices of a layer, under their place in layer 0."""
    places = [Place("text", layer, role) for role in roles]
    found = [p for p in places if p in side.weights and side.weights[p].rows >= ROWS][:2]
    return {Place("text", 0, p.role): side.values(p, 0, ROWS) for p in found}


def _best(wanted: Mapping[Place, Rows], known: Mapping[int, Mapping[Place, Rows]]) -> int:
    """The numbered rows that meet themselves best, -1 if none do beyond chance."""
    best, hits, cosine = -1, 0, 0.0
    tests = max(1, len(known) * len(wanted))
    for number, rows in known.items():
        shared = [p for p in wanted if p in rows and rows[p].shape == wanted[p].shape]
        found = [match_rows(p, rows[p], wanted[p]) for p in shared]
        top = max(found, key=lambda match: match.hits, default=None)
        if top is None or tests * top.p_value > PROOF:
            continue
        if (top.hits, _mean(found)) > (hits, cosine):
            best, hits, cosine = number, top.hits, _mean(found)
    return best


def _mean(found: Sequence[RowMatch]) -> float:
    return float(np.mean([match.cosine for match in found]))


def _all_experts(base: Inventory, student: Inventory, layers: tuple[int, ...]) -> dict[int, tuple[int, ...]]:
    found = {}
    for layer in range(student.layers):
        origin = layers[layer] if layers else layer
        ours, theirs = _experts_of(base, origin), _experts_of(student, layer)
        if ours and theirs and len(ours) != len(theirs):
            found[layer] = tuple(_best(theirs[expert], ours) for expert in sorted(theirs))
    return found


def _experts_of(side: Inventory, layer: int) -> dict[int, dict[Place, Rows]]:
    places = [
        p for p in side.weights if p.group == "text" and p.layer == layer and p.role == "experts.gate_proj"
    ]
    return {
        p.expert: {Place("text", 0, p.role): side.values(p, 0, min(ROWS, side.weights[p].rows))}
        for p in places
    }


def _layer_notes(base: Inventory, layers: tuple[int, ...]) -> Iterator[str]:
    if not layers:
        return
    used = [layer for layer in layers if layer >= 0]
    gone = [layer for layer in range(base.layers) if layer not in used]
    twice = sorted({layer for layer in used if used.count(layer) > 1})
    new = [number for number, layer in enumerate(layers) if layer < 0]
    if gone:
        yield f"layers of the base left out: {spans(gone)}"
    if twice:
        yield f"layers of the base used more than once: {spans(twice)}"
    if new:
        yield f"layers that are none of the base's: {spans(new)}"


def _expert_notes(base: Inventory, experts: Mapping[int, tuple[int, ...]]) -> Iterator[str]:
    if experts:
        layer, kept = next(iter(experts.items()))
        lost = sum(expert < 0 for expert in kept)
        had = len(_experts_of(base, layer))
        note = f"{len(kept)} experts instead of {had} in {len(experts)} layers"
        yield note + (f", {lost} of them none of the base's" if lost else "")


def _vocabulary(base: Inventory, student: Inventory, pairing: Pairing) -> Iterator[str]:
    place = Place("text", -1, "embed_tokens")
    if place not in pairing.reshaped:
        return
    ours, theirs = base.weights[place], student.weights[place]
    if ours.width != theirs.width:
        yield f"embeddings of {theirs.width} numbers instead of {ours.width}"
        return
    change = theirs.rows - ours.rows
    if change < 0:
        yield f"vocabulary of {theirs.rows} rows instead of {ours.rows}"
        return
    new = student.values(place, ours.rows, min(theirs.rows, ours.rows + 512))
    yield f"{change} rows added to a vocabulary of {ours.rows}: {_kind_of_rows(base, place, new)}"


def _kind_of_rows(base: Inventory, place: Place, new: Rows) -> str:
    if not new.any():
        return "all zero"
    rows = base.values(place, 0, min(2048, base.weights[place].rows))
    size, usual = float(np.linalg.norm(new, axis=1).mean()), float(np.linalg.norm(rows, axis=1).mean())
    apart = float(np.linalg.norm(new - new.mean(axis=0), axis=1).mean())
    if apart < 0.05 * max(size, 1e-30):
        return "all alike, as a start from the mean leaves them"
    return f"of {size / usual:.2f} times the usual length" if usual else "of their own"


def _head(base: Inventory, student: Inventory) -> Iterator[str]:
    head, table = Place("text", -1, "lm_head"), Place("text", -1, "embed_tokens")
    had, has = head in base.weights, head in student.weights
    if had and not has:
        yield "the head is left out: the model uses its embeddings instead"
    elif has and not had and table in student.weights:
        rows = min(256, student.weights[head].rows, student.weights[table].rows)
        same = np.array_equal(student.values(head, 0, rows), student.values(table, 0, rows))
        yield (
            "the shared head is stored a second time, equal to the embeddings"
            if same
            else "a head of its own instead of the embeddings"
        )


def _biases(pairing: Pairing) -> Iterator[str]:
    added = sorted({p.role for p in pairing.only_student if p.known and p.role.endswith(".bias")})
    if added:
        yield f"biases added: {', '.join(added)}"


def spans(numbers: Sequence[int]) -> str:
    """Return sorted numbers in words: `0-3, 7`."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)
