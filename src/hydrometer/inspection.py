"""What the files of two models say about each other, before one token is generated.

Lineage, kind of edit, parts, and what stands around the weights, each with an answer and the value that decides it. No
inference, no torch.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from hydrometer.ancestry import chain_topic, pin_to_the_day
from hydrometer.canon import to_plain
from hydrometer.checkpoint.changes import Change
from hydrometer.checkpoint.edits import Edit, find_edit
from hydrometer.checkpoint.inventory import Inventory, Pairing, pair_up, take_inventory
from hydrometer.checkpoint.lineage import Lineage, rank_by_distance, trace
from hydrometer.checkpoint.opening import open_source
from hydrometer.checkpoint.parts import Ledger, keep_ledger
from hydrometer.checkpoint.places import LocalFolder
from hydrometer.checkpoint.readings import Reading, take_readings
from hydrometer.checkpoint.surgery import Surgery, spans
from hydrometer.errors import ModelError, UnreadableModelError
from hydrometer.files import Question
from hydrometer.progress import Progress, Silent
from hydrometer.refs import parse_ref
from hydrometer.spec import ModelRef
from hydrometer.surface.answers import Answer
from hydrometer.surface.files import read_surface
from hydrometer.surface.look import Surface, look_at_surface

Depth = Literal["quick", "glance", "sample", "full"]
"""How much is read: rows for the lineage; besides, a few values of every weight; enough of them to say how they
were changed; or all."""

SCHEMA_VERSION = 1
"""Version of the JSON object; raised whenever a field changes its meaning or goes away."""

SURE = 4_000_000_000
"""Bytes of a student up to which a glance that sees no difference looks at all values."""
LARGE = 2_000_000_000
"""Bytes of a pair from which several processes read it."""
_NEARER = 0.5
"""A candidate at less than this share of the claimed base's distance is the nearer ancestor."""
_STATUS = {"confirmed": 0, "contradicted": 10, "insufficient": 11, "unsafe": 12}


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One model as its files describe it.

    Attributes:
        reference: As the user gave it.
        tensors: Number of tensors.
        nbytes: Bytes of them.
        dtype: Format that holds most of the bytes.
        layers: Layers of the text model.
        unknown: Tensors whose names no table knows; compared under those names.
    """

    reference: str
    tensors: int
    nbytes: int
    dtype: str
    layers: int
    unknown: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What the files of two models say about each other.

    Attributes:
        base: The claimed base.
        student: The student.
        questions: What was asked, with the answers.
        lineage: Whether the student comes from the base.
        candidates: The same for other models, the nearest first.
        edit: What was done to the base; None if that was not asked or the two are unrelated.
        ledger: The parts.
        surface: Tokenizer, template, settings, recipe and licence.
        readings: Numbers that say where the weights moved; no score of damage.
        alike: Whether both have the same weights of the same shapes, whatever their values.
        remarks: What is odd about the files themselves.
    """

    base: Side
    student: Side
    questions: tuple[Question, ...]
    lineage: Lineage
    candidates: tuple[Lineage, ...]
    edit: Edit | None
    ledger: Ledger
    surface: Surface
    readings: tuple[Reading, ...]
    alike: bool
    remarks: tuple[str, ...]

    @property
    def verdict(self) -> Answer:
        """The worst of the answers that files can give."""
        answers = {question.answer for question in self.questions}
        worst: tuple[Answer, ...] = ("unsafe", "contradicted", "insufficient")
        return next((word for word in worst if word in answers), "confirmed")

    @property
    def exit_code(self) -> int:
        """0 confirmed, 10 contradicted, 11 insufficient, 12 unsafe."""
        return _STATUS[self.verdict]


def inspect(
    base: str,
    student: str,
    candidates: Sequence[str] = (),
    *,
    quick: bool = False,
    full: bool = False,
    workers: int = 1,
    progress: Progress | None = None,
) -> Inspection:
    """Read the files of two models and compare them.

    Args:
        base: Reference of the claimed base: folder, `.gguf` file, `hf://OWNER/NAME`, with `+ADAPTER` or without.
        student: Reference of the student.
        candidates: References of other models that the student may come from or was merged with.
        quick: Ask for lineage and parts alone: at most a few megabytes of weights are read.
        full: Compare every value instead of a sample of each tensor.
        workers: Processes that share a full pass, 0 for one per core of a large model, at most four. A script that
            asks for several needs the usual `if __name__ == "__main__":`. The result is the same for any number.
        progress: Told about what is going on.

    Raises:
        ModelError: A reference names nothing that has files.
        UnreadableModelError: Files are damaged, unsafe or do not belong together.
    """
    refs = [parse_ref(text) for text in (base, student, *candidates)]
    for ref in refs:
        if not has_files(ref):
            msg = f"{ref.text!r} has no files to read: give a .gguf file, a checkpoint folder or hf://OWNER/NAME"
            raise ModelError(msg)
    depth: Depth = "quick" if quick else "full" if full else "sample"
    return inspect_models(refs, depth=depth, workers=workers, pin=True, progress=progress)


