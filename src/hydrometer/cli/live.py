"""A run on a page of this machine: intervals as they close and replies as they come, by server-sent events.

The standard library's server is enough: one page and one stream for one reader at a desk. It listens on the loopback
address only and answers no other host name, so that no page elsewhere can read it through a name that leads here. It
holds nothing that the audit needs: its threads end with the process, and a reader who goes away is forgotten.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from threading import BoundedSemaphore, Lock, Thread
from typing import Any, ClassVar

from hydrometer.cli.progress import TerminalProgress
from hydrometer.progress import Progress, Sight
from hydrometer.report.words import block, line

_REPLIES, _SHOWN = 12, 600
_PAUSE = 0.5
"""Seconds between two messages of a stream: a page need not be faster than an eye, and the audit has the processor."""
_READERS = 8
_LOOPBACK = "127.0.0.1"


@contextmanager
def watching(watch: bool, serve: bool) -> Iterator[Progress]:
    """Give what shows a run: bars in the terminal, with the replies if asked for, and a page beside them.

    Args:
        watch: Whether the terminal shows replies.
        serve: Whether a page shows the run.
    """
    with TerminalProgress(watch=watch) as terminal:
        if not serve:
            yield terminal
            return
        live = LiveProgress(terminal)
        with live.serving() as address:
            terminal.note(f"live: {address}")
            yield live


class LiveProgress:
    """Passes everything on, and keeps what a page shows."""

    def __init__(self, inner: Progress) -> None:
        self._inner, self._lock = inner, Lock()
        self._bars: dict[str, list[int]] = {}
        self._current: list[int] = [0, 0]
        self._sights: tuple[Sight, ...] = ()
        self._replies: deque[tuple[str, str, str]] = deque(maxlen=_REPLIES)
        self._version, self._done = 0, False

    def start(self, label: str, total: int) -> None:
        """Begin a bar, or go on with it."""
        self._inner.start(label, total)
        with self._lock:
            self._current = self._bars.setdefault(label, [0, total])
            self._current[1] = total
            self._version += 1

    def advance(self, steps: int = 1) -> None:
        """Move the current bar."""
        self._inner.advance(steps)
        with self._lock:
            self._current[0] += steps
            self._version += 1

    def note(self, text: str) -> None:
        """Pass it on."""
        self._inner.note(text)

    def look(self, sights: Sequence[Sight]) -> None:
        """Keep what is known so far."""
        self._inner.look(sights)
        with self._lock:
            self._sights = tuple(sights)
            self._version += 1

    def arrived(self, side: str, question: str, reply: str) -> None:
        """Keep the last replies; they are cut and cleaned only when somebody reads them."""
        self._inner.arrived(side, question, reply)
        with self._lock:
            self._replies.append((side, question[: 2 * _SHOWN], reply[: 2 * _SHOWN]))
            self._version += 1

    def state(self) -> tuple[int, dict[str, Any]]:
        """Return the version of what is shown, and all of it."""
        with self._lock:
            version, done = self._version, self._done
            bars = [(label, count, total) for label, (count, total) in self._bars.items()]
            sights, replies = self._sights, list(self._replies)
        return version, {
            "bars": [{"label": line(label), "done": count, "total": total} for label, count, total in bars],
            "sights": [sight._asdict() for sight in sights],
            "replies": [
                {"side": side, "question": line(question, 200), "reply": block(reply[:_SHOWN])}
                for side, question, reply in reversed(replies)
            ],
            "done": done,
        }

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Serve the page on a free port of the loopback address; give its address."""
        server = ThreadingHTTPServer((_LOOPBACK, 0), _handler(self))
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://{_LOOPBACK}:{server.server_port}/"
        finally:
            with self._lock:
                self._done = True
                self._version += 1
            time.sleep(2 * _PAUSE)  # readers see the end
            server.shutdown()
            server.server_close()


def _handler(live: LiveProgress) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        source = live
        readers = BoundedSemaphore(_READERS)

    return Handler


class _Handler(BaseHTTPRequestHandler):
    source: ClassVar[LiveProgress]
    readers: ClassVar[BoundedSemaphore]
    timeout = 30

    def do_GET(self) -> None:
        # By the socket of this very connection: the port that was asked for.
        port = self.connection.getsockname()[1]
        if self.headers.get("Host") not in (f"{_LOOPBACK}:{port}", f"localhost:{port}"):
            self.send_error(403, "this page is for this machine")
        elif self.path == "/":
            self._page()
        elif self.path != "/events":
            self.send_error(404)
        elif not self.readers.acquire(blocking=False):
            self.send_error(503, "too many readers")
        else:
            try:
                self._stream()
            except OSError:
                self.close_connection = True  # the reader went away
            finally:
                self.readers.release()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the class above
        """Say nothing: the terminal shows the run."""

    def _page(self) -> None:
        text, policy = _page()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Security-Policy", policy)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        seen = -1
        while True:
            version, shown = self.source.state()
            # A comment keeps the line open, and shows whether the reader is still there.
            message = ": still here\n\n" if version == seen else f"data: {json.dumps(shown)}\n\n"
            self.wfile.write(message.encode())
            seen = version
            if shown["done"]:
                return
            time.sleep(_PAUSE)


def _page() -> tuple[bytes, str]:
    """The page with its style and script in it, and the policy that allows just these."""
    room = files("hydrometer.report").joinpath("templates")
    parts = {kind: room.joinpath(f"live.{kind}").read_text(encoding="utf-8").strip() for kind in ("css", "js")}
    digests = {
        kind: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for kind, text in parts.items()
    }
    text = room.joinpath("live.html").read_text(encoding="utf-8")
    text = text.replace("/*style*/", parts["css"]).replace("/*script*/", parts["js"])
    return text.encode(), (
        f"default-src 'none'; connect-src 'self'; style-src 'sha256-{digests['css']}'; "
        f"script-src 'sha256-{digests['js']}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
