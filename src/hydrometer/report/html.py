"""`report.html`: one file that needs nothing else, from templates that escape everything.

Replies are hostile text. Three walls keep them text: autoescape, a content security policy that allows only the
one style sheet and the one script of this package by their digests, and no attribute that takes a reply.
"""

from __future__ import annotations

import base64
import hashlib

from jinja2 import Environment
from markupsafe import Markup

from hydrometer.report.build import build_view
from hydrometer.report.templating import templates
from hydrometer.report.view import ReportView
from hydrometer.result import AuditResult
from hydrometer.version import __version__

SIZE_LIMIT = 3_000_000
"""Largest size of the page in bytes; items that do not fit are left to `report.json`."""


def render_html(result: AuditResult, limit: int = SIZE_LIMIT) -> str:
    """Return the page of a result.

    Args:
        result: What an audit found.
        limit: Largest size in bytes; changed items come first, the rest is counted.
    """
    return render_view(build_view(result), limit)


def render_view(view: ReportView, limit: int = SIZE_LIMIT) -> str:
    """Return the page of a view."""
    environment = templates()
    page = environment.get_template("report.html.j2")
    style, script = _sheet(environment), _source(environment, "report.js")
    # Both are part of this package, and no value is put into them: the only text that is not escaped.
    fixed = {
        "view": view,
        "version": __version__,
        "style": Markup(style),  # noqa: S704
        "script": Markup(script),  # noqa: S704
        "policy": _policy(style, script),
    }
    # Links lead only to items that fit, which is known afterwards: room is kept for all of them.
    anchors = [item.anchor for item in view.items]
    room = limit - _size(page.render(fixed, items=[], left_out=0, kept=set(anchors))) - 500
    items = _fitting(environment, view, room)
    return page.render(
        fixed, items=items, left_out=len(view.items) - len(items), kept=set(anchors[: len(items)])
    )


def _fitting(environment: Environment, view: ReportView, room: int) -> list[Markup]:
    """Rendered items, in their order, as long as they fit."""
    template, rendered = environment.get_template("item.html.j2"), []
    for item in view.items:
        text = template.render(item=item)
        room -= _size(text)
        if room < 0:
            break
        rendered.append(Markup(text))  # noqa: S704 - rendered with autoescape on just above
    return rendered


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


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
