"""The parts of a model: what its config promises, what the base has, and what the student really has.

Loading a vision-language checkpoint as a text model and saving it drops the tower and the head that predicts several
tokens, and leaves the config as it was: engines then crash at the start, or draft nothing without a word.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hydrometer.checkpoint.changes import Change
from hydrometer.checkpoint.inventory import Inventory, Pairing
from hydrometer.checkpoint.names import Place
from hydrometer.checkpoint.packed import packing
from hydrometer.checkpoint.surgery import Surgery, spans

State = Literal["complete", "missing", "dropped", "incomplete", "added", "elsewhere", "none"]

_GROUPS = {
    "text": "text model", "mtp": "multi-token prediction", "vision": "vision tower", "audio": "audio tower",
}  # fmt: skip
_PROCESSORS = ("preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json")
_PACKED = (".qweight", ".weight_packed", "_blocks", ".weight.absmax")
_WIDE = ("A_log", "dt_bias", "mlp.gate", "router.proj")
"""Weights that bases keep in float32 because their rounding is felt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a model.

    Attributes:
        name: In words.
        promised: Whether the student's config promises it.
        base: Weights that the base has of it.
        student: Weights that the student has of it.
        state: What became of it: `missing` is promised and not there, `dropped` is not there and not promised.
        unmoved: Share of its shared weights that are equal to the base's, as far as they were compared.
        grafted: Whether it is the base's own, bit for bit, on a text model that was trained.
    """

    name: str
    promised: bool
    base: int
    student: int
    state: State
    unmoved: float
    grafted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What was found about the parts.

    Attributes:
        parts: The parts that base or student have, or the config promises.
        faults: What will not work, one line each.
        notes: What a user should know, one line each.
    """

    parts: tuple[Part, ...]
    faults: tuple[str, ...]
    notes: tuple[str, ...]


def keep_ledger(
    base: Inventory,
    student: Inventory,
    pairing: Pairing,
    changes: Sequence[Change],
    surgery: Surgery,
    files: Collection[str] | None = None,
) -> Ledger:
    """Compare the parts of two models with each other and with the student's config.

    Args:
        base: The base.
        student: The student.
        pairing: What they share.
        changes: How far every shared weight moved.
        surgery: What was cut or sewn on.
        files: Names of the student's files, None if they are not known.
    """
    parts = tuple(_parts(base, student, changes))
    faults = [
        *_broken_promises(parts),
        *_lying_config(student),
        *_lost(parts, pairing, surgery, _packed(base, student), across=_is_gguf(base) != _is_gguf(student)),
        *_odd_numbers(changes),
    ]
    notes = [*_remarks(parts), *_narrowed(base, student, pairing), *_unreadable(base, student)]
    if files is not None and not _is_gguf(student):
        faults += _without_processor(parts, files)
        notes += _leftovers(parts, files)
    return Ledger(parts=parts, faults=tuple(faults), notes=tuple(notes))


def _parts(base: Inventory, student: Inventory, changes: Sequence[Change]) -> Iterator[Part]:
    trained = any(change.changed for change in changes if change.place.group == "text")
    for group, name in _GROUPS.items():
        ours = sum(place.group == group for place in base.weights)
        theirs = sum(place.group == group for place in student.weights)
        promised = _promised(student, group)
        if not (ours or theirs or promised):
            continue
        shared = [change for change in changes if change.place.group == group]
        unmoved = sum(not change.changed for change in shared) / len(shared) if shared else 0.0
        yield Part(
            name=name,
            promised=promised,
            base=ours,
            student=theirs,
            state=_state(base, student, group, promised=promised),
            unmoved=unmoved,
            grafted=group != "text" and trained and bool(shared) and unmoved == 1.0,
        )


def _state(base: Inventory, student: Inventory, group: str, *, promised: bool) -> State:
    ours = {place for place in base.weights if place.group == group}
    theirs = {place for place in student.weights if place.group == group}
    if theirs:
        # Rows and layers of the text model have their own words, see surgery.
        lost = {place for place in ours - theirs if place.layer < student.layers or group != "text"}
        lost -= {Place("text", -1, "lm_head")}
        return "incomplete" if lost and group != "text" else "complete" if ours else "added"
    if group in ("vision", "audio") and _is_gguf(student):
        return "elsewhere"
    return "missing" if promised else "dropped" if ours else "none"


def _promised(student: Inventory, group: str) -> bool:
    config = student.source.config
    if group == "text":
        return True
    if _is_gguf(student):
        architecture = config.get("general.architecture")
        return group == "mtp" and _count(config.get(f"{architecture}.nextn_predict_layers")) > 0
    if group == "mtp":
        keys = ("mtp_num_hidden_layers", "num_nextn_predict_layers")
        return any(_count(table.get(key)) > 0 for key in keys for table in (config, _text(config)))
    return isinstance(config.get(f"{group}_config"), Mapping)


def _broken_promises(parts: Sequence[Part]) -> Iterator[str]:
    for part in parts:
        if part.state == "missing":
            had = f"the base has {part.base} tensors of it" if part.base else "the base has none either"
            yield f"config.json promises a {part.name} and there is no tensor of it; {had}"


