"""Batches of a provider: a stand-in on the loopback that keeps files and works through them when it is told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hydrometer.engines.base import EngineSettings
from hydrometer.engines.http import HttpEngine, open_model
from hydrometer.engines.http_batch import JOURNAL
from hydrometer.errors import EngineUnavailableError, ModelError
from hydrometer.items import Kind, Message, Request
from hydrometer.outcomes import Finish
from hydrometer.refs import parse_ref


@dataclass
class Provider:
    """What it holds and what is to go wrong."""

    files: dict[str, str] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    orders: int = 0
    looks_needed: int = 2
    status: str = "completed"
    silent: bool = False
    drops_order: bool = False
    junk: bool = False
    none: bool = False
    leaves_out: str = ""
    refuses: str = ""
    busy: int = 0
    url: str = ""

    def work(self, batch: dict[str, Any]) -> None:
        """Answer the file of a batch."""
        good, bad = [], []
        for line in self.files[batch["input_file_id"]].splitlines():
            row = json.loads(line)
            said = row["body"]["messages"][-1]["content"]
            if said == self.leaves_out:
                continue
            if said == self.refuses:
                error = {"error": {"message": "too long"}}
                bad.append({"custom_id": row["custom_id"], "response": {"status_code": 400, "body": error}})
                continue
            choice = {"message": {"content": said.upper()}, "finish_reason": "stop"}
            body = {"model": "stub", "choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}
            good.append({"custom_id": row["custom_id"], "response": {"status_code": 200, "body": body}, "error": None})
        for kind, rows in (("output", good), ("error", bad)):
            name = f"{kind}-{batch['id']}"
            # In another order than they were asked, as providers do.
            self.files[name] = "<html>" if self.junk else "\n".join(json.dumps(row) for row in reversed(rows))
            batch[f"{kind}_file_id"] = name if rows else None
        batch["status"] = self.status

    def look(self, name: str) -> dict[str, Any] | None:
        """A batch as it stands; it is ready after some looks."""
        batch = self.batches.get(name)
        if batch and not self.silent and batch["status"] == "in_progress":
            batch["looks"] += 1
            if batch["looks"] >= self.looks_needed:
                self.work(batch)
        return batch


@pytest.fixture
def provider() -> Iterator[Provider]:  # noqa: C901 - one branch for each path
    own = Provider()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None: ...

        def send(self, status: int, body: Any) -> None:
            data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            place = self.path.removeprefix("/v1")
            if place == "/models":
                self.send(200, {"data": [{"id": "stub"}]})
            elif own.busy:
                own.busy -= 1
                self.send(503, {"error": {"message": "busy"}})
            elif place.startswith("/batches?"):
                self.send(200, {"data": list(own.batches.values())})
            elif place.startswith("/batches/") and (batch := own.look(place.removeprefix("/batches/"))):
                self.send(200, batch)
            elif place.startswith("/files/"):
                self.send(200, own.files[place.split("/")[2]])
            else:
                self.send(404, {"error": {"message": "not found"}})

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            place = self.path.removeprefix("/v1")
            if place == "/chat/completions":
                said = json.loads(raw)["messages"][-1]["content"]
                self.send(200, {"model": "stub", "choices": [{"message": {"content": said}}]})
            elif own.none:
                self.send(404, {"error": {"message": "no such path"}})
            elif place == "/files":
                name = f"file-{len(own.files)}"
                own.files[name] = raw.split(b"jsonl\r\n\r\n")[1].split(b"\r\n--")[0].decode()
                assert b'name="purpose"\r\n\r\nbatch' in raw
                self.send(200, {"id": name})
            else:
                order = json.loads(raw)
                name = f"batch-{own.orders}"
                own.orders += 1
                own.batches[name] = {"id": name, "status": "in_progress", "looks": 0, **order}
                if own.drops_order:
                    self.close_connection = True
                    return
                self.send(200, own.batches[name])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    own.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield own
    server.shutdown()
    server.server_close()


def opened(provider: Provider, folder: Path) -> HttpEngine:
    settings = EngineSettings(batch=True, folder=str(folder), timeout=10.0)
    return open_model(parse_ref(provider.url), settings, back_off=0.01)


def questions(*words: str) -> list[Request]:
    return [Request(kind=Kind.GENERATE, messages=(Message("user", word),), max_tokens=8) for word in words]


def journal(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / JOURNAL).read_text())
    return found


def test_a_batch_is_ordered_waited_for_and_read(provider: Provider, tmp_path: Path) -> None:
    provider.leaves_out, provider.refuses, provider.busy = "lost", "long", 2
    asked = questions("one", "two", "lost", "long")
    with opened(provider, tmp_path) as engine:
        found = {request.asked: completion for request, completion in engine.generate(asked)}
    assert (found["one"].text, found["two"].text) == ("ONE", "TWO")
    assert found["lost"].finish is Finish.ERROR
    assert "without an answer" in found["lost"].error
    assert "HTTP 400: too long" in found["long"].error
    assert provider.orders == 1
    assert journal(tmp_path) == []


def test_a_run_that_was_stopped_finds_its_batch_again(provider: Provider, tmp_path: Path) -> None:
    provider.looks_needed = 1
    with opened(provider, tmp_path) as engine:
        stream = engine.generate(questions("one", "two", "three"))
        first = next(iter(stream))
        stream.close()  # type: ignore[attr-defined]
    assert [row["batch"] for row in journal(tmp_path)] == ["batch-0"]
    rest = [q for q in questions("one", "two", "three", "four") if q.asked != first.request.asked]
    with opened(provider, tmp_path) as engine:
        found = {request.asked: completion.text for request, completion in engine.generate(rest)}
    assert found == {q.asked: q.asked.upper() for q in rest}
    # What stood in the first batch was not ordered again.
    assert provider.orders == 2
    ordered = [provider.files[b["input_file_id"]] for b in provider.batches.values()]
    assert [len(text.splitlines()) for text in ordered] == [3, 1]
    assert journal(tmp_path) == []


def test_an_order_whose_reply_was_lost_is_found_by_its_file(provider: Provider, tmp_path: Path) -> None:
    provider.drops_order = True
    with opened(provider, tmp_path) as engine, pytest.raises(EngineUnavailableError, match="rerun the same command"):
        list(engine.generate(questions("one")))
    assert [row["batch"] for row in journal(tmp_path)] == [""]
    provider.drops_order = False
    with opened(provider, tmp_path) as engine:
        ((_, completion),) = engine.generate(questions("one"))
    assert completion.text == "ONE"
    assert provider.orders == 1


def test_a_batch_that_the_provider_forgot_is_ordered_anew(
    provider: Provider, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    provider.drops_order = True
    with opened(provider, tmp_path) as engine, pytest.raises(EngineUnavailableError):
        list(engine.generate(questions("one")))
    provider.drops_order = False
    orders = journal(tmp_path)
    orders[0]["batch"] = "batch-of-last-year"
    (tmp_path / JOURNAL).write_text(json.dumps(orders))
    with opened(provider, tmp_path) as engine:
        ((_, completion),) = engine.generate(questions("one"))
    assert completion.text == "ONE"
    assert provider.orders == 2
    assert "knows batch batch-of-last-year no more" in caplog.text


def test_what_a_provider_refuses_is_one_line(provider: Provider, tmp_path: Path) -> None:
    provider.status = "failed"
    with opened(provider, tmp_path) as engine, pytest.raises(ModelError, match="refuses batch batch-0: it does not say"):
        list(engine.generate(questions("one")))
    assert journal(tmp_path) == []
    provider.none = True
    with opened(provider, tmp_path) as engine, pytest.raises(ModelError, match=r"has no batch API .* leave --batch out"):
        list(engine.generate(questions("one")))
    provider.none, provider.junk, provider.status = False, True, "completed"
    with opened(provider, tmp_path) as engine, pytest.raises(EngineUnavailableError, match="not JSON lines"):
        list(engine.generate(questions("one")))
    assert journal(tmp_path)


def test_a_batch_that_expired_keeps_what_was_answered(provider: Provider, tmp_path: Path) -> None:
    provider.status, provider.leaves_out = "expired", "two"
    with opened(provider, tmp_path) as engine:
        found = {request.asked: completion for request, completion in engine.generate(questions("one", "two"))}
    assert found["one"].text == "ONE"
    assert found["two"].finish is Finish.ERROR


def test_bad_journals_and_several_addresses_are_refused(provider: Provider, tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_text("[{}]")
    with pytest.raises(ModelError, match="if no batch is under way"):
        opened(provider, tmp_path)
    settings = EngineSettings(batch=True, folder=str(tmp_path / "other"))
    with pytest.raises(ModelError, match="one address"):
        open_model(parse_ref(f"{provider.url},{provider.url}#stub"), settings, back_off=0.01)