def has_files(ref: ModelRef) -> bool:
    """Whether a reference names a model whose files can be read."""
    return ref.has_files


def inspect_models(
    refs: Sequence[ModelRef],
    *,
    depth: Depth,
    workers: int = 1,
    pin: bool = False,
    progress: Progress | None = None,
) -> Inspection:
    """Compare the files of models that are named already.

    Args:
        refs: The base, the student, and further candidates.
        depth: How much is read.
        workers: As for `inspect`.
        pin: Whether a base on the hub is read as it was on the student's day, rather than as engines load it.
        progress: Told about what is going on.

    Raises:
        UnreadableModelError: Files are damaged, unsafe or do not belong together.
    """
    try:
        start, pinned = pin_to_the_day(refs[0], refs[1]) if pin else (refs[0], "")
        refs = [start, *refs[1:]]
        with ExitStack() as stack:
            sides = [take_inventory(stack.enter_context(closing(open_source(ref))), ref.text) for ref in refs]
            # First of all: files built to do harm end the inspection at once, all but templates.
            surface = _surface(refs, sides, pinned, quick=depth in ("quick", "glance"))
            return _inspect(sides, surface, _files(refs[1]), progress or Silent(), depth, workers)
    except ModelError as error:
        raise UnreadableModelError(str(error)) from error


def _inspect(
    sides: Sequence[Inventory],
    surface: Surface,
    files: list[str] | None,
    progress: Progress,
    depth: Depth,
    workers: int,
) -> Inspection:
    base, student, *others = sides
    progress.start("lineage", 1 + len(others))
    lineage = trace(base, student)
    progress.advance()
    found = []
    for other in others:
        found.append(trace(other, student))
        progress.advance()
    pairing = pair_up(base, student)
    related = lineage.word in ("identical", "derived", "permuted")
    edit = None
    if related and depth != "quick":
        edit = _edit(base, student, pairing, others, progress, depth, workers or _processes(sides[:2]))
    readings = take_readings(base, student, edit, surface.tokens, closely=depth != "glance") if edit else ()
    changes, surgery = (edit.changes, edit.surgery) if edit else ((), Surgery())
    ledger = keep_ledger(base, student, pairing, changes, surgery, files)
    ranked = tuple(rank_by_distance(found))
    return Inspection(
        base=_side(base),
        student=_side(student),
        questions=tuple(_questions(lineage, ranked, edit, ledger, surface)),
        lineage=lineage,
        candidates=ranked,
        edit=edit,
        ledger=ledger,
        surface=surface,
        readings=readings,
        alike=not (pairing.reshaped or pairing.only_base or pairing.only_student),
        remarks=(*_remarks(sides), *surface.remarks),
    )


def to_json(result: Inspection) -> dict[str, Any]:
    """Return an inspection as plain values: answers, lineage, edit with the map of all weights, parts."""
    edit = result.edit
    return {
        "schema": SCHEMA_VERSION,
        "verdict": result.verdict,
        "base": to_plain(result.base),
        "student": to_plain(result.student),
        "questions": to_plain(result.questions),
        "lineage": _lineage_json(result.lineage),
        "candidates": [_lineage_json(one) for one in result.candidates],
        "edit": _edit_json(edit) if edit else None,
        "parts": to_plain(result.ledger.parts),
        "faults": list(result.ledger.faults),
        "notes": list(result.ledger.notes),
        "surface": {topic.name: to_plain(topic.findings) for topic in result.surface.topics},
        "risks": to_plain(result.surface.risks),
        "readings": to_plain(result.readings),
        "remarks": list(result.remarks),
    }


def _edit(
    base: Inventory,
    student: Inventory,
    pairing: Pairing,
    others: Sequence[Inventory],
    progress: Progress,
    depth: Depth,
    workers: int,
) -> Edit:
    def advance(done: int, total: int) -> None:
        if done == 1:
            progress.start("weights of both models", total)
        progress.advance()

    edit = find_edit(
        base, student, pairing, others, full=depth == "full", glance=depth == "glance", workers=workers, advance=advance
    )
    if depth == "glance" and edit.kind == "none" and _side(student).nbytes <= SURE:
        # Whatever stands on "the same" must not stand on a sample.
        return find_edit(base, student, pairing, full=True, advance=advance)
    return edit


