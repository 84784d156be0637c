"""Where a student comes from by its cards: the base pinned to its day, and the models in between looked up."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from hydrometer.checkpoint.hub import HubFolder
from hydrometer.checkpoint.inventory import Inventory, take_inventory
from hydrometer.checkpoint.lineage import trace
from hydrometer.checkpoint.opening import HUB, locate, open_source
from hydrometer.errors import HydrometerError
from hydrometer.refs import parse_ref
from hydrometer.spec import ModelRef
from hydrometer.surface.answers import Topic
from hydrometer.surface.chain import Step, declared, follow, is_meant, names_of
from hydrometer.surface.files import SurfaceFiles, read_surface
from hydrometer.surface.pins import pin_base

_PLAIN = re.compile(r"(?!\.)[\w.-]{1,200}")


def pin_to_the_day(base: ModelRef, student: ModelRef) -> tuple[ModelRef, str]:
    """Return the base as it was when the student was uploaded, and a remark; unchanged where that cannot be told.

    Args:
        base: The base; a revision that the user gave stays.
        student: The student.
    """
    places = [locate(ref) for ref in (base, student) if ref.text.startswith(HUB)]
    folders = [folder for folder, _ in places if isinstance(folder, HubFolder)]
    if len(folders) < 2 or folders[0].revision != "main" or base.adapter:
        return base, ""
    pin = pin_base(folders[0].repo, folders[1].repo, folders[1].revision, file=places[1][1])
    if pin is None:
        return base, f"{base.text}: when the student was uploaded is not told, so the base is today's"
    if not pin.later:
        return base, ""
    file = f"/{places[0][1]}" if places[0][1] else ""
    remark = (
        f"{base.text}: read at commit {pin.commit[:12]}, the newest on {pin.day}, when the student was uploaded; "
        f"it has {pin.later} later ones"
    )
    return parse_ref(f"{HUB}{folders[0].repo}@{pin.commit}{file}"), remark


def chain_topic(refs: Sequence[ModelRef], sides: Sequence[Inventory], files: Sequence[SurfaceFiles]) -> Topic:
    """Follow the student's cards to the base.

    Args:
        refs: The base, the student, and the candidates.
        sides: Their tensors.
        files: The files around the weights of base and student.
    """
    base, student = refs[:2]
    names = names_of(base.target if base.text.startswith("bundled:") else base.text)
    online = any(ref.text.startswith(HUB) for ref in refs)
    return follow(files[1], files[0], names, _finder(student, refs[2:], sides, online=online))


def _finder(
    student: ModelRef, candidates: Sequence[ModelRef], sides: Sequence[Inventory], *, online: bool
) -> Callable[[str], Step]:
    home = Path(student.adapter or student.target)

    def look_up(name: str) -> Step:
        for ref, side in zip(candidates, sides[2:], strict=True):
            if is_meant(name, names_of(ref.text)):
                parents = declared(read_surface(ref, side.source, tokenizer=False))
                return Step(parents=parents, word=trace(side, sides[1]).word)
        # A path on a stranger's card is followed nowhere, not even from here: its last part may be a folder beside.
        last = name.rstrip("/").rpartition("/")[2]
        if _PLAIN.fullmatch(last) and (path := home.parent / last) != home and _holds_model(path):
            return _opened(str(path), sides[1])
        if name.count("/") != 1 or name.startswith((".", "/")):
            return Step(missing="no such folder")
        if not online:
            return Step(missing="it is not at hand, and the hub is asked only where a model is given as hf://")
        return _opened(f"{HUB}{name}", sides[1])

    return look_up


def _holds_model(path: Path) -> bool:
    try:
        return (path / "config.json").is_file()
    except OSError:  # such as a name that is longer than any file's
        return False


def _opened(reference: str, student: Inventory) -> Step:
    """A model on the way: what its card names, and what its tensors say."""
    try:
        ref = parse_ref(reference)
        with closing(open_source(ref)) as source:
            word = trace(take_inventory(source, reference), student).word
            return Step(parents=declared(read_surface(ref, source, tokenizer=False)), word=word)
    except HydrometerError as error:
        return Step(missing=str(error).splitlines()[0][:200], absent=True)
