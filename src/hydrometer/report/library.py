"""The chart library of a page: Vega, with the interpreter that lets it draw without `eval`.

`vendor/` holds the published files and the licences of all packages inside; `tools/vendor_charts.py` fetches and checks
them. A page for people embeds the library, so that it stays one file; pages of a registry share one copy beside them.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

LIBRARY_NAME = "vega.js"
"""Name of the file that pages share."""

PARTS = ("vega.min.js", "vega-interpreter.js")
"""The scripts, in the order in which they need each other."""


@cache
def library() -> str:
    """Return the library as one script, its licences first: whoever passes a page on passes them on, too."""
    room = files("hydrometer.report").joinpath("vendor")
    licences, *scripts = (room.joinpath(name).read_text(encoding="utf-8") for name in ("LICENSES.txt", *PARTS))
    return "\n".join([f"/*!\n{licences}*/", *scripts]).strip()
