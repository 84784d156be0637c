"""`registry build`: a static site from many audits, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from hydrometer.errors import EvidenceError, UsageError
from hydrometer.progress import Progress, Silent
from hydrometer.registry.collect import MARK, LeftOut, find_sources, settle, take
from hydrometer.registry.entry import SCHEMA_VERSION, Entry
from hydrometer.registry.lists import options_of, packed
from hydrometer.registry.naming import slug
from hydrometer.registry.pages import (
    PAGE_ROWS,
    ListPage,
    asset,
    entry_json,
    feed,
    render_base,
    render_bases,
    render_list,
    render_model,
)
from hydrometer.report.library import LIBRARY_NAME, library
from hydrometer.report.templating import data_block

EMBEDDED = 180_000
"""Most bytes of packed entries that stand in the page itself; larger ones are fetched, which needs http."""
ASSETS = ("registry.css", "registry.js")


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What was built: audits on the site, and what could not be taken."""

    audits: int
    left_out: tuple[LeftOut, ...]


def build_site(folder: Path, out: Path, *, url: str = "", progress: Progress | None = None) -> Built:
    """Build the site of all audits below a folder; an earlier site is replaced once the new one is whole.

    Args:
        folder: Holds audits and bundles, at any depth up to four folders.
        out: Where the site goes.
        url: Address it will have, for the feed.
        progress: Who is told what happens.

    Raises:
        UsageError: `out` holds something else than a site.
        EvidenceError: There is no audit, or `out` cannot be written.
    """
    if _is_others(out):
        msg = f"{out} holds something else than a registry: choose another -o"
        raise UsageError(msg)
    # `.` has no name that a folder beside it could be called after.
    out = out.resolve()
    draft = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        draft.mkdir(parents=True)
        entries, left_out = _take_all(folder, draft, progress or Silent())
        _write(draft, entries, left_out, url if not url or url.endswith("/") else f"{url}/")
        old = out.with_name(f".{out.name}.{os.getpid()}.old")
        if out.exists():
            out.rename(old)
        draft.rename(out)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        msg = f"cannot write {out}: {error.strerror or error}; choose another -o"
        raise EvidenceError(msg) from error
    finally:
        with suppress(OSError):
            shutil.rmtree(draft)
    return Built(audits=len(entries), left_out=tuple(left_out))


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of an entry as the API gives it."""
    schema = TypeAdapter(Entry).json_schema()
    texts = {name: {"type": "string"} for name in ("report.html", "report.json", "page")}
    schema["properties"]["files"] = {"type": "object", "properties": texts}
    return schema


def _is_others(out: Path) -> bool:
    """Whether a place holds something that is not ours to replace."""
    if not out.is_dir():
        return out.exists()
    return any(out.iterdir()) and not (out / MARK).is_file()


def _take_all(folder: Path, draft: Path, progress: Progress) -> tuple[list[Entry], list[LeftOut]]:
    """Write the report of every audit, and return their entries, newest first."""
    sources, left_out = find_sources(folder)
    if not sources and not left_out:
        msg = f"no audit in {folder}: it holds neither a report.json nor a bundle"
        raise EvidenceError(msg)
    audits = draft / "audits"
    places = [audits / f".{number}" for number in range(len(sources))]
    taken = []
    # A report takes most of the time, and each is on its own.
    progress.start("read audits", len(sources))
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for source, entry in zip(sources, pool.map(take, sources, places, chunksize=4), strict=True):
            taken.append((source, entry))
            progress.advance()
    kept, more = settle(taken, folder)
    for number, place in enumerate(places):
        if number in kept:
            place.rename(audits / kept[number].id)
        elif place.exists():
            shutil.rmtree(place)
    return sorted(kept.values(), key=lambda entry: entry.created, reverse=True), [*left_out, *more]


def _write(out: Path, entries: Sequence[Entry], left_out: Sequence[LeftOut], url: str) -> None:
    _write_lists(out, entries, left_out)
    bases = _grouped(entries, lambda entry: entry.base.name)
    models = _grouped(entries, lambda entry: entry.student.name)
    for room in ("bases", "models", "api", "api/audits"):
        (out / room).mkdir()
    for name, group in bases:
        _put(out / "bases" / f"{slug(name)}.html", render_base(group))
    for name, group in models:
        _put(out / "models" / f"{slug(name)}.html", render_model(group))
    listed = [(name, f"bases/{slug(name)}.html", group) for name, group in bases]
    _put(out / "bases.html", render_bases(listed))
    rows = [entry_json(entry) for entry in entries]
    for row in rows:
        _put_json(out / "api" / "audits" / f"{row['id']}.json", row)
    _put_json(out / "api" / "audits.json", {"schema_version": SCHEMA_VERSION, "audits": rows})
    described = [{"name": name, "page": page, "audits": [e.id for e in group]} for name, page, group in listed]
    _put_json(out / "api" / "bases.json", {"schema_version": SCHEMA_VERSION, "bases": described})
    faults = [{"where": fault.where, "why": fault.why} for fault in left_out]
    _put_json(out / "api" / "left-out.json", {"left_out": faults})
    _put_json(out / "api" / "schema.json", json_schema())
    _put(out / "feed.xml", feed(entries, url))
    for name in ASSETS:
        _put(out / name, asset(name))
    _put(out / LIBRARY_NAME, library())
    _put(out / MARK, "")


def _write_lists(out: Path, entries: Sequence[Entry], left_out: Sequence[LeftOut]) -> None:
    """Write the index in pages, and the page for a given memory."""
    options, small = options_of(entries), packed(entries)
    block = data_block(small)
    embedded = block if len(block.encode()) <= EMBEDDED else ""
    _put(out / "index.json", json.dumps(small, ensure_ascii=False, separators=(",", ":")))
    known = sorted(
        (entry for entry in entries if entry.student.weight_bytes),
        key=lambda entry: -(entry.student.weight_bytes or 0),
    )
    memory = ListPage(
        kind="memory",
        entries=known[:PAGE_ROWS],
        options=options,
        total=len(known),
        all=len(entries),
        packed=embedded,
        unknown=len(entries) - len(known),
    )
    _put(out / "memory.html", render_list(memory))
    pages = max(1, -(-len(entries) // PAGE_ROWS))
    for number in range(1, pages + 1):
        page = ListPage(
            kind="all",
            entries=entries[(number - 1) * PAGE_ROWS : number * PAGE_ROWS],
            options=options,
            total=len(entries),
            all=len(entries),
            number=number,
            packed=embedded if number == 1 else "",
            left_out=left_out if number == 1 else (),
            links=(_name(number - 1) if number > 1 else "", _name(number + 1) if number < pages else ""),
        )
        _put(out / _name(number), render_list(page))


def _name(number: int) -> str:
    return "index.html" if number == 1 else f"page-{number}.html"


def _grouped(entries: Iterable[Entry], key: Callable[[Entry], str]) -> list[tuple[str, list[Entry]]]:
    """Entries by a name, groups in the order of names, entries in their own."""
    return [(name, list(group)) for name, group in groupby(sorted(entries, key=key), key)]


def _put(path: Path, text: str) -> None:
    path.write_text(text.encode("utf-8", "replace").decode(), encoding="utf-8", newline="\n")


def _put_json(path: Path, value: Any) -> None:
    _put(path, json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1) + "\n")
