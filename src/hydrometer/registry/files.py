"""The report of an audit as files, made again from its result: a page from a stranger is never served."""

from __future__ import annotations

from pathlib import Path

from hydrometer.report.html import FOLDER, HTML_NAME, render_pages
from hydrometer.report.library import LIBRARY_NAME
from hydrometer.result import AuditResult


def write_pages(result: AuditResult, folder: Path) -> None:
    """Write the page of a result and the pages beside it into a new folder, which nobody reads yet.

    The folder lies in one of the registry, which holds the chart library once: in each of a thousand reports it would
    take half a gigabyte.
    """
    pages = render_pages(result, shared=f"../../{LIBRARY_NAME}")
    (folder / HTML_NAME).write_text(pages.report, encoding="utf-8")
    if pages.beside:
        (folder / FOLDER).mkdir()
    for name, page in pages.beside.items():
        (folder / FOLDER / name).write_text(page, encoding="utf-8")
