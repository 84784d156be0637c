"""A patient client of one JSON server: bounded and adapting concurrency, retries, and one mapping of faults.

Outside it is synchronous; inside, each stream of calls runs on an event loop in a thread of its own, which ends
with the stream. So it works where a loop already runs (notebooks), and nothing is left behind.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from queue import SimpleQueue
from random import Random
from threading import Thread
from typing import Any, Literal, NamedTuple

import httpx

from hydrometer.errors import EngineUnavailableError

TRIES = 5
BACK_OFF = 0.5
"""Seconds before the second try, doubled for each further one; jitter takes up to half of it away."""

_LONGEST_PAUSE = 120.0
_LOOK_SECONDS = 10.0
_FAILED_RUN = 8
"""So many requests in a row given up, with nothing answered in between, mean that the server is broken."""

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP call.

    Attributes:
        path: Path behind the server's URL.
        body: JSON to post; None makes it a GET.
        key: What the caller knows it by.
    """

    path: str
    body: dict[str, Any] | None = None
    key: int = 0


class Reply(NamedTuple):
    """What came back: an object, or why there is none.

    Attributes:
        call: The call that it answers.
        body: The JSON object, empty for a refusal.
        refusal: The server's message where it refused, or why the call was given up; else `""`.
        seconds: Time of the try that succeeded.
    """

    call: Call
    body: dict[str, Any]
    refusal: str = ""
    seconds: float = 0.0


