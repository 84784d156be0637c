"""Pages of a registry, for the static site and for the server alike: values in, text out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from xml.etree import ElementTree as ET

from hydrometer.canon import to_plain
from hydrometer.registry.entry import Entry
from hydrometer.registry.lists import RUNS, Options, billions, gigabytes, row_of
from hydrometer.report import words
from hydrometer.report.build import BADGES
from hydrometer.report.templating import templates
from hydrometer.version import __version__

PACKAGE = "hydrometer.registry"
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'self'"
)
PAGE_ROWS = 50
_ATOM = "http://www.w3.org/2005/Atom"
_FEED_ENTRIES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """A page with a list of audits.

    Attributes:
        kind: All audits, or those that fit into memory.
        entries: The audits on this page.
        total: Audits that the filter finds.
        all: Audits in the registry.
        number: Number of this page, from 1.
        values: What the filter is set to.
        live: Whether a server filters; else a script does.
        packed: The entries for the script, `""` where it fetches them.
        left_out: What could not be taken.
        unknown: Audits that are not shown because they do not say how large the weights are.
        links: Addresses of the page before and the next one, `""` where there is none.
    """

    kind: Literal["all", "memory"]
    entries: Sequence[Entry]
    options: Options
    total: int
    all: int
    number: int = 1
    values: dict[str, str] = field(default_factory=dict)
    live: bool = False
    packed: str = ""
    left_out: Sequence[Any] = ()
    unknown: int = 0
    links: tuple[str, str] = ("", "")


def render_list(page: ListPage) -> str:
    """Return a page with a list of audits and the filter."""
    return _render("list.html.j2", root="", page=page, rows=[row_of(entry) for entry in page.entries])


def render_base(entries: Sequence[Entry]) -> str:
    """Return the page of a base with all of its distillations; every entry has that base."""
    rows = sorted((row_of(entry) for entry in entries), key=lambda row: row.entry.student.label.casefold())
    return _render("base.html.j2", root="../", name=entries[0].base.name, rows=rows)


def render_bases(groups: Sequence[tuple[str, str, Sequence[Entry]]]) -> str:
    """Return the list of bases: name, page and the audits of each."""
    rows = [
        (name, page, len({entry.student.name for entry in entries}), _counts(entries))
        for name, page, entries in groups
    ]
    return _render("bases.html.j2", root="", rows=rows)


def render_model(entries: Sequence[Entry]) -> str:
    """Return the page of a distillation with all of its audits, newest first."""
    audits = [
        (
            row_of(entry),
            [
                (
                    row,
                    BADGES[row.verdict],
                    words.NONE if row.base is None else words.percent(row.base),
                    words.NONE if row.student is None else words.percent(row.student),
                    words.NONE if row.difference is None else words.points(row.difference),
                    "" if row.low is None or row.high is None else words.interval(row.low, row.high),
                )
                for row in entry.capabilities
            ],
            [(side, model, billions(model.parameters), gigabytes(model)) for side, model in _sides(entry)],
        )
        for entry in entries
    ]
    return _render("model.html.j2", root="../", name=entries[0].student.name, audits=audits, runs=RUNS)


def render_error(title: str, text: str) -> str:
    """Return a page that says one thing."""
    return _render("error.html.j2", root="/", title=title, text=text)


def asset(name: str) -> str:
    """Return the style sheet or the script."""
    environment = templates(package=PACKAGE)
    loader = environment.loader
    if loader is None:
        msg = "the environment was made with a loader"
        raise TypeError(msg)
    return loader.get_source(environment, name)[0]


def feed(entries: Sequence[Entry], url: str = "") -> str:
    """Return an Atom feed of the newest audits.

    Args:
        entries: Audits, newest first.
        url: Address of the registry, ending in a slash; relative links without it.
    """
    ET.register_namespace("", _ATOM)
    root = ET.Element(f"{{{_ATOM}}}feed")
    newest = entries[0].created if entries else "1970-01-01T00:00:00+00:00"
    _text(root, "title", "Audits of distilled language models")
    _text(root, "id", url or "urn:hydrometer:registry")
    _text(root, "updated", newest)
    ET.SubElement(root, f"{{{_ATOM}}}link", href=f"{url}feed.xml", rel="self")
    author = ET.SubElement(root, f"{{{_ATOM}}}author")
    _text(author, "name", "hydrometer")
    for entry in entries[:_FEED_ENTRIES]:
        node = ET.SubElement(root, f"{{{_ATOM}}}entry")
        badge = BADGES[entry.verdict]
        _text(node, "title", f"{badge.symbol} {badge.label}: {entry.student.label} against {entry.base.label}")
        _text(node, "id", f"urn:hydrometer:audit:{entry.id}")
        _text(node, "updated", entry.created)
        ET.SubElement(node, f"{{{_ATOM}}}link", href=f"{url}{row_of(entry).model_page}#{entry.id}")
        _text(node, "summary", entry.headline)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def entry_json(entry: Entry) -> dict[str, Any]:
    """Return an entry as the JSON API gives it, with the addresses of its files."""
    files = {name: f"audits/{entry.id}/{name}" for name in ("report.html", "report.json")}
    return {**to_plain(entry), "files": {**files, "page": f"{row_of(entry).model_page}#{entry.id}"}}


def _render(file: str, /, **values: Any) -> str:
    template = templates(package=PACKAGE).get_template(file)
    return template.render(policy=POLICY, version=__version__, **values)


def _counts(entries: Sequence[Entry]) -> list[tuple[Any, int]]:
    found = [(badge, sum(entry.verdict is verdict for entry in entries)) for verdict, badge in BADGES.items()]
    return [(badge, count) for badge, count in found if count]


def _sides(entry: Entry) -> tuple[tuple[str, Any], ...]:
    return ("base", entry.base), ("distillation", entry.student)


def _text(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, f"{{{_ATOM}}}{name}").text = text
