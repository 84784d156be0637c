"""A provider's batch API: requests in a file, replies within a day, at half the price with most providers.

    POST /files     the requests, one JSON object a line
    POST /batches   the order to answer that file
    GET /batches/ID until it has ended, then GET /files/ID/content

A run may be stopped while it waits, and must not pay twice: each step is written into a journal beside the evidence
before the next is taken, and a rerun looks there first. Even an order whose id was never heard is found again, among
the provider's batches, by its file. Followed as OpenAI documents it; run against a stand-in only.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from hydrometer.canon import digest
from hydrometer.engines.http_client import TRIES, Client
from hydrometer.engines.http_reading import Call, GoneError, Reply, Response, Trouble, read
from hydrometer.errors import EngineUnavailableError, ModelError

JOURNAL = "batches.json"
MOST_REQUESTS, MOST_BYTES = 50_000, 190_000_000
"""Bounds of one file, as OpenAI has them; 200 MB there."""

_LONGEST_WAIT, _GROWTH = 60.0, 1.5
_ENDED = ("completed", "failed", "expired", "cancelled")
_NONE = (404, 405, 501)
_LOG = logging.getLogger("hydrometer")


class Order(BaseModel):
    """One batch in the journal.

    Attributes:
        url: The provider.
        path: What is called for each request.
        ids: Digests of the requests' bodies, which are their names in the file.
        file: The provider's name of the file.
        batch: The provider's name of the batch, `""` while it is not known.
    """

    model_config = ConfigDict(extra="forbid")

    url: str
    path: str
    ids: list[str]
    file: str
    batch: str = ""


_ORDERS = TypeAdapter(list[Order])


class Batches:
    """The batch API of one server.

    Args:
        client: The way to it.
        journal: File in which orders are remembered.
        wait: Seconds before the second look at a batch; they grow to a minute.
    """

    def __init__(self, client: Client, journal: Path, *, wait: float) -> None:
        self._client, self._journal, self._wait = client, journal, wait
        self._orders = self._read_journal()

    def stream(self, calls: Sequence[Call]) -> Generator[Reply, None, None]:
        """Yield a reply per call, those of each batch when it has ended.

        Raises:
            ModelError: The server has no batch API, or refuses the batch.
            EngineUnavailableError: The server is down; orders stay in the journal.
        """
        with httpx.Client(**self._client.options()) as http:
            for path in dict.fromkeys(call.path for call in calls):
                wanted: dict[str, list[Call]] = {}
                for call in calls:
                    if call.path == path:
                        wanted.setdefault(digest(call.body), []).append(call)
                yield from self._answered(http, path, wanted)

    def _answered(
        self, http: httpx.Client, path: str, wanted: dict[str, list[Call]]
    ) -> Generator[Reply, None, None]:
        mine = [o for o in self._orders if (o.url, o.path) == (self._client.shown, path) and wanted.keys() & set(o.ids)]
        running = [order for order in mine if self._found(http, order)]
        ordered = {name for order in running for name in order.ids}
        bodies = {name: own[0].body or {} for name, own in wanted.items() if name not in ordered}
        running += [self._order(http, path, part) for part in _parts(bodies)]
        for order in running:
            state = self._ended(http, order)
            for name, body, refusal in self._lines(http, order, state):
                for call in wanted.pop(name, ()):
                    yield Reply(call, body, refusal)
            # Only now: whoever stops before has not kept the replies yet.
            self._forget(order)
        for calls in wanted.values():
            for call in calls:
                yield Reply(call, {}, "the provider's batch ended without an answer to it")

    def _order(self, http: httpx.Client, path: str, bodies: Mapping[str, dict[str, Any]]) -> Order:
        lines = [
            json.dumps({"custom_id": name, "method": "POST", "url": f"/v1{path}", "body": body}, ensure_ascii=False)
            for name, body in bodies.items()
        ]
        content = "\n".join(lines).encode()
        upload = {"file": ("requests.jsonl", content, "application/jsonl")}
        file = self._asked(http, "POST", "/files", data={"purpose": "batch"}, files=upload)
        order = Order(url=self._client.shown, path=path, ids=list(bodies), file=str(file.get("id") or ""))
        self._orders.append(order)
        self._write_journal()
        self._begin(http, order)
        return order

    def _begin(self, http: httpx.Client, order: Order) -> None:
        body = {"input_file_id": order.file, "endpoint": f"/v1{order.path}", "completion_window": "24h"}
        # Tried once: an order that was heard though its reply was lost must not be given twice. A rerun finds it.
        order.batch = str(self._asked(http, "POST", "/batches", tries=1, json=body).get("id") or "")
        self._write_journal()
        if not order.batch:
            raise self._gone("a batch without an id")
        _LOG.warning(
            "%s works on batch %s of %d requests, within a day: the run may be stopped, and the same command goes on",
            self._client.shown, order.batch, len(order.ids),
        )  # fmt: skip

    def _found(self, http: httpx.Client, order: Order) -> bool:
        """Look an order of an earlier run up again; False, and forgotten, where the provider knows it no more."""
        if not order.batch:
            listed: Any = ()
            with suppress(_UnknownError):
                listed = self._asked(http, "GET", "/batches?limit=100", known=False).get("data")
            rows = [row for row in listed or () if isinstance(row, dict) and row.get("input_file_id") == order.file]
            if rows:
                order.batch = str(rows[0].get("id") or "")
                self._write_journal()
            else:
                self._begin(http, order)
            return True
        with suppress(_UnknownError):
            self._asked(http, "GET", f"/batches/{order.batch}", known=False)
            return True
        _LOG.warning("%s knows batch %s no more: its requests are asked anew", self._client.shown, order.batch)
        self._forget(order)
        return False

    def _ended(self, http: httpx.Client, order: Order) -> dict[str, Any]:
        pause = self._wait
        while True:
            state = self._asked(http, "GET", f"/batches/{order.batch}")
            status = str(state.get("status") or "")
            if status == "failed":
                self._forget(order)
                msg = f"{self._client.shown} refuses batch {order.batch}: {_why(state)}"
                raise ModelError(msg)
            if status in _ENDED:
                return state
            if not status:
                raise self._gone("a batch without a status")
            time.sleep(pause)
            pause = min(pause * _GROWTH, _LONGEST_WAIT)

    def _lines(
        self, http: httpx.Client, order: Order, state: Mapping[str, Any]
    ) -> Iterator[tuple[str, dict[str, Any], str]]:
        """Name, reply and refusal of each request that was answered or refused."""
        names = set(order.ids)
        for kind in ("output_file_id", "error_file_id"):
            if not state.get(kind):
                continue
            text = self._response(http, "GET", f"/files/{state[kind]}/content").text
            for line in text.split("\n"):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise self._gone(f"something that is not JSON lines for batch {order.batch}") from error
                if isinstance(row, dict) and str(row.get("custom_id")) in names:
                    yield (str(row["custom_id"]), *_answer(row))

    def _asked(
        self, http: httpx.Client, method: str, path: str, *, tries: int = TRIES, known: bool = True, **what: Any
    ) -> dict[str, Any]:
        """Make one call whose reply is an object; what may not be `known` raises `_UnknownError` where it is not."""
        response = self._response(http, method, path, tries=tries, **what)
        form = Response(
            status=response.status_code, reason=response.reason_phrase, headers=response.headers,
            content=response.content,
        )  # fmt: skip
        call = Call(path=path)
        try:
            found = read(form, call, 0.0)
        except GoneError as gone:
            raise self._client.explained(gone) from gone
        if isinstance(found, Trouble):
            raise self._client.stopped(found.text)
        if found.refusal and response.status_code in _NONE:
            if not known:
                raise _UnknownError(found.refusal)
            msg = f"{self._client.shown} has no batch API ({path}: {found.refusal}): leave --batch out"
            raise ModelError(msg)
        if found.refusal:
            msg = f"{self._client.shown} refuses {path} of its batch API: {found.refusal}"
            raise ModelError(msg)
        return found.body

    def _response(
        self, http: httpx.Client, method: str, path: str, *, tries: int = TRIES, **what: Any
    ) -> httpx.Response:
        """Make one call, several times if need be."""
        pause = self._client.back_off
        for attempt in range(tries):
            with suppress(httpx.TransportError):
                response = http.request(method, f"{self._client.url}{path}", **what)
                busy = response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error
                if not busy or attempt == tries - 1:
                    return response
            if attempt < tries - 1:
                time.sleep(pause)
                pause *= 2
        raise self._client.stopped(f"no reply to {method} {path} in {tries} tries")

    def _gone(self, what: str) -> EngineUnavailableError:
        return self._client.explained(GoneError("form", what))

    def _forget(self, order: Order) -> None:
        self._orders.remove(order)
        self._write_journal()

    def _read_journal(self) -> list[Order]:
        try:
            return _ORDERS.validate_json(self._journal.read_bytes())
        except FileNotFoundError:
            return []
        except (OSError, ValidationError) as error:
            # Without it a batch might be paid for twice.
            msg = f"{self._journal} cannot be read: mend it, or remove it if no batch is under way"
            raise ModelError(msg) from error

    def _write_journal(self) -> None:
        self._journal.parent.mkdir(parents=True, exist_ok=True)
        draft = self._journal.with_suffix(".new")
        draft.write_bytes(_ORDERS.dump_json(self._orders, indent=1))
        draft.replace(self._journal)


class _UnknownError(Exception):
    """The server does not know what was asked for."""


def _parts(bodies: Mapping[str, dict[str, Any]]) -> Iterator[dict[str, dict[str, Any]]]:
    """Cut requests into files within a provider's bounds."""
    part: dict[str, dict[str, Any]] = {}
    size = 0
    for name, body in bodies.items():
        weight = len(json.dumps(body, ensure_ascii=False).encode()) + 200
        if part and (len(part) == MOST_REQUESTS or size + weight > MOST_BYTES):
            yield part
            part, size = {}, 0
        part[name] = body
        size += weight
    if part:
        yield part


def _answer(row: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the reply of a line, or why there is none."""
    response = row.get("response")
    body = response.get("body") if isinstance(response, dict) else None
    status = response.get("status_code") if isinstance(response, dict) else None
    if status == httpx.codes.OK and isinstance(body, dict) and not body.get("error"):
        return body, ""
    for place in (body, row):
        error = place.get("error") if isinstance(place, dict) else None
        if error:
            said = error.get("message") if isinstance(error, dict) else error
            return {}, f"HTTP {status}: {str(said)[:500]}" if status else str(said)[:500]
    return {}, f"the batch holds no reply to it (HTTP {status})"


def _why(state: Mapping[str, Any]) -> str:
    errors = state.get("errors")
    rows = errors.get("data") if isinstance(errors, dict) else None
    first = rows[0] if isinstance(rows, list) and rows else None
    said = first.get("message") if isinstance(first, dict) else None
    return str(said or "it does not say why")[:500]