def _processes(sides: Sequence[Inventory]) -> int:
    """One, unless there is enough to read for starting others to pay."""
    return min(4, os.cpu_count() or 1) if sum(_side(side).nbytes for side in sides) > LARGE else 1


def _surface(refs: Sequence[ModelRef], sides: Sequence[Inventory], pinned: str, *, quick: bool) -> Surface:
    base = read_surface(refs[0], sides[0].source, tokenizer=not quick)
    files = (base, read_surface(refs[1], sides[1].source, tokenizer=not quick, known=base.vocabulary))
    found = look_at_surface(files[0], files[1], dtypes=(_side(sides[0]).dtype, _side(sides[1]).dtype), quick=quick)
    chain = chain_topic(refs, sides, files)
    remarks = (*found.remarks, *([pinned] if pinned else []))
    return replace(found, topics=(chain, *found.topics), remarks=remarks)


def _files(ref: ModelRef) -> list[str] | None:
    """Names in a checkpoint folder; None where they are not listed."""
    path = Path(ref.target)
    return LocalFolder(path).names() if path.is_dir() else None


def _side(side: Inventory) -> Side:
    metas = side.source.tensors.values()
    sizes: dict[str, int] = {}
    for meta in metas:
        sizes[meta.dtype] = sizes.get(meta.dtype, 0) + meta.nbytes
    return Side(
        reference=side.label,
        tensors=len(metas),
        nbytes=sum(sizes.values()),
        dtype=max(sizes, key=lambda dtype: sizes[dtype]),
        layers=side.layers,
        unknown=len(side.unknown),
    )


def _remarks(sides: Sequence[Inventory]) -> Iterator[str]:
    for side in sides:
        for remark in getattr(side.source, "remarks", ()):
            yield f"{side.label}: {remark}"
        if side.unknown:
            what = (
                f"{len(side.unknown)} tensors of unknown meaning, compared by name, first {side.unknown[0]}"
            )
            yield f"{side.label}: {what}"


def _questions(
    lineage: Lineage, candidates: Sequence[Lineage], edit: Edit | None, ledger: Ledger, surface: Surface
) -> Iterator[Question]:
    yield _lineage_question(lineage, candidates)
    if edit is not None:
        answer: Answer = "insufficient" if edit.kind == "unknown" else "confirmed"
        yield Question(name="edit", answer=answer, text=edit_words(edit))
    if ledger.faults:
        count = len(ledger.faults)
        text = ledger.faults[0] if count == 1 else f"{ledger.faults[0]}, and {count - 1} more"
        yield Question(name="parts", answer="contradicted", text=text)
    else:
        parts = ", ".join(f"{part.name} {part.state}" for part in ledger.parts)
        yield Question(name="parts", answer="confirmed", text=parts)
    for topic in surface.topics:
        yield Question(name=topic.name, answer=topic.answer, text=topic.text)
    yield Question(
        name="teacher",
        answer="not testable from files",
        text="no weights of a teacher enter a student: who taught it shows in replies alone",
    )


def _lineage_question(lineage: Lineage, candidates: Sequence[Lineage]) -> Question:
    nearest = candidates[0] if candidates else None
    known = ("identical", "derived")
    if (
        nearest
        and nearest.word in known
        and (lineage.word == "unrelated" or nearest.relative < _NEARER * lineage.relative)
    ):
        far = f"the claimed base at {lineage.relative:.2g}"
        text = f"{nearest.base} is nearer: at a distance of {nearest.relative:.2g}, {far}"
        return Question(name="lineage", answer="contradicted", text=text)
    answers: dict[str, Answer] = {"unrelated": "contradicted", "insufficient": "insufficient"}
    return Question(
        name="lineage", answer=answers.get(lineage.word, "confirmed"), text=lineage_words(lineage)
    )


def lineage_words(found: Lineage) -> str:
    """Return the answer to the question of lineage in words."""
    hits = f"{found.hits} of {found.rows} rows lie nearest to themselves (chance {found.p_value:.1g})"
    if found.word == "identical":
        return f"every value that was read is the same; {hits}"
    if found.word == "derived":
        same = f", {found.small_equal} of {found.small} small tensors unchanged" if found.small else ""
        # The median of the matrices that were read: of a few modules trained most are untouched.
        far = f"at a distance of {found.relative:.2g}" if found.relative else "most of these matrices untouched"
        return f"{hits}, {far}{same}"
    if found.word == "permuted":
        return (
            f"the base's neurons in another order: gate and up agree on {found.agreements} of {found.neurons} "
            f"(chance {found.p_value:.1g})"
        )
    if found.word == "unrelated":
        orders = "" if found.neurons else "; neurons in another order were not looked for"
        return f"no relation: {hits}, as in models trained apart{orders}"
    return f"cannot tell: {found.reason}"


