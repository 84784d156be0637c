"""Does this student come from this base? Answered from a few rows of a few matrices.

Fine-tuning moves weights by a few per cent and leaves every row nearest to itself. In a model of its own, row i of a
matrix has nothing to do with row i of another model's. The order of the student's rows is then exchangeable, and the
chance that h of k rows or more meet themselves is at most 1/h! (Zhu et al., arXiv 2502.12292, use the same argument):
the union bound over sets of h rows, C(k, h) (k - h)! / k!. Nothing about the distribution of weights is assumed.

Not covered: siblings trained apart from the same initial weights may pass as derived; a name or shape that does not
match gives `insufficient`, never `unrelated`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from math import exp, fsum, lgamma, log, log1p
from typing import Literal

import numpy as np

from hydrometer.checkpoint.inventory import Inventory, Pairing, pair_up
from hydrometer.checkpoint.names import Place
from hydrometer.checkpoint.source import Rows, far_source, prefetch, stretches

Word = Literal["identical", "derived", "permuted", "unrelated", "insufficient"]

ROWS, MATRICES, SMALL = 16, 8, 12
"""Rows per matrix, matrices, and small tensors that are read: below 5 MB for any model."""
FAR_MATRICES, FAR_STRETCHES, FEWEST = 6, 2, 3
"""Matrices, and stretches of small tensors, where every one of them is a request; and matrices that are worth any."""
REQUESTS = 40
"""Requests that a lineage over a network may take, opening both models included."""
FAR_BYTES = 4_000_000
"""Bytes that the test for permuted neurons may read of a student over a network."""
PROOF = 1e-6
"""Largest p-value that is called derived: one false word in a million unrelated pairs."""
_DOUBT = 1e-3
"""Below this a pair is not called unrelated either."""
_NEEDED = 48
"""Rows that must have been compared before a pair is called unrelated."""
_AVOID = ("embed_tokens", "lm_head", "embed_tokens_per_layer")
"""Rows are tokens: rare ones lie together in any model, so their order is not exchangeable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowMatch:
    """How many rows of a matrix meet themselves.

    Attributes:
        place: The matrix.
        rows: Rows compared.
        hits: Rows of the base whose nearest row in the student, by cosine, is their own.
        cosine: Mean cosine of rows with themselves.
        relative: Distance of the rows as a share of the base's norm.
        equal: Share of values that are equal.
    """

    place: Place
    rows: int
    hits: int
    cosine: float
    relative: float
    equal: float

    @property
    def p_value(self) -> float:
        """Largest chance of as many hits between unrelated matrices: 1 / hits!."""
        return exp(-lgamma(self.hits + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Whether one model comes from another.

    Attributes:
        base: Short name of the other model.
        word: The answer.
        p_value: Chance of such agreement between unrelated models, corrected for the number of tests; 1 without any.
        matches: The matrices that were compared.
        small_equal: Small tensors that are equal bit for bit, of those that are not constant.
        small: Small tensors compared.
        agreements: Neurons that gate and up projection both send to the same place, in the test for permuted neurons.
        neurons: Neurons of that test, 0 if it was not needed.
        reason: Why there is no answer, `""` if there is one.
    """

    base: str
    word: Word
    p_value: float
    matches: tuple[RowMatch, ...]
    small_equal: int
    small: int
    agreements: int = 0
    neurons: int = 0
    reason: str = ""

    @property
    def hits(self) -> int:
        """Rows that meet themselves."""
        return sum(match.hits for match in self.matches)

    @property
    def rows(self) -> int:
        """Rows compared."""
        return sum(match.rows for match in self.matches)

    @property
    def relative(self) -> float:
        """Median distance over the matrices, as a share of the base's norm; NaN without any."""
        return float(np.median([match.relative for match in self.matches])) if self.matches else float("nan")

    @property
    def equal(self) -> float:
        """Mean share of equal values; NaN without any."""
        return float(np.mean([match.equal for match in self.matches])) if self.matches else float("nan")


def trace(base: Inventory, student: Inventory) -> Lineage:
    """Find out whether a student comes from a base.

    Args:
        base: The claimed base.
        student: The student.
    """
    pairing = pair_up(base, student)
    if any(far_source(side.source) for side in (base, student)):
        chosen, small = _sample_far(base, student, pairing)
    else:
        usable = _usable(base, pairing)
        chosen = [(place, _start(base, place, base.weights[place].rows)) for place in _spread(usable, MATRICES)]
        small = _small(base, pairing)
    for side in (base, student):
        blocks = [side.wanted(place, start, start + ROWS) for place, start in chosen]
        prefetch(side.source, blocks + [side.wanted(place, 0, side.weights[place].rows) for place in small])
    matches = [
        match_rows(place, base.values(place, start, start + ROWS), student.values(place, start, start + ROWS))
        for place, start in chosen
    ]
    found = _compare_small(base, student, small)
    p_value = min([1.0, *(len(matches) * match.p_value for match in matches)])
    if p_value <= PROOF:
        same = all(match.equal == 1.0 for match in matches) and found[0] == found[1]
        return _lineage(base, "identical" if same else "derived", p_value, matches, found)
    return _without_identity(base, student, pairing, _lineage(base, "unrelated", p_value, matches, found))


def match_rows(place: Place, base: Rows, student: Rows) -> RowMatch:
    """Compare the same rows of a matrix in two models.

    Args:
        place: The matrix.
        base: Rows, shape (k, width).
        student: The same rows of the student.
    """
    near = cosines(base, student)
    norm = float(np.linalg.norm(base.astype(np.float64)))
    distance = float(np.linalg.norm(student.astype(np.float64) - base))
    return RowMatch(
        place=place,
        rows=len(base),
        hits=int(np.sum((np.argmax(near, axis=1) == np.arange(len(base))) & (np.diag(near) > -1.0))),
        cosine=float(np.mean(np.diag(near))),
        relative=distance / norm if norm else float(distance > 0),
        equal=float(np.mean(base == student)),
    )


def cosines(first: Rows, second: Rows) -> Rows:
    """Return the cosines of all pairs of rows; those with rows of zeros or without numbers are -1, so never nearest.

    Args:
        first: Shape (k, width).
        second: Shape (n, width).

    Returns:
        Shape (k, n).
    """
    sizes = np.linalg.norm(first, axis=1)[:, None] * np.linalg.norm(second, axis=1)
    with np.errstate(all="ignore"):
        found = (first @ second.T) / sizes
    result: Rows = np.where(np.isfinite(found), found, np.float32(-1.0))
    return result


def match_neurons(base: tuple[Rows, Rows], student: tuple[Rows, Rows]) -> tuple[int, int, float]:
    """Test whether the student has the base's neurons in another order.

    A neuron is a row of the gate and the same row of the up projection. Each of both sends the base's neuron to its
    nearest row in the student; in unrelated models the two answers agree with a chance of 1/n. Answers that several
    neurons share are left out, since rows near the mean attract every other row in both matrices.

    Args:
        base: Rows of gate and up projection, shape (k, width).
        student: All their rows in the student, shape (n, width).

    Returns:
        Neurons on which both agree, neurons counted, and the chance of as many.
    """
    gate, up = (np.argmax(cosines(ours, theirs), axis=1) for ours, theirs in zip(base, student, strict=True))
    alone = np.ones(len(gate), bool)
    for answers in (gate, up):
        _, place, count = np.unique(answers, return_inverse=True, return_counts=True)
        alone &= count[place] == 1
    agreed, counted = int(np.sum((gate == up) & alone)), int(np.sum(alone))
    # Answers are drawn without putting back, so of fewer rows than there are.
    chance = 1.0 / max(1, len(student[0]) - counted + 1)
    return agreed, counted, at_least(agreed, counted, chance)


def at_least(hits: int, trials: int, chance: float) -> float:
    """Return the chance of so many hits or more: the upper tail of a binomial distribution.

    Summed here, as importing a library of distributions takes longer than all of an inspection's other imports.

    Args:
        hits: Hits.
        trials: Independent trials, some hundreds at most.
        chance: Chance of a hit.
    """
    if hits <= 0 or chance >= 1.0:
        return 1.0
    ways = (lgamma(trials + 1) - lgamma(k + 1) - lgamma(trials - k + 1) for k in range(hits, trials + 1))
    terms = (w + k * log(chance) + (trials - k) * log1p(-chance) for k, w in enumerate(ways, hits))
    return min(1.0, fsum(map(exp, terms)))


def rank_by_distance(found: Sequence[Lineage]) -> list[Lineage]:
    """Sort candidates, the nearest relative first, those without an answer last."""

    def key(one: Lineage) -> tuple[int, float]:
        order = {"identical": 0, "derived": 1, "permuted": 2, "unrelated": 3, "insufficient": 4}
        return order[one.word], one.relative if np.isfinite(one.relative) else np.inf

    return sorted(found, key=key)


def _without_identity(base: Inventory, student: Inventory, pairing: Pairing, found: Lineage) -> Lineage:
    """What to say where rows do not meet themselves: other layers, other neurons, unrelated, or no answer."""
    shifted = _shifted_layers(base, student)
    if shifted and shifted.p_value <= PROOF:
        return shifted
    agreed, neurons, p_value = _permuted(base, student)
    found = replace(found, agreements=agreed, neurons=neurons)
    if neurons and p_value <= PROOF:
        return replace(found, word="permuted", p_value=p_value)
    least = min(found.p_value, p_value, shifted.p_value if shifted else 1.0)
    if found.rows < _NEEDED:
        what = f"{len(pairing.pairs)} tensors of the same name and shape, {found.rows} rows to compare"
        return replace(found, word="insufficient", p_value=least, reason=what)
    if least <= _DOUBT:
        return replace(
            found, word="insufficient", p_value=least, reason="some rows agree, too few for an answer"
        )
    return replace(found, word="unrelated", p_value=least)


def _shifted_layers(base: Inventory, student: Inventory) -> Lineage | None:
    """Layers may have been taken out in front: look for the student's first and middle layer in the whole base."""
    if base.layers == student.layers:
        return None
    role = next((r for r in ROLES if _layers_with(base, r) and _layers_with(student, r)), None)
    if role is None:
        return None
    sources, targets = _layers_with(base, role), _layers_with(student, role)
    best: list[RowMatch] = []
    tests = 0
    for layer in sorted({targets[0], targets[len(targets) // 2], targets[-1]}):
        place = Place("text", layer, role)
        found = []
        for other in sources:
            twin = Place("text", other, role)
            if _same_shape(base, twin, student, place) and base.weights[twin].rows >= ROWS:
                ours, theirs = base.values(twin, 0, ROWS), student.values(place, 0, ROWS)
                found.append(match_rows(twin, ours, theirs))
        tests += len(found)
        best += [max(found, key=lambda match: match.hits)] if found else []
    p_value = min([1.0, *(tests * match.p_value for match in best)])
    return _lineage(base, "derived", p_value, best, (0, 0))


def _permuted(base: Inventory, student: Inventory) -> tuple[int, int, float]:
    """The test for permuted neurons in the first layer that has a gate and an up projection of the same width.

    It reads both of the student whole, so over a network only where they are small and there is room to ask.
    """
    far = any(far_source(side.source) for side in (base, student))
    if far and _room(base, student) < 4:
        return 0, 0, 1.0
    for layer in range(min(base.layers, student.layers)):
        places = [Place("text", layer, f"mlp.{part}_proj") for part in ("gate", "up")]
        if all(p in base.weights and p in student.weights for p in places):
            width = {side.weights[p].width for side in (base, student) for p in places}
            if len(width) > 1 or (far and sum(student.weights[p].nbytes for p in places) > FAR_BYTES):
                continue
            ours = [base.values(p, 0, min(64, base.weights[p].rows)) for p in places]
            theirs = [student.values(p, 0, student.weights[p].rows) for p in places]
            return match_neurons((ours[0], ours[1]), (theirs[0], theirs[1]))
    return 0, 0, 1.0


ROLES = (
    "mlp.up_proj", "self_attn.k_proj", "mlp.down_proj", "self_attn.o_proj", "linear_attn.in_proj_qkv",
    "self_attn.v_proj", "mlp.gate_proj", "self_attn.q_proj", "linear_attn.out_proj", "mlp.shared_expert.up_proj",
    "linear_attn.in_proj_qkvz",
)  # fmt: skip
"""Matrices in the order in which they are chosen."""


def _sample_far(base: Inventory, student: Inventory, pairing: Pairing) -> tuple[list[tuple[Place, int]], list[Place]]:
    """Matrices with their first rows, and small tensors, where the number of requests decides, not that of bytes.

    What came along with the headers is free. The rest is asked for while there is room, a matrix that one side has
    before one that neither has.
    """
    sides = [side for side in (base, student) if far_source(side.source)]
    room = _room(base, student)
    usable = _usable(base, pairing)
    here = {place: [side.at_hand(place) for side in sides] for place in usable}
    chosen: list[tuple[Place, int]] = []
    for cost in range(len(sides) + 1):
        alike = [place for place in usable if sum(rows < ROWS for rows in here[place]) == cost]
        for place in _spread(alike, FAR_MATRICES - len(chosen)):
            if cost <= room or len(chosen) < FEWEST:
                room -= cost
                rows = min([base.weights[place].rows, *(rows for rows in here[place] if rows >= ROWS)])
                chosen.append((place, _start(base, place, rows)))
    vectors = _vectors(base, pairing)
    small = _evenly([p for p in vectors if all(side.at_hand(p) == base.weights[p].rows for side in sides)])
    for stretch in _stretches(sides[0], [p for p in vectors if p not in small])[:FAR_STRETCHES]:
        if len(small) < SMALL and len(sides) <= room:
            room -= len(sides)
            small += stretch[: SMALL - len(small)]
    return chosen, small


def _room(*sides: Inventory) -> int:
    """Requests that may still be made."""
    return REQUESTS - sum(far.requests for side in sides if (far := far_source(side.source)))


def _usable(base: Inventory, pairing: Pairing) -> list[Place]:
    """Matrices whose rows can be compared, those of the text model if there are any."""
    usable = [p for p in pairing.pairs if base.weights[p].matrix and base.weights[p].rows >= ROWS]
    usable = [p for p in usable if base.weights[p].width >= ROWS and p.role.split(".bias")[0] not in _AVOID]
    ranked = sorted(usable, key=lambda p: (p.group != "text", p.expert >= 0, not p.known))
    return [p for p in ranked if (p.group, p.expert >= 0) == (ranked[0].group, ranked[0].expert >= 0)]


def _spread(best: Sequence[Place], number: int) -> list[Place]:
    """Matrices spread over depth and role: each layer in turn gives the role that was used least."""
    layers = sorted({p.layer for p in best})
    chosen: list[Place] = []
    for turn in range(number):
        # Steps of the golden ratio reach both ends early and fill the middle evenly.
        layer = layers[int((0.618034 * turn) % 1.0 * len(layers))] if layers else -1
        left = [p for p in best if p not in chosen and p.layer == layer] or [
            p for p in best if p not in chosen
        ]
        if left:
            used = {p.role: sum(c.role == p.role for c in chosen) for p in left}
            chosen.append(min(left, key=lambda p: (used[p.role], _preference(p.role), p)))
    return chosen


def _preference(role: str) -> int:
    return ROLES.index(role) if role in ROLES else len(ROLES)


def _start(base: Inventory, place: Place, rows: int) -> int:
    """First row of a sample of the first `rows`: drawn from name and shape alone, so that every run reads the same."""
    weight = base.weights[place]
    key = f"{place} {weight.rows} {weight.width}".encode()
    draw = int.from_bytes(blake2b(key, digest_size=8).digest(), "little")
    return draw % (rows - ROWS + 1)


def _small(base: Inventory, pairing: Pairing) -> list[Place]:
    """Vectors spread over the model."""
    return _evenly(_vectors(base, pairing))


def _vectors(base: Inventory, pairing: Pairing) -> list[Place]:
    return [p for p in pairing.pairs if base.weights[p].width == 1 < base.weights[p].rows]


def _evenly(vectors: Sequence[Place]) -> list[Place]:
    return list(vectors[:: max(1, -(-len(vectors) // SMALL))])


def _stretches(side: Inventory, vectors: Sequence[Place]) -> list[list[Place]]:
    """Vectors that one request brings together, the most first."""
    names = {side.weights[p].cut.name: p for p in vectors}
    return [[names[name] for name in stretch] for stretch in stretches(side.source, list(names))]


def _compare_small(base: Inventory, student: Inventory, places: Sequence[Place]) -> tuple[int, int]:
    """Equal ones and all; vectors of one repeated value, as training starts with, tell nothing."""
    equal = total = 0
    for place in places:
        rows = base.weights[place].rows
        ours, theirs = base.values(place, 0, rows), student.values(place, 0, rows)
        if np.ptp(ours) > 0:
            total += 1
            equal += bool(np.array_equal(ours, theirs))
    return equal, total


def _layers_with(side: Inventory, role: str) -> list[int]:
    return sorted(p.layer for p in side.weights if p.group == "text" and p.role == role)


def _same_shape(base: Inventory, ours: Place, student: Inventory, theirs: Place) -> bool:
    first, second = base.weights[ours], student.weights[theirs]
    return (first.rows, first.width) == (second.rows, second.width)


def _lineage(
    base: Inventory, word: Word, p_value: float, matches: Sequence[RowMatch], small: tuple[int, int]
) -> Lineage:
    return Lineage(
        base=base.label,
        word=word,
        p_value=p_value,
        matches=tuple(matches),
        small_equal=small[0],
        small=small[1],
    )
