"""A scripted OpenAI-compatible server on loopback: it answers, and fails as it is told to."""

from __future__ import annotations

import contextlib
import json
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

LOGPROBS = ((" A", -1.0), ("B", -2.0), ("the", -5.0))


@dataclass
class Fault:
    """One attempt that goes wrong. `hang`: seconds of silence; `cut`: the line breaks in the middle."""

    status: int = 200
    body: str = '{"error": {"message": "scripted fault"}}'
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    hang: float = 0.0
    cut: bool = False


@dataclass
class Stub:
    """The server. What to change is public, what happened is in `asked`, `answered` and `bodies`.

    `faults` maps the last user turn to the faults of its attempts, in order; after them it is answered. `always`
    is a fault that every chat request meets once `answers_left` is used up. More than `capacity` chat requests at a
    time are turned away; each takes `pause` seconds.
    """

    models: list[dict[str, Any]] = field(default_factory=lambda: [{"id": "stub", "object": "model"}])
    replies: dict[str, dict[str, Any]] = field(default_factory=dict)
    served: str = "stub"
    usage: bool = True
    logprobs: list[tuple[str, float]] | None = field(default_factory=lambda: list(LOGPROBS))
    refuses_logprobs: bool = False
    pages: dict[str, Any] = field(default_factory=dict)
    models_fault: Fault | None = None
    faults: dict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    always: Fault | None = None
    answers_left: int | None = None
    key: str = ""
    pause: float = 0.0
    capacity: int = 0

    asked: list[str] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    flying: int = 0
    most_flying: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        stub = self

        class Handler(_Handler):
            pass

        Handler.owner = stub
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()
        return self

    def stop(self) -> None:
        """Close the port; from now on connections are refused."""
        if not self.over.is_set():
            self.over.set()
            self.server.shutdown()
            self.server.server_close()
            self.thread.join()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def next_fault(self, turn: str) -> Fault | None:
        """What goes wrong this time, None if nothing does."""
        with self.lock:
            self.asked.append(turn)
            if self.faults[turn]:
                return self.faults[turn].pop(0)
            if self.answers_left == 0:
                return self.always
            if self.answers_left is not None:
                self.answers_left -= 1
            return None

    @staticmethod
    def _cut(said: str, body: dict[str, Any]) -> str:
        for stop in body.get("stop", ()):
            said = said.split(stop, maxsplit=1)[0]
        return said

    def reply(self, body: dict[str, Any]) -> dict[str, Any]:
        """A chat completion: the scripted one, else an echo of the last turn."""
        if "prompt" in body:
            said = self._cut(body["prompt"], body)
            return {"model": self.served, "choices": [{"index": 0, "text": said, "finish_reason": "stop"}]}
        turn = body["messages"][-1]["content"]
        changed = dict(self.replies.get(turn, {}))
        said = changed.pop("content", turn)
        said = self._cut(said, body) if isinstance(said, str) else said
        message = {"role": "assistant", "content": said, **changed.pop("message", {})}
        choice: dict[str, Any] = {
            "index": 0,
            "message": message,
            "finish_reason": changed.pop("finish_reason", "stop"),
        }
        if body.get("logprobs") and self.logprobs is not None:
            rows = [{"token": t, "logprob": p} for t, p in changed.pop("logprobs", self.logprobs)]
            choice["logprobs"] = {"content": [{**rows[0], "top_logprobs": rows}]}
        usage = {"usage": {"prompt_tokens": 7, "completion_tokens": 3}} if self.usage else {}
        return {"model": self.served, "choices": [choice], **usage, **changed}


class _Handler(BaseHTTPRequestHandler):
    owner: Stub
    protocol_version = "HTTP/1.1"
    # Head and body are two writes; held back for an acknowledgement, every reply would take 40 ms.
    disable_nagle_algorithm = True
    timeout = 10

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            fault = self.owner.models_fault
            if fault is not None:
                self._fail(fault)
            elif self.owner.key and self.headers.get("authorization") != f"Bearer {self.owner.key}":
                self._send(401, {"error": {"message": "no such key"}})
            else:
                self._send(200, {"object": "list", "data": self.owner.models})
        elif self.path in self.owner.pages:
            self._send(200, self.owner.pages[self.path])
        else:
            self._send(404, {"error": {"message": "not found"}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path in self.owner.pages:
            page = self.owner.pages[self.path]
            self._send(200, page(body) if callable(page) else page)
            return
        if self.path not in ("/v1/chat/completions", "/v1/completions"):
            self._send(404, {"error": {"message": "not found"}})
            return
        with self.owner.lock:
            self.owner.flying += 1
            self.owner.most_flying = max(self.owner.most_flying, self.owner.flying)
        try:
            self._chat(body)
        finally:
            with self.owner.lock:
                self.owner.flying -= 1

    def _chat(self, body: dict[str, Any]) -> None:
        turn = str(body["prompt"]) if "prompt" in body else body["messages"][-1]["content"]
        fault = self.owner.next_fault(turn)
        if fault is not None:
            self._fail(fault)
        elif 0 < self.owner.capacity < self.owner.flying:
            self._send(429, {"error": {"message": "too many at a time"}})
        elif self.owner.refuses_logprobs and body.get("logprobs"):
            self._send(400, {"error": {"message": "logprobs are not supported"}})
        else:
            self.owner.over.wait(self.owner.pause)
            with self.owner.lock:
                self.owner.bodies.append(body)
                self.owner.answered.append(turn)
            self._send(200, self.owner.reply(body))

    def _fail(self, fault: Fault) -> None:
        if fault.hang:
            self.owner.over.wait(fault.hang)
        if fault.cut:
            self.close_connection = True
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"
            with contextlib.suppress(OSError):
                self.wfile.write(head)
            return
        self._raw(fault.status, fault.body.encode(), fault.content_type, fault.headers)

    def _send(self, status: int, body: dict[str, Any]) -> None:
        self._raw(status, json.dumps(body).encode(), "application/json", {})

    def _raw(self, status: int, body: bytes, content_type: str, headers: dict[str, str]) -> None:
        with contextlib.suppress(OSError):  # The client may have given up by now.
            self.send_response(status)
            for name, value in {"Content-Type": content_type, "Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
