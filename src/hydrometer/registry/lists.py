"""What lists show of an entry, as strings, and the same packed small for the script that filters a static site."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hydrometer.registry.entry import Entry, Model
from hydrometer.registry.naming import slug
from hydrometer.report import words
from hydrometer.report.build import BADGES
from hydrometer.report.view import Badge
from hydrometer.result import Verdict

SIZES = (
    ("up to 1B", 0.0, 1e9),
    ("1B to 4B", 1e9, 4e9),
    ("4B to 9B", 4e9, 9e9),
    ("9B to 15B", 9e9, 15e9),
    ("15B to 36B", 15e9, 36e9),
    ("above 36B", 36e9, 1e18),
)
"""Groups of parameter counts: label, above, up to."""

VERDICTS = tuple(Verdict)
NAMED = (Verdict.WORSE, Verdict.BETTER)
"""Verdicts whose capabilities a list names."""
RUNS = {
    "student": "the distillation",
    "base": "the plain base",
    "either": "either",
    "unknown": "not known",
}
"""Which of a pair to run, going by its verdict."""

_LETTERS = dict(zip(VERDICTS, "bwenx", strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One audit in a list.

    Attributes:
        chips: The capabilities in few words: those that are worse or better by name, the others as a count per verdict.
    """

    entry: Entry
    badge: Badge
    parameters: str
    memory: str
    tokens: str
    run: str
    date: str
    chips: tuple[tuple[str, Badge], ...]
    model_page: str
    base_page: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the filters offer, from the entries there are."""

    bases: tuple[str, ...]
    families: tuple[str, ...]
    quantisations: tuple[str, ...]
    capabilities: tuple[str, ...]
    sizes: tuple[str, ...] = tuple(label for label, _, _ in SIZES)
    verdicts: tuple[tuple[str, str], ...] = tuple((verdict.value, BADGES[verdict].label) for verdict in VERDICTS)


def row_of(entry: Entry) -> Row:
    """Return what a list shows of an entry."""
    tokens = entry.tokens
    return Row(
        entry=entry,
        badge=BADGES[entry.verdict],
        parameters=billions(entry.student.parameters),
        memory=gigabytes(entry.student),
        tokens=f"x{tokens.ratio:.2f}" if tokens else words.NONE,
        run=run_words(entry),
        date=entry.created[:10],
        chips=_chips(entry),
        model_page=f"models/{slug(entry.student.name)}.html",
        base_page=f"bases/{slug(entry.base.name)}.html",
    )


def _chips(entry: Entry) -> tuple[tuple[str, Badge], ...]:
    """Lost ones first: they are what a reader looks for. `registry.js` does the same."""
    named = [(row.name, BADGES[v]) for v in NAMED for row in entry.capabilities if row.verdict is v]
    rest = [v for v in VERDICTS if v not in NAMED]
    counts = [(sum(row.verdict is v for row in entry.capabilities), BADGES[v]) for v in rest]
    return (*named, *((str(count), badge) for count, badge in counts if count))


def run_words(entry: Entry) -> str:
    """Return which of a pair to run, in words."""
    if entry.run == "either" and entry.shorter:
        return "either; the distillation is shorter"
    return RUNS[entry.run]


def options_of(entries: Iterable[Entry]) -> Options:
    """Return what the filters offer."""
    found = list(entries)
    return Options(
        bases=_names(entry.base.name for entry in found),
        families=_names(entry.student.family for entry in found),
        quantisations=_names(entry.student.quantisation for entry in found),
        capabilities=_names(row.name for entry in found for row in entry.capabilities),
    )


def billions(parameters: int | None) -> str:
    """Parameters in words, such as `7.6B` or `135M`."""
    if parameters is None:
        return words.NONE
    return f"{parameters / 1e9:.1f}B" if parameters >= 1e9 else f"{parameters / 1e6:.0f}M"


def gigabytes(model: Model) -> str:
    """Bytes of the weights in words, such as `4.7 GB`."""
    return f"{model.weight_bytes / 1e9:.2f} GB" if model.weight_bytes else words.NONE


def packed(entries: Sequence[Entry]) -> dict[str, Any]:
    """Return the entries as columns with every name once, as small as JSON gets; `registry.js` reads it."""
    names: dict[str, int] = {}
    capabilities = options_of(entries).capabilities

    def number(name: str) -> int:
        return names.setdefault(name, len(names))

    rows = []
    for entry in entries:
        verdicts = {row.name: _LETTERS[row.verdict] for row in entry.capabilities}
        rows.append(
            [
                entry.id,
                number(entry.student.label),
                number(slug(entry.student.name)),
                number(entry.base.name),
                number(slug(entry.base.name)),
                number(entry.student.family),
                number(entry.student.quantisation),
                entry.student.parameters and round(entry.student.parameters / 1e6),
                entry.student.weight_bytes and round(entry.student.weight_bytes / 1e6),
                _LETTERS[entry.verdict],
                "".join(verdicts.get(name, "-") for name in capabilities),
                entry.created[:10],
                entry.tokens and round(entry.tokens.ratio, 2),
                number(run_words(entry)),
            ]
        )
    return {
        "version": 1,
        "names": list(names),
        "capabilities": capabilities,
        "verdicts": {
            letter: [v.value, BADGES[v].kind, BADGES[v].symbol, BADGES[v].label] for v, letter in _LETTERS.items()
        },
        "sizes": [[label, low / 1e6, high / 1e6] for label, low, high in SIZES],
        "rows": rows,
    }


def _names(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({name for name in found if name}, key=str.casefold))
