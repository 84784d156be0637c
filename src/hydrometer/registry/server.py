"""`registry serve`: the pages of the static site, made from a database, and bundles taken in once they were checked.

Everybody reads; whoever has a token writes. What comes in is checked in a process of its own (`registry.checking`).
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from hydrometer.errors import BundleConflictError, EvidenceError, RegistryError, UsageError
from hydrometer.registry.checking import check_apart
from hydrometer.registry.database import Database
from hydrometer.registry.naming import slug
from hydrometer.registry.pages import (
    PAGE_ROWS,
    POLICY,
    ListPage,
    asset,
    entry_json,
    feed,
    render_base,
    render_bases,
    render_error,
    render_list,
    render_model,
)
from hydrometer.registry.serving import Counter, PageCache, Senders
from hydrometer.registry.site import json_schema
from hydrometer.report.html import FOLDER, HTML_NAME, render_pages
from hydrometer.report.json_report import JSON_NAME, from_json
from hydrometer.report.library import LIBRARY_NAME, library

_FILTERS = ("q", "base", "family", "size", "quantisation", "capability", "verdict", "memory", "free")
_KINDS = {"registry.css": "text/css", "registry.js": "text/javascript", LIBRARY_NAME: "text/javascript"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Limits of a server.

    Attributes:
        reads: Requests per minute and address.
        writes: Uploads per hour and token.
        upload: Bytes of a bundle.
        seconds: Time that checking one may take.
        checks: Bundles checked at the same time.
        sends: Bundles that one token may send at the same time.
        arrival: Seconds in which a bundle must have arrived.
        patience: Seconds that a bundle waits for its check, while others are checked.
        pages: Bytes of reports that are kept for the next reader.
    """

    reads: int = 600
    writes: int = 60
    upload: int = 64 << 20
    seconds: int = 300
    checks: int = 2
    sends: int = 2
    arrival: float = 600.0
    patience: float = 60.0
    pages: int = 64 << 20