@dataclass(slots=True)
class Client:
    """The server at one URL.

    Attributes:
        url: Where paths start, without a slash at the end.
        timeout: Seconds for one try.
        concurrency: Largest number of calls in flight.
        key: Bearer token, never shown.
        key_name: Environment variable that it came from, for messages.
        back_off: Seconds before the second try.
        kept: Answers that the engine has handed on, for the message when the server goes away.
    """

    url: str
    timeout: float = 600.0
    concurrency: int = 32
    key: str = field(default="", repr=False)
    key_name: str = ""
    back_off: float = BACK_OFF
    kept: int = 0
    _heard: int = field(default=0, init=False)
    _failed_run: int = field(default=0, init=False)

    @property
    def shown(self) -> str:
        """The URL without a user name and password."""
        return str(httpx.URL(self.url).copy_with(userinfo=b""))

    def call(self, call: Call) -> Reply:
        """Make one call.

        Raises:
            EngineUnavailableError: The server is down or does not talk JSON.
        """
        with closing(self.stream((call,))) as replies:
            return next(replies)

    def look(self, url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask for something that a server may not have; empty if it has not.

        Args:
            url: Full URL, since such facts often lie outside the API's path.
            body: JSON to post; None makes it a GET.
        """
        try:
            with httpx.Client(**self.options(_LOOK_SECONDS)) as client:
                response = client.get(url) if body is None else client.post(url, json=body)
                found = response.json() if response.status_code == httpx.codes.OK else {}
        except (httpx.HTTPError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def stream(self, calls: Sequence[Call]) -> Generator[Reply, None, None]:
        """Make calls, several at a time, and yield replies as they come.

        Raises:
            EngineUnavailableError: The server went away; what was yielded before stands.
        """
        if not calls:
            return
        inbox: SimpleQueue[Reply | Exception | None] = SimpleQueue()
        loop = asyncio.new_event_loop()
        task = loop.create_task(self._run(calls, inbox))
        thread = Thread(target=_work, args=(loop, task, inbox), name="hydrometer-http", daemon=True)
        thread.start()
        try:
            while (got := inbox.get()) is not None:
                if isinstance(got, _GoneError):
                    raise EngineUnavailableError(self._explain(got)) from got.__cause__
                if isinstance(got, Exception):
                    raise got
                yield got
        finally:
            with suppress(RuntimeError):  # The loop has already ended.
                loop.call_soon_threadsafe(task.cancel)
            thread.join()

    async def _run(self, calls: Sequence[Call], inbox: SimpleQueue[Reply | Exception | None]) -> None:
        waiting = iter(calls)
        gate = _Gate(self.concurrency)
        async with httpx.AsyncClient(**self.options()) as client:
            number = min(self.concurrency, len(calls))
            workers = [asyncio.create_task(self._worker(client, gate, waiting, inbox)) for _ in range(number)]
            try:
                done, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
                for worker in done:
                    worker.result()
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)

    async def _worker(
        self,
        client: httpx.AsyncClient,
        gate: _Gate,
        waiting: Iterator[Call],
        inbox: SimpleQueue[Reply | Exception | None],
    ) -> None:
        for call in waiting:
            inbox.put(await self._patiently(client, gate, call))

    async def _patiently(self, client: httpx.AsyncClient, gate: _Gate, call: Call) -> Reply:
        """Try until the server answers or refuses, at most `TRIES` times."""
        rng = Random(f"{call.path} {call.key}")  # noqa: S311 - jitter, reproducible on purpose
        before = self._heard
        trouble = _Trouble("", "")
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(trouble.pause or self.back_off * 2 ** (attempt - 1) * (1 - rng.random() / 2))
            async with gate.passing() as passage:
                got = await self._try(client, call)
                passage.news = "answered" if isinstance(got, Reply) else got.news
            if isinstance(got, Reply):
                self._heard += 1
                self._failed_run = 0
                return got
            trouble = got
            if trouble.kind == "refused" and not self._heard:
                # Nobody listens, and nobody ever did: waiting would only hide a wrong address.
                raise _GoneError("never", trouble.text)
        self._failed_run += 1
        lost = trouble.kind in ("refused", "lost") and self._heard == before
        if lost or self._failed_run >= _FAILED_RUN:
            raise _GoneError("stopped" if self._heard else "never", trouble.text)
        return Reply(call, {}, f"{trouble.text}; given up after {TRIES} tries")

    async def _try(self, client: httpx.AsyncClient, call: Call) -> Reply | _Trouble:
        clock = time.perf_counter()
        try:
            # One limit for the whole reply: a proxy that sends blanks to hold the line never times out by itself.
            async with asyncio.timeout(self.timeout):
                response = await (
                    client.get(self.url + call.path)
                    if call.body is None
                    else client.post(self.url + call.path, json=call.body)
                )
        except (TimeoutError, httpx.TimeoutException):
            return _Trouble("slow", f"no reply within {self.timeout:g} s")
        except httpx.ConnectError as error:
            return _Trouble("refused", str(error) or "connection refused")
        except httpx.RequestError as error:
            return _Trouble("lost", str(error) or f"connection lost ({type(error).__name__})")
        return _read(response, call, time.perf_counter() - clock)

    def options(self, seconds: float = 0.0) -> dict[str, Any]:
        """Return the arguments of an HTTP client of this server, 0 seconds for its own time limit."""
        timeout = seconds or self.timeout
        local = httpx.URL(self.url).host in _LOOPBACK
        limits = httpx.Limits(max_connections=self.concurrency, max_keepalive_connections=self.concurrency)
        return {
            "timeout": httpx.Timeout(timeout, connect=min(timeout, 20.0)),
            "headers": {"Authorization": f"Bearer {self.key}"} if self.key else {},
            "limits": limits,
            # Reading the certificates takes longer than a short reply, and plain HTTP has none to check.
            "verify": httpx.URL(self.url).scheme == "https",
            # A proxy of the environment cannot reach this machine's own loopback.
            "trust_env": not local,
        }

    def stopped(self, why: str) -> EngineUnavailableError:
        """Return the error for a server that answered and answers no more."""
        return EngineUnavailableError(self._explain(_GoneError("stopped", why)))

    def _explain(self, gone: _GoneError) -> str:
        kept = f"{self.kept} answers are kept; start it again and rerun the same command"
        if gone.kind == "never":
            return f"no server answers at {self.shown} ({gone.text}): start it, or check host and port"
        if gone.kind == "stopped":
            return f"the server at {self.shown} stopped answering ({gone.text}): {kept}"
        if gone.kind == "key":
            where = f"put a valid key into ${self.key_name}" if self.key_name else "name the variable of a key"
            return f"the server at {self.shown} refuses access ({gone.text}): {where}"
        return f"the server at {self.shown} answers {gone.text}: is the URL the API's, ending in /v1?"


_Kind = Literal["refused", "lost", "slow", "busy", ""]
_News = Literal["answered", "crowded", ""]


class _Trouble(NamedTuple):
    """A try that came to nothing and may be repeated."""

    kind: _Kind
    text: str
    pause: float = 0.0

    @property
    def news(self) -> _News:
        """What the gate learns: whether fewer calls at a time would have helped."""
        return "crowded" if self.kind in ("slow", "busy") else ""


class _GoneError(Exception):
    """The server cannot be used any more. Turned into a message where the number of answers is known."""

    def __init__(self, kind: Literal["never", "stopped", "key", "form"], text: str) -> None:
        super().__init__(text)
        self.kind, self.text = kind, text


@dataclass(slots=True)
class _Passage:
    """One call in flight; `epoch` tells whether it began before the last narrowing."""

    epoch: int
    news: _News = ""


class _Gate:
    """How many calls may be in flight: widened on success, halved when the server is crowded (AIMD).

    Calls that were already in flight at a halving do not halve again: they tell of the same crowd.
    """

    def __init__(self, bound: int) -> None:
        self._bound = max(1, bound)
        self._limit = float(min(self._bound, 8))
        self._flying, self._epoch = 0, 0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def passing(self) -> AsyncIterator[_Passage]:
        """Wait for room, and report afterwards how it went."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._flying < int(self._limit))
            self._flying += 1
        passage = _Passage(self._epoch)
        try:
            yield passage
        finally:
            self._flying -= 1
            self._adapt(passage)
            async with self._changed:
                self._changed.notify_all()

    def _adapt(self, passage: _Passage) -> None:
        if passage.news == "answered":
            # One per answer until the first crowd, afterwards one per round.
            step = 1.0 / self._limit if self._epoch else 1.0
            self._limit = min(float(self._bound), self._limit + step)
        elif passage.news == "crowded" and passage.epoch == self._epoch:
            self._limit = max(1.0, self._limit / 2)
            self._epoch += 1


def _work(
    loop: asyncio.AbstractEventLoop, task: asyncio.Task[None], inbox: SimpleQueue[Reply | Exception | None]
) -> None:
    """Run a stream to its end in its own thread and close its loop."""
    ending: Exception | None = None
    try:
        loop.run_until_complete(task)
    except asyncio.CancelledError:
        pass
    except Exception as error:  # noqa: BLE001 - carried over to the thread that waits, which raises it
        ending = error
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
        inbox.put(ending)


def _read(response: httpx.Response, call: Call, seconds: float) -> Reply | _Trouble:
    """Sort a response: an answer, a refusal of this one request, something to try again, or the end."""
    status = response.status_code
    if status == httpx.codes.TOO_MANY_REQUESTS or status >= httpx.codes.INTERNAL_SERVER_ERROR:
        text = f"HTTP {status}: {_message(response)}"
        return _Trouble("busy", text, _retry_after(response.headers.get("retry-after", "")))
    if status == httpx.codes.UNAUTHORIZED:
        raise _GoneError("key", f"HTTP {status}: {_message(response)}")
    form = response.headers.get("content-type", "no content type").partition(";")[0]
    if "html" in form:
        raise _GoneError("form", "HTML, not JSON")
    if status != httpx.codes.OK:
        return Reply(call, {}, f"HTTP {status}: {_message(response)}", seconds)
    try:
        body = response.json()
    except ValueError as error:
        raise _GoneError("form", f"something that is not JSON (content type {form})") from error
    if not isinstance(body, dict):
        raise _GoneError("form", "JSON that is not an object")
    if body.get("error"):
        return Reply(call, {}, _message(response), seconds)
    return Reply(call, body, "", seconds)


def _message(response: httpx.Response) -> str:
    """Return what a server says is wrong, wherever it puts it."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if isinstance(body, dict):
        error = body.get("error", body)
        said = error if isinstance(error, str) else None
        if isinstance(error, dict):
            said = error.get("message") or error.get("detail")
        if said:
            return str(said)[:500]
    return " ".join(response.text.split())[:200] or response.reason_phrase


def _retry_after(value: str) -> float:
    """Return the pause that a server asks for in seconds or as a date, 0 without one."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return 0.0
    return min(max(seconds, 0.0), _LONGEST_PAUSE)
