"""What compiles the templates of reports, and the filters they use."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~$!])")


@cache
def templates(*, escaped: bool = True, package: str = "hydrometer.report") -> Environment:
    """Return what compiles the templates, once: it takes longer than filling them in.

    Args:
        escaped: Whether everything is escaped as HTML and XML need it; Markdown has an escape of its own, `md`.
        package: The package whose folder `templates` holds them.
    """
    environment = Environment(
        loader=PackageLoader(package),
        autoescape=escaped,  # noqa: S701 - off for Markdown only
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["options"] = _options
    # Nothing in it can end the element that it stands in.
    environment.filters["json"] = lambda value: Markup(data_block(value))  # noqa: S704
    environment.filters["md"] = lambda text: _MARKDOWN.sub(r"\\\1", text)
    return environment


def data_block(value: Any) -> str:
    """Return JSON that can stand in a script element of type application/json: nothing in it ends the element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _options(text: str) -> Markup:
    """Keep command line options in one piece; the text is escaped before anything is put into it."""
    return Markup(_OPTION.sub(r'<span class="option">\g<0></span>', str(escape(text))))  # noqa: S704