def make_app(database: Database, settings: Settings | None = None) -> FastAPI:
    """Return the application over a database."""
    settings = settings or Settings()
    app = FastAPI(title="Hydrometer registry", docs_url=None, redoc_url=None, openapi_url=None)
    reads = Counter(settings.reads, 60)

    @app.middleware("http")
    async def guard(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        wait = reads.wait(request.client.host if request.client else "")
        if wait:
            return _error(request, 429, f"more than {settings.reads} requests in a minute: wait {wait} s", wait)
        response = await go_on(request)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        # A report names the scripts that it allows by their digests, in a policy of its own.
        policy = "" if request.url.path.startswith("/audits/") else f"{POLICY}; "
        response.headers["Content-Security-Policy"] = f"{policy}frame-ancestors 'none'"
        return response

    @app.exception_handler(RegistryError)
    async def down(request: Request, error: RegistryError) -> Response:
        return _error(request, 503, str(error), 30)

    @app.exception_handler(EvidenceError)
    async def unreadable(request: Request, error: EvidenceError) -> Response:
        return _error(request, 500, f"this audit cannot be shown: {error}")

    @app.exception_handler(UsageError)
    async def wrong(request: Request, error: UsageError) -> Response:
        return _error(request, 400, str(error))

    @app.exception_handler(404)
    async def missing(request: Request, error: Exception) -> Response:
        del error
        return _error(request, 404, "there is nothing at this address")

    _add_lists(app, database)
    _add_audits(app, database, PageCache(settings.pages))
    _add_upload(app, database, settings)
    return app


def _add_lists(app: FastAPI, database: Database) -> None:
    @app.get("/")
    def root() -> Response:
        return RedirectResponse("index.html")

    @app.get("/index.html")
    def index(request: Request) -> Response:
        return _list(database, request, memory=False)

    @app.get("/memory.html")
    def memory(request: Request) -> Response:
        return _list(database, request, memory=True)

    @app.get("/bases.html")
    def bases() -> Response:
        groups: dict[str, list[Any]] = {}
        for entry in database.find({}).entries:
            groups.setdefault(entry.base.name, []).append(entry)
        rows = [(name, f"bases/{slug(name)}.html", groups[name]) for name in sorted(groups, key=str.casefold)]
        return HTMLResponse(render_bases(rows))

    @app.get("/bases/{page}.html")
    def base(page: str, request: Request) -> Response:
        entries = database.of_page("base", page)
        return HTMLResponse(render_base(entries)) if entries else _error(request, 404, "no such base here")

    @app.get("/models/{page}.html")
    def model(page: str, request: Request) -> Response:
        entries = database.of_page("student", page)
        return HTMLResponse(render_model(entries)) if entries else _error(request, 404, "no such model here")

    @app.get("/feed.xml")
    def newest(request: Request) -> Response:
        found = database.find({}, limit=50)
        return Response(feed(found.entries, str(request.base_url)), media_type="application/atom+xml")

    @app.get("/api/schema.json")
    def schema() -> Response:
        return JSONResponse(json_schema())

    @app.get("/{name}")
    def fixed(name: str, request: Request) -> Response:
        if name not in _KINDS:
            return _error(request, 404, "there is nothing at this address")
        return Response(library() if name == LIBRARY_NAME else asset(name), media_type=_KINDS[name])


def _add_audits(app: FastAPI, database: Database, kept: PageCache) -> None:
    @app.get("/api/audits.json")
    def audits(request: Request) -> Response:
        chosen, number = _chosen(request)
        found = database.find(chosen, offset=(number - 1) * 100, limit=100)
        rows = [entry_json(entry) for entry in found.entries]
        return JSONResponse({"schema_version": 1, "total": found.total, "page": number, "audits": rows})

    @app.get("/api/audits/{audit}.json")
    def one(audit: str, request: Request) -> Response:
        entry = database.entry(audit)
        return JSONResponse(entry_json(entry)) if entry else _error(request, 404, "no such audit here")

    @app.get("/audits/{audit}/{name:path}")
    def files(audit: str, name: str, request: Request) -> Response:
        if name == "bundle.zip":
            bundle = database.file(audit, "bundle")
            return Response(bundle, media_type="application/zip") if bundle else _error(request, 404, "no such bundle")
        report = database.file(audit, "report")
        if report is None:
            return _error(request, 404, "no such audit here")
        if name == JSON_NAME:
            return Response(report, media_type="application/json")
        pages = kept.get(audit, lambda: render_pages(from_json(report), shared=f"../../{LIBRARY_NAME}"))
        page = pages.report if name == HTML_NAME else pages.beside.get(name.removeprefix(f"{FOLDER}/"))
        return HTMLResponse(page) if page else _error(request, 404, "no such page of this audit")


def _add_upload(app: FastAPI, database: Database, settings: Settings) -> None:
    writes, senders = Counter(settings.writes, 3600), Senders(settings.sends)
    busy = threading.BoundedSemaphore(settings.checks)

    @app.post("/api/audits")
    async def upload(request: Request) -> Response:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        writer = await run_in_threadpool(database.writer, token) if scheme == "Bearer" and token else None
        if writer is None:
            return _error(request, 401, "uploading needs a token: send Authorization: Bearer TOKEN")
        wait = writes.wait(writer)
        if wait:
            return _error(request, 429, f"more than {settings.writes} uploads in an hour: wait {wait} s", wait)
        with senders.sending(writer) as allowed, tempfile.TemporaryDirectory() as folder:
            if not allowed:
                return _error(request, 429, f"{settings.sends} bundles of this token are on their way: wait", 60)
            path = Path(folder) / "upload.zip"
            try:
                with anyio.fail_after(settings.arrival):
                    whole = await _receive(request, path, settings.upload)
            except TimeoutError:
                return _error(request, 408, f"the bundle did not arrive within {settings.arrival:g} s")
            if not whole:
                return _error(request, 413, f"the bundle has more than {settings.upload:,} bytes")
            # Only now: a check is short, and a body may come as slowly as its sender likes.
            if not await _free(busy, settings.patience):
                return _error(request, 429, "other bundles are being checked: try again in a minute", 60)
            try:
                return await run_in_threadpool(_take, database, path, writer, settings.seconds)
            except EvidenceError as error:
                if isinstance(error, RegistryError):
                    raise
                return _error(request, 409 if isinstance(error, BundleConflictError) else 422, str(error))
            finally:
                busy.release()


async def _free(busy: threading.BoundedSemaphore, patience: float) -> bool:
    """Wait for a free check without holding a thread; return whether there was one in time."""
    end = time.monotonic() + patience
    while not busy.acquire(blocking=False):
        if time.monotonic() >= end:
            return False
        await anyio.sleep(0.1)
    return True


async def _receive(request: Request, path: Path, most: int) -> bool:
    """Write the body to a file; return False as soon as it is too long."""
    size = 0
    with path.open("wb") as file:
        async for chunk in request.stream():
            size += len(chunk)
            if size > most:
                return False
            file.write(chunk)
    return True


def _take(database: Database, path: Path, writer: str, seconds: int) -> Response:
    """Check a bundle and keep it."""
    found = check_apart(path, path.parent / "unpacked", seconds=seconds)
    entry = replace(found.entry, uploader=writer)
    new = database.add(entry, (found.folder / JSON_NAME).read_bytes(), path.read_bytes())
    return JSONResponse({**entry_json(entry), "new": new}, status_code=201 if new else 200)


def _list(database: Database, request: Request, *, memory: bool) -> Response:
    chosen, number = _chosen(request)
    if memory:
        # An emptied field asks for what fits all the same: what has no known size is never listed here.
        chosen = {"free": "2", **chosen, "memory": chosen.get("memory") or "24"}
    found = database.find(chosen, offset=(number - 1) * PAGE_ROWS, limit=PAGE_ROWS, largest=memory)
    everything = database.find({}, limit=0).total

    def link(to: int) -> str:
        return f"?{request.url.include_query_params(page=to).query}"

    page = ListPage(
        kind="memory" if memory else "all",
        entries=found.entries,
        options=database.options(),
        total=found.total,
        all=everything,
        number=number,
        values=chosen,
        live=True,
        unknown=database.unsized(chosen) if memory else 0,
        links=(link(number - 1) if number > 1 else "", link(number + 1) if number * PAGE_ROWS < found.total else ""),
    )
    return HTMLResponse(render_list(page))


def _chosen(request: Request) -> tuple[dict[str, str], int]:
    given = request.query_params
    number = given.get("page", "1")
    if not (number.isascii() and number.isdigit() and 0 < len(number) < 7 and int(number)):
        msg = f"page {number[:20]!r}: give a number from 1"
        raise UsageError(msg)
    return {name: given[name][:200] for name in _FILTERS if name in given}, int(number)


def _error(request: Request, status: int, text: str, wait: int = 0) -> Response:
    headers = {"Retry-After": str(wait)} if wait else {}
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": text}, status_code=status, headers=headers)
    return HTMLResponse(render_error(f"Error {status}", text), status_code=status, headers=headers)
