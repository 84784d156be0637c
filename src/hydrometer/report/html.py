"""`report.html`: one file that needs nothing else, from templates that escape everything.

Replies are hostile text. Three walls keep them text: autoescape, a content security policy that allows only the
one style sheet and the scripts of this package by their digests, and no attribute that takes a reply.

Items whose replies find no room on the page stand on plain pages in a folder beside it: a page that is opened from
a disk may not read other files, but it may link to them.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from jinja2 import Environment
from markupsafe import Markup

from hydrometer.report.build import build_view
from hydrometer.report.claims_view import ClaimsView
from hydrometer.report.library import library
from hydrometer.report.templating import templates
from hydrometer.report.view import ItemView, ReportView
from hydrometer.result import AuditResult
from hydrometer.version import __version__

HTML_NAME = "report.html"
FOLDER = "report-items"
"""Folder of the pages beside the report."""

SIZE_LIMIT = 3_000_000
"""Largest size of a page in bytes."""

_PAGE_ITEMS = 400
"""Most items on one page beside the report."""
_LISTED = 0.5
"""Share of the room for items that may go to mere lines, which lead to the pages beside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """The page, and the pages in the folder beside it by their names; none where everything fits."""

    report: str
    beside: dict[str, str] = field(default_factory=dict)


def render_html(result: AuditResult, limit: int = SIZE_LIMIT) -> str:
    """Return the page of a result; `render_pages` also gives the pages beside it."""
    return render_pages(result, limit).report


def render_pages(
    result: AuditResult, limit: int = SIZE_LIMIT, claims: ClaimsView | None = None, *, shared: str = ""
) -> Pages:
    """Return the page of a result and the pages beside it.

    Args:
        result: What an audit found.
        limit: Largest size of a page in bytes.
        claims: The claims of the student's card, answered.
        shared: Address of the chart library, for pages that share one copy; without it the page holds its own.
    """
    return render_view(replace(build_view(result), claims=claims), limit, shared=shared)


def render_view(view: ReportView, limit: int = SIZE_LIMIT, *, shared: str = "") -> Pages:
    """Return the pages of a view; arguments as those of `render_pages`."""
    environment = templates()
    fixed = {"view": view, "folder": FOLDER, "report": HTML_NAME}
    beside_fixed = fixed | furniture(environment)
    fixed |= furniture(environment, charts=view.charts, shared=shared)
    page = environment.get_template("report.html.j2")
    body = environment.get_template("item.html.j2")
    # Rendered with autoescape on, like everything else that is marked as safe below.
    bodies = [Markup(body.render(item=item)) for item in view.items]  # noqa: S704
    here = {item.anchor: f"#{item.anchor}" for item in view.items}
    # Links to other pages are longer than links into this one: room is kept for those of the behaviours and the forks.
    linked = sum(len(row.anchors) for row in view.behaviours) + (len(view.drift.forks) if view.drift else 0)
    bare = _size(page.render(fixed, items=[], beside=10**6, unlisted=10**6, places=here))
    room = limit - bare - linked * len(f"{FOLDER}/000.html") - 500
    kept, listed = _divided(environment, view.items, bodies, room)
    away = [n for n in range(len(bodies)) if n not in kept]
    chunks = _chunks([_size(bodies[n]) for n in away], limit - bare)
    number = {n: page_number for page_number, chunk in enumerate(chunks, 1) for n in (away[i] for i in chunk)}
    places = {
        item.anchor: f"{FOLDER}/{number[n]:03d}.html#{item.anchor}" if n in number else here[item.anchor]
        for n, item in enumerate(view.items)
    }
    items = [
        bodies[n] if n in kept else _row(environment, item, places[item.anchor])
        for n, item in enumerate(view.items[:listed])
    ]
    report = page.render(
        fixed, items=items, beside=len(away), unlisted=len(view.items) - listed, places=places
    )
    beside = environment.get_template("items.html.j2")
    return Pages(
        report=report,
        beside={
            f"{page_number:03d}.html": beside.render(
                beside_fixed,
                number=page_number,
                count=len(chunks),
                items=[bodies[away[i]] for i in chunk],
                shown=[view.items[away[i]] for i in chunk],
            )
            for page_number, chunk in enumerate(chunks, 1)
        },
    )


def furniture(environment: Environment, *, charts: bool = False, shared: str = "") -> dict[str, object]:
    """Return what every page of this package needs: version, style, scripts, and the policy that allows no other.

    Args:
        environment: Has the templates.
        charts: Whether the page has charts, which need the library.
        shared: Address of the library; without it the page holds it.
    """
    style, script = _sheet(environment), _source(environment, "report.js")
    draw = _source(environment, "charts.js") if charts else ""
    held = library() if charts and not shared else ""
    # All are part of this package, and no value is put into them: the only text that is not escaped.
    return {
        "version": __version__,
        "style": Markup(style),  # noqa: S704
        "script": Markup(script),  # noqa: S704
        "library": Markup(held),  # noqa: S704
        "library_at": shared,
        "draw": Markup(draw),  # noqa: S704
        "policy": _policy(style, [text for text in (script, held, draw) if text], own=bool(charts and shared)),
    }


def _divided(
    environment: Environment, views: Sequence[ItemView], bodies: Sequence[str], room: int
) -> tuple[set[int], int]:
    """Which items stand on the page with their replies, and how many from the first on are listed at all."""
    if sum(map(_size, bodies)) <= room:
        return set(range(len(bodies))), len(bodies)
    lines = [_size(_row(environment, item, f"{FOLDER}/000.html#{item.anchor}")) for item in views]
    listed, spent = 0, 0
    while listed < len(lines) and spent + lines[listed] <= room * _LISTED:
        spent += lines[listed]
        listed += 1
    kept = set()
    for n in range(listed):
        more = _size(bodies[n]) - lines[n]
        if spent + more <= room:
            spent += more
            kept.add(n)
    return kept, listed


def _chunks(sizes: Sequence[int], limit: int) -> list[range]:
    """Cut a row of items into pages of at most so many bytes; an item larger than that has one of its own."""
    chunks: list[range] = []
    start, spent = 0, 0
    for n, size in enumerate(sizes):
        if n > start and (spent + size > limit or n - start >= _PAGE_ITEMS):
            chunks.append(range(start, n))
            start, spent = n, 0
        spent += size
    return [*chunks, range(start, len(sizes))] if sizes else []


def _row(environment: Environment, item: ItemView, href: str) -> Markup:
    text = environment.get_template("item_row.html.j2").render(item=item, href=href)
    return Markup(text)  # noqa: S704 - rendered with autoescape on just above


def _policy(style: str, scripts: Sequence[str], *, own: bool) -> str:
    """Allow a style sheet and scripts by their digests; `own` allows files of the page's own place, too."""
    allowed = " ".join([f"'{_digest(script)}'" for script in scripts] + ["'self'"] * own)
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src {allowed}; base-uri 'none'; form-action 'none'"
    )


@cache
def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _sheet(environment: Environment) -> str:
    """The style sheet of the page, followed by the sheets that single sections bring along."""
    sections = environment.list_templates(filter_func=_is_section_sheet)
    return "\n".join(_source(environment, name) for name in ("report.css", *sections))


def _is_section_sheet(name: str) -> bool:
    return name.startswith("section_") and name.endswith(".css")


def _source(environment: Environment, name: str) -> str:
    loader = environment.loader
    if loader is None:
        msg = "the environment was made with a loader"
        raise TypeError(msg)
    return loader.get_source(environment, name)[0].strip()


def _size(text: str) -> int:
    return len(text.encode())