def edit_words(edit: Edit) -> str:
    """Return what was done to a base in words."""
    cut = "; ".join(edit.surgery.notes)
    text = _kind_words(edit)
    if edit.grid and edit.kind != "quantised copy":
        text += f"; merged into a base that was rounded to {edit.grid}"
    elif edit.grid:
        text = f"the base rounded to {edit.grid}, stored in full"
    return f"{text}; {cut}" if cut else text


def _kind_words(edit: Edit) -> str:
    match edit.kind:
        case "none":
            return "nothing: every value that was compared is the same"
        case "cast":
            return "the same weights rounded to another dtype"
        case "quantised copy":
            return f"a quantised copy of the base{_codes_words(edit)}"
        case "quantised fine-tune":
            return f"a quantised copy of something trained from the base{_codes_words(edit)}"
        case "lora":
            return f"LoRA of rank {edit.rank} on {_where(edit)}{_rank_words(edit)}"
        case "dense":
            return f"dense training of {_where(edit)}, at a distance of {edit.relative:.2g}; no rank reproduces it"
        case "changed":
            return f"changed, at a distance of {edit.relative:.2g}; how is told by `hydrometer inspect`"
        case "merge":
            return f"a merge: {_merge_words(edit)}, which explains {edit.fit:.1%} of the change"
        case _:
            return f"changed, but how cannot be told: {edit.reason}"


def _where(edit: Edit) -> str:
    roles = edit.low_rank_roles() if edit.kind == "lora" else [r for r, (n, _) in edit.roles().items() if n]
    moved = sorted({c.place.layer for c in edit.touched if c.place.layer >= 0 and c.place.role in roles})
    names = ", ".join(role.split(".", 1)[-1] for role in roles)
    return f"{names} of layers {spans(moved)}" if moved else names


def _rank_words(edit: Edit) -> str:
    fitted = [rank for rank in edit.ranks.values() if rank.rank == edit.rank]
    total = sum(rank.held_out for rank in fitted)
    shares = [sum(getattr(r, key) * r.held_out for r in fitted) / total for key in ("rebuilt", "unchanged")]
    others = sorted({role for role, (moved, _) in edit.roles().items() if moved} - set(edit.low_rank_roles()))
    also = f"; trained besides: {', '.join(others)}" if others else ""
    return (
        f": base and rank {edit.rank} reproduce {shares[0]:.0%} of {total:,} held-out values, "
        f"the base alone {shares[1]:.0%}; {len(fitted)} of {len(edit.ranks)} matrices agree on the rank{also}"
    )


def _codes_words(edit: Edit) -> str:
    if not edit.codes:
        return ""
    equal = sum(c.equal * c.compared for c in edit.codes) / sum(c.compared for c in edit.codes)
    dtypes = ", ".join(sorted({c.dtype for c in edit.codes}))
    return f" ({dtypes}): the base on its grid gives {equal:.4%} of its codes"


def _merge_words(edit: Edit) -> str:
    rest = 1.0 - sum(share for _, share in edit.weights)
    parts = [f"{share:.3f} of {name}" for name, share in edit.weights]
    return ", ".join([*parts, f"{rest:.3f} of the base"])


def _lineage_json(found: Lineage) -> dict[str, Any]:
    plain: dict[str, Any] = to_plain(found)
    plain |= {"hits": found.hits, "rows": found.rows, "relative": _finite(found.relative)}
    plain["matches"] = [
        {**to_plain(m), "place": str(m.place), "relative": _finite(m.relative)} for m in found.matches
    ]
    return plain


def _edit_json(edit: Edit) -> dict[str, Any]:
    low = edit.low_rank_roles()
    return {
        "kind": edit.kind,
        "rank": edit.rank,
        "relative": _finite(edit.relative),
        "grid": edit.grid,
        "weights": dict(edit.weights),
        "fit": edit.fit,
        "reason": edit.reason,
        "roles": {
            role: {"moved": moved, "count": count, "rank": low.get(role)}
            for role, (moved, count) in edit.roles().items()
        },
        "ranks": {str(place): to_plain(rank) for place, rank in edit.ranks.items()},
        "codes": [{**to_plain(c), "place": str(c.place), "origin": c.origin} for c in edit.codes],
        "surgery": list(edit.surgery.notes),
        "layers": list(edit.surgery.layers),
        "map": [_change_json(change) for change in edit.changes],
    }


def _change_json(change: Change) -> dict[str, Any]:
    plain: dict[str, Any] = to_plain(change)
    return {**plain, "relative": _finite(change.relative)}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
