"""Find the audits below a folder: `report.json` files and bundles. What cannot be taken is said, never dropped."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from hydrometer.canon import FILE_TAG
from hydrometer.errors import EvidenceError, HydrometerError
from hydrometer.registry.bundle import SUFFIX, conflict, open_bundle
from hydrometer.registry.entry import Entry, entry_of
from hydrometer.registry.files import write_pages
from hydrometer.report.json_report import JSON_NAME, from_json
from hydrometer.result import AuditResult
from hydrometer.store import EVIDENCE

MARK = ".hydrometer-registry"
"""File that says that a folder is a site of ours: it may be replaced, and holds no audits but copies."""
_DEPTH = 4
"""Folders below the given one that are looked into."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where an audit lies: its `report.json`, or a bundle."""

    path: Path
    bundle: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Something that looks like an audit and could not be taken, with the reason."""

    where: str
    why: str


def find_sources(folder: Path) -> tuple[list[Source], list[LeftOut]]:
    """Return the audits below a folder, in the order of their paths, and evidence without any report.

    Raises:
        EvidenceError: The folder is not there.
    """
    if not folder.is_dir():
        msg = f"no folder {folder}: give one that holds audits or bundles"
        raise EvidenceError(msg)
    sources, half = [], []
    for place, names in _walk(folder):
        if JSON_NAME in names:
            sources.append(Source(path=place / JSON_NAME, bundle=False))
        elif EVIDENCE in names and not any(place.glob(f"*/{JSON_NAME}")):
            why = f"evidence without a {JSON_NAME}: the audit did not end; rerun its command, the replies are kept"
            half.append(LeftOut(where=str(place.relative_to(folder)), why=why))
        sources += [Source(path=place / name, bundle=True) for name in names if name.endswith(SUFFIX)]
    return sources, half


def read_source(source: Source) -> tuple[Entry, AuditResult, bytes]:
    """Return entry and result of an audit, and the bytes of its `report.json`; of a bundle, once all digests fit.

    Raises:
        EvidenceError: It cannot be read, or is from a newer version, or damaged.
    """
    if source.bundle:
        bundle = open_bundle(source.path)
        return entry_of(bundle.result, bundle.content, signer=bundle.signer), bundle.result, bundle.report
    try:
        body = source.path.read_bytes()
    except OSError as error:
        msg = f"cannot read {source.path}: {error.strerror or error}"
        raise EvidenceError(msg) from error
    result = from_json(body)
    return entry_of(result, FILE_TAG + sha256(body).hexdigest()), result, body


def take(source: Source, out: Path) -> Entry | str:
    """Write the report of one audit into a new folder and return its entry, or why it could not be taken."""
    try:
        entry, result, body = read_source(source)
        out.mkdir(parents=True)
        write_pages(result, out)
        (out / JSON_NAME).write_bytes(body)
    except HydrometerError as error:
        return str(error)
    except OSError as error:
        return f"{error.strerror or error}"
    return entry


def settle(
    taken: Sequence[tuple[Source, Entry | str]], folder: Path
) -> tuple[dict[int, Entry], list[LeftOut]]:
    """Return the audits that stand, by their number, and what does not: unreadable, or a second of one id.

    The same audit twice is no fault. Of two that contradict each other the first one in the order of paths stands.
    """
    kept: dict[int, Entry] = {}
    first: dict[str, int] = {}
    left_out = []
    for number, (source, entry) in enumerate(taken):
        where = str(source.path.relative_to(folder))
        if isinstance(entry, str):
            left_out.append(LeftOut(where=where, why=entry))
        elif entry.id not in first:
            first[entry.id] = number
            kept[number] = entry
        elif kept[first[entry.id]].content != entry.content:
            other = str(taken[first[entry.id]][0].path.relative_to(folder))
            left_out.append(LeftOut(where=where, why=str(conflict(entry.id, other, where))))
    return kept, left_out


def _walk(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    for root, folders, names in os.walk(folder):
        place = Path(root)
        if MARK in names:
            folders.clear()
            continue
        deep = len(place.relative_to(folder).parts)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and deep < _DEPTH)
        yield place, sorted(names)
