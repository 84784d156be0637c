"""A server on loopback with the hub's paths, which serves files by ranges and misbehaves as it is told to."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class RangeServer:
    """What to change is public; what was asked is in `asked`: path, `Range` and `Authorization` of each request.

    Attributes:
        root: Folder whose files are the repository `org/name`.
        others: Further repositories by name.
        commits: Answers to questions for the commits of a repository, by its name.
        busy: Answers 503 so many times first.
        ranges: Whether it knows ranges.
        cut: Bytes of each body to leave out, so many times as `cuts` says.
        lie: Stands for the `Content-Range` header; may use first byte, last byte and size.
        cdn: Sends weights from another path, whose address expires after `valid` uses.
        code: `X-Error-Code` for everything.
        status: Status for everything, 0 for the right one.
        compress: Claims a compressed body.
    """

    root: Path
    others: dict[str, Path] = field(default_factory=dict)
    commits: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    busy: int = 0
    ranges: bool = True
    cut: int = 0
    cuts: int = 0
    lie: str = ""
    cdn: bool = False
    valid: int = 1000
    code: str = ""
    status: int = 0
    compress: bool = False
    circle: bool = False
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    sent: int = 0
    url: str = ""

    def paths(self) -> list[str]:
        return [path for path, _, _ in self.asked]


@contextlib.contextmanager
def serving(root: Path) -> Iterator[RangeServer]:
    state = RangeServer(root)

    class Handler(_Handler):
        owner = state

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    owner: RangeServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass

    def do_GET(self) -> None:
        owner = self.owner
        span = self.headers.get("Range", "")
        owner.asked.append((self.path, span, self.headers.get("Authorization", "")))
        if owner.busy:
            owner.busy -= 1
            self._plain(503)
        elif owner.status:
            self._plain(owner.status)
        elif owner.circle:
            self._plain(302, Location=self.path)
        elif self.path.startswith("/api/models/") and "/commits/" in self.path:
            repo = "/".join(self.path.split("/")[3:5])
            self._send(json.dumps(owner.commits.get(repo, {})).encode(), 200 if repo in owner.commits else 404)
        elif self.path.startswith("/api/models/") and "/revision/" in self.path and self._root() is not None:
            root = self._root() or owner.root
            files = [{"rfilename": str(p.relative_to(root))} for p in root.rglob("*") if p.is_file()]
            repo = "/".join(self.path.split("/")[3:5])
            self._send(json.dumps({"id": repo, "sha": COMMIT, "siblings": files}).encode(), 200)
        elif self.path.startswith("/api/models/") and self._root() is not None:
            files = [
                {"type": "file", "path": p.relative_to(root).as_posix(), "size": 1, "oid": "0"}
                for root in [self._root() or owner.root]
                for p in root.rglob("*")
                if p.is_file()
            ]
            self._send(json.dumps(files).encode(), 200)
        else:
            self._file(span)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._send(b"[]", 200)

    def _root(self) -> Path | None:
        repo = "/".join(self.path.removeprefix("/api/models").split("/")[1:3])
        return {"org/name": self.owner.root, **self.owner.others}.get(repo)

    def _file(self, span: str) -> None:
        owner = self.owner
        found = re.fullmatch(r"/(cdn/|[\w.-]+/[\w.-]+/resolve/)(?:[\w%.]+/)?([\w.-]+(?:/[\w.-]+)?)", self.path)
        root = owner.root if self.path.startswith("/cdn/") else self._root()
        path = root / found[2] if found and root else owner.root / "none"
        if not path.is_file():
            self._plain(404, **{"X-Error-Code": owner.code or "EntryNotFound"})
        elif owner.cdn and found and found[1] != "cdn/" and path.suffix != ".json":
            self._plain(302, Location=f"{owner.url.replace('127.0.0.1', 'localhost')}/cdn/{path.name}")
        elif found and found[1] == "cdn/" and owner.valid == 0:
            owner.valid = 1000
            self._plain(403)
        else:
            owner.valid -= found is not None and found[1] == "cdn/"
            self._content(path.read_bytes(), span)

    def _content(self, raw: bytes, span: str) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", span)
        if not wanted or not self.owner.ranges:
            self._send(raw, 200)
            return
        start, stop = int(wanted[1]), min(int(wanted[2]) + 1, len(raw))
        if start >= len(raw):
            self._plain(416)
            return
        place = (self.owner.lie or "bytes {}-{}/{}").format(start, stop - 1, len(raw))
        self._send(raw[start:stop], 206, **{"Content-Range": place})

    def _send(self, body: bytes, status: int, **headers: str) -> None:
        self.send_response(status)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(body)))
        if self.owner.compress:
            self.send_header("Content-Encoding", "gzip")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.owner.cuts and self.owner.cut:
            self.owner.cuts -= 1
            body = body[: max(0, len(body) - self.owner.cut)]
            self.close_connection = True
        self.owner.sent += len(body)
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def _plain(self, status: int, **headers: str) -> None:
        self.send_response(status)
        if self.owner.code:
            self.send_header("X-Error-Code", self.owner.code)
        for name, value in headers.items():
            if name != "X-Error-Code" or not self.owner.code:
                self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()
