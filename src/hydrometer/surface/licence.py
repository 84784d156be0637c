"""The licence that the student's card states against the base's. A hint for a reader of terms, not legal advice."""

from __future__ import annotations

from hydrometer.checkpoint.cards import listed
from hydrometer.surface.answers import Answer, Topic
from hydrometer.surface.files import CARD, SurfaceFiles

_BOUND = (
    "gemma", "llama", "nvidia", "cc-by-nc", "cc-by-sa", "gpl", "agpl", "lgpl", "openrail", "bigscience", "creativeml",
    "qwen",
)  # fmt: skip
"""Beginnings of licences whose terms go along with whatever is made from the work."""
_FREE = ("apache-2.0", "mit", "bsd", "cc0", "unlicense", "isc", "cc-by-4.0", "cdla-permissive", "wtfpl")


def licence_of(files: SurfaceFiles) -> str:
    """Return the licence that a model states, lower case, `""` if it states none."""
    front = files.front
    inside = files.config.get("general.license") if files.gguf else ""
    given = str(next(iter(listed(front.get("license"))), "") or inside or "")
    name = str(front.get("license_name") or files.config.get("general.license.name") or "")
    given = name if given.lower() == "other" and name else given
    return "".join(mark for mark in given.strip().lower() if mark.isprintable())[:80]


def compare_licences(base: SurfaceFiles, student: SurfaceFiles) -> Topic:
    """Compare what both say about their licence."""
    ours, theirs = licence_of(base), licence_of(student)
    answer, text = _compare(ours, theirs, has_card=CARD in student.texts or bool(student.front))
    return Topic(name="licence", answer=answer, text=text)


def _compare(ours: str, theirs: str, *, has_card: bool) -> tuple[Answer, str]:
    if not theirs:
        where = "the card names no licence" if has_card else "there is no card that names a licence"
        return "not testable from files", where + (f"; the base is under {ours}" if ours else "")
    if not ours:
        return "not testable from files", f"the card names {theirs}, the base's is not at hand"
    if ours == theirs:
        return "confirmed", f"both are under {theirs}"
    if ours.startswith(_BOUND) and theirs.startswith(_FREE):
        text = f"the card names {theirs}, and the base is under {ours}, whose terms go along with what is made from it"
        return "contradicted", text
    return "insufficient", f"the card names {theirs}, the base is under {ours}: whether that may be is in their terms"
