"""From the student's card to the base, hop by hop: each card names what its model was made from.

Where the tensors of a model on the way are at hand, they are asked too: a card is a claim.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hydrometer.checkpoint.cards import listed
from hydrometer.surface.answers import Answer, Finding, Topic, quoted
from hydrometer.surface.files import SurfaceFiles

MAX_HOPS = 8
_HUB_PATH = re.compile(r"models--([^/]+?)--([^/]+)/snapshots/")
_QUANT = re.compile(r"([-._](UD-)?(I?Q\d\w*|BF16|F16|F32|MXFP4\w*))?(-\d{5}-of-\d{5})?(\.gguf)?$", re.IGNORECASE)
_COPIES = re.compile(r"[-_.](gguf|bnb-4bit|4bit|awq|gptq|fp8|mlx\w*)\b.*$", re.IGNORECASE)
_RELATED: dict[str, Answer] = {
    "identical": "confirmed", "derived": "confirmed", "permuted": "confirmed", "unrelated": "contradicted",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One model on the way, looked up.

    Attributes:
        parents: What its card says it was made from.
        missing: Why it could not be looked up, `""` if it was.
        absent: Whether it was asked for and is not there, rather than not asked for.
        word: What its tensors say about the student, a word of lineage; `""` if they were not asked.
    """

    parents: tuple[str, ...] = ()
    missing: str = ""
    absent: bool = False
    word: str = ""


@dataclass(slots=True)
class _Walk:
    findings: list[Finding] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    ends: list[str] = field(default_factory=list)
    missing: list[tuple[str, Step]] = field(default_factory=list)
    reached: str = ""


def declared(files: SurfaceFiles) -> tuple[str, ...]:
    """Return what a model's card, adapter or metadata says it was made from, each name once."""
    return tuple(dict.fromkeys(name.strip()[:200] for name in _declared(files) if name.strip()))


def _declared(files: SurfaceFiles) -> Iterator[str]:
    yield from (name for name in listed(files.front.get("base_model")) if isinstance(name, str))
    try:
        adapter = json.loads(files.texts.get("adapter_config.json", "{}"))
    except (ValueError, RecursionError):
        adapter = {}
    if isinstance(adapter, dict) and isinstance(adapter.get("base_model_name_or_path"), str):
        yield adapter["base_model_name_or_path"]
    if files.gguf and not files.front:
        count = files.config.get("general.base_model.count", 0)
        for number in range(min(count, MAX_HOPS) if isinstance(count, int) else 0):
            url = files.config.get(f"general.base_model.{number}.repo_url")
            if isinstance(url, str):
                yield re.sub(r"^https?://(www\.)?(huggingface\.co|hf\.co)/", "", url)


def names_of(label: str) -> tuple[str, ...]:
    """Return the names by which a card may mean a model, from the reference that a user gave: the hub's first."""
    text = re.sub(r"^(hf|llamacpp):(?!//)", "", label).partition("+")[0]
    if text.startswith("hf://"):
        return ("/".join(text.removeprefix("hf://").partition("@")[0].split("/")[:2]),)
    cached = _HUB_PATH.search(text)
    if cached:
        return (f"{cached[1]}/{cached[2]}",)
    return (_QUANT.sub("", Path(text.rstrip("/")).name),)


def is_meant(name: str, known: tuple[str, ...]) -> bool:
    """Whether a name on a card means one of these; without an owner on either side the last part decides."""
    for other in known:
        if name.lower() == other.lower():
            return True
        if not ("/" in name and "/" in other) and _last(name) == _last(other):
            return True
    return False


def follow(
    student: SurfaceFiles,
    base: SurfaceFiles,
    base_names: tuple[str, ...],
    look_up: Callable[[str], Step],
) -> Topic:
    """Follow the cards from the student to the base.

    Args:
        student: The files of the student.
        base: The files of the base.
        base_names: The names by which a card may mean the base.
        look_up: Looks a model up by the name on a card.
    """
    start = declared(student)
    if not start:
        text = "neither card nor metadata of the student names a base"
        return Topic(name="chain", answer="not testable from files", text=text)
    walk = _Walk()
    queue: list[tuple[str, tuple[str, ...]]] = [(name, ("the student",)) for name in start]
    while queue and len(walk.findings) < MAX_HOPS:
        name, path = queue.pop(0)
        queue += [(parent, (*path, name)) for parent in _visit(walk, name, path, base_names, look_up)]
    answer, text = _answer(walk, start, base, base_names)
    return Topic(name="chain", answer=answer, text=text, findings=tuple(walk.findings))


def _visit(
    walk: _Walk, name: str, path: tuple[str, ...], base_names: tuple[str, ...], look_up: Callable[[str], Step]
) -> tuple[str, ...]:
    """Look at one name and return those that it leads to."""
    shown = " -> ".join((*path, name))
    if is_meant(name, base_names):
        walk.reached = walk.reached or shown
        walk.findings.append(Finding(name=name, answer="confirmed", text=f"{path[-1]} names {name}, the base given"))
        return ()
    if name.lower() in (one.lower() for one in path):
        walk.findings.append(Finding(name=name, answer="contradicted", text=f"the cards go round in a circle: {shown}"))
        return ()
    if name.lower() in walk.seen:
        return ()
    walk.seen.add(name.lower())
    step = look_up(name)
    tensors = f", and by its tensors the student is {step.word}" if step.word else ""
    if step.missing:
        walk.missing.append((name, step))
        tensors = f": {step.missing}"
    elif not step.parents:
        walk.ends.append(name)
    answer = _RELATED.get(step.word, "not testable from files")
    walk.findings.append(Finding(name=name, answer=answer, text=f"{path[-1]} names {name}{tensors}"))
    return step.parents


def _answer(
    walk: _Walk, start: tuple[str, ...], base: SurfaceFiles, base_names: tuple[str, ...]
) -> tuple[Answer, str]:
    wrong = [finding.text for finding in walk.findings if finding.answer == "contradicted"]
    if wrong:
        return "contradicted", "; ".join(wrong)
    if walk.reached:
        asked = sum(finding.answer == "confirmed" for finding in walk.findings)
        hops = walk.reached.count(" -> ")
        checked = f", {asked - 1} of the models between checked by tensors" if hops > 1 else ""
        return "confirmed", f"{walk.reached}{checked}"
    shared = [name for name in declared(base) if name.lower() in walk.seen]
    if shared and _is_copy(base, shared[0], base_names):
        return "confirmed", f"the card names {shared[0]}, of which the base given is a copy by its own card"
    if shared:
        text = f"the card names {shared[0]}, from which the base given was made too: a sibling, not a parent"
        return "contradicted", text
    if walk.missing:
        name, step = walk.missing[0]
        answer: Answer = "insufficient" if step.absent else "not testable from files"
        return answer, f"the card names {quoted(start[0])}; {name} cannot be followed: {step.missing}"
    if walk.ends and "/" in base_names[0]:
        return "contradicted", f"the card leads to {', '.join(walk.ends)}, not to {base_names[0]}"
    return "not testable from files", f"the card names {start[0]}; under what name the base was published is not known"


def _is_copy(base: SurfaceFiles, origin: str, base_names: tuple[str, ...]) -> bool:
    relation = base.front.get("base_model_relation")
    return base.gguf or relation == "quantized" or any(_last(name) == _last(origin) for name in base_names)


def _last(name: str) -> str:
    return _COPIES.sub("", _QUANT.sub("", name.rstrip("/").rpartition("/")[2].lower().replace(" ", "-")))