def _lying_config(student: Inventory) -> Iterator[str]:
    """Sizes in the config against those of the tensors."""
    config = student.source.config
    text = _text(config)
    if _is_gguf(student):
        return
    claimed = _count(text.get("num_hidden_layers"))
    if claimed and student.layers and claimed != student.layers:
        yield f"config.json says {claimed} layers, the files hold {student.layers}"
    table, head = Place("text", -1, "embed_tokens"), Place("text", -1, "lm_head")
    vocabulary = _count(text.get("vocab_size"))
    if table in student.weights and vocabulary > student.weights[table].rows:
        yield f"config.json says {vocabulary} tokens, the embeddings have {student.weights[table].rows} rows"
    experts = 1 + max((place.expert for place in student.weights if place.group == "text"), default=-1)
    claimed = max(_count(text.get(key)) for key in ("num_experts", "num_local_experts", "n_routed_experts"))
    if claimed and claimed != experts:
        yield f"config.json says {claimed} experts per layer, the files hold {experts}"
    yield from _head(student, tied=_tied(config), has=head in student.weights)


def _head(student: Inventory, *, tied: bool | None, has: bool) -> Iterator[str]:
    head, table = Place("text", -1, "lm_head"), Place("text", -1, "embed_tokens")
    if tied is False and not has and table in student.weights:
        yield "config.json says that the head is not shared with the embeddings, and there is no lm_head"
    if tied and has and table in student.weights:
        rows = min(256, student.weights[head].rows, student.weights[table].rows)
        if not np.array_equal(student.values(head, 0, rows), student.values(table, 0, rows)):
            yield "config.json says that the head is shared with the embeddings: the lm_head in the files is ignored"


def _packed(base: Inventory, student: Inventory) -> set[Place]:
    """Weights of the base that the student holds packed: several codes in one number, under another name."""
    unknown = {name.removesuffix(".absmax").rpartition(".")[0] for name in student.unknown if name.endswith(_PACKED)}
    return {p for p, weight in base.weights.items() if weight.cut.name.rpartition(".")[0] in unknown}


def _unreadable(base: Inventory, student: Inventory) -> Iterator[str]:
    packed = _packed(base, student)
    if packed:
        yield (
            f"{len(packed)} weights are packed in a few bits ({packing(student.unknown, student.source.config)}): what "
            "was done to them cannot be tested from these files, give the student unquantised"
        )


def _lost(
    parts: Sequence[Part], pairing: Pairing, surgery: Surgery, packed: Collection[Place], *, across: bool
) -> Iterator[str]:
    """Tensors of layers that are still there; linear attention has other tensors in the other format."""
    whole = {part.name for part in parts if part.state in ("missing", "dropped", "elsewhere")}
    for group, name in _GROUPS.items():
        lost = [p for p in pairing.only_base if p.group == group and name not in whole and p not in packed]
        if across:
            lost = [p for p in lost if not p.role.startswith(("linear_attn.", "gguf."))]
        if surgery.layers or surgery.experts:
            lost = [p for p in lost if p.group != "text"]
        lost = [p for p in lost if p.role != "lm_head"]
        if lost:
            roles = sorted({place.role for place in lost})
            shown = ", ".join(roles[:4]) + (" ..." if len(roles) > 4 else "")
            yield f"{len(lost)} tensors of the base's {name} are not in the student: {shown}"


def _odd_numbers(changes: Sequence[Change]) -> Iterator[str]:
    odd = [change for change in changes if change.student_odd > change.base_odd]
    if odd:
        total = sum(change.student_odd for change in odd)
        yield f"{total} NaN or infinite values in {len(odd)} tensors, first {odd[0].place}; the base has fewer there"


def _remarks(parts: Sequence[Part]) -> Iterator[str]:
    for part in parts:
        if part.state == "dropped":
            yield f"the base's {part.name} ({part.base} tensors) was left out, and the config says so"
        elif part.state == "elsewhere":
            yield f"the {part.name} of a GGUF model is a file of its own (mmproj), which was not looked at"
        elif part.state == "added":
            yield f"a {part.name} that the base does not have"
        if part.grafted:
            yield f"the {part.name} is the base's own, bit for bit, on a text model that was trained"


def _narrowed(base: Inventory, student: Inventory, pairing: Pairing) -> Iterator[str]:
    narrow = [
        place
        for place in pairing.pairs
        if place.role.endswith(_WIDE)
        and base.weights[place].meta.dtype == "F32"
        and student.weights[place].meta.dtype in ("BF16", "F16")
    ]
    if narrow:
        roles = ", ".join(sorted({place.role for place in narrow}))
        layers = spans(sorted({place.layer for place in narrow}))
        yield f"stored in 16 bits where the base has 32: {roles} of layers {layers}"


def _without_processor(parts: Sequence[Part], files: Collection[str]) -> list[str]:
    towers = [part.name for part in parts if part.name.endswith("tower") and part.student]
    if towers and not any(name in files for name in _PROCESSORS):
        return [f"there is a {towers[0]} and no preprocessor_config.json: images cannot be fed to it"]
    return []


def _leftovers(parts: Sequence[Part], files: Collection[str]) -> list[str]:
    found = []
    towers = any(part.name.endswith("tower") and part.student for part in parts)
    here = [name for name in _PROCESSORS if name in files]
    if here and not towers:
        found.append(f"{here[0]} without a vision tower: a leftover of the base")
    if "adapter_config.json" in files:
        found.append("adapter_config.json beside a whole model: loaders may apply the adapter a second time")
    return found


def _tied(config: Mapping[str, object]) -> bool | None:
    """What the config says; None if it says nothing, or one thing outside and another inside, as some classes write."""
    said = {table.get("tie_word_embeddings") for table in (config, _text(config))} - {None}
    return said.pop() is True if len(said) == 1 else None


def _text(config: Mapping[str, object]) -> Mapping[str, object]:
    inner = config.get("text_config")
    return inner if isinstance(inner, Mapping) else config


def _is_gguf(side: Inventory) -> bool:
    return "general.architecture" in side.source.config


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
