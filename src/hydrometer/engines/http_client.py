"""A patient client of one model behind one or more JSON servers.

It bounds and adapts concurrency, tries again, and maps faults once. Outside it is synchronous; inside, each stream of
calls runs on an event loop in a thread of its own, which ends with the stream. So it works where a loop already runs
(notebooks), and nothing is left behind.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from random import Random
from threading import Thread
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx
from anyio import CapacityLimiter, WouldBlock

from hydrometer.engines.http_reading import Call, GoneError, News, Reply, Response, Trouble, read
from hydrometer.errors import EngineUnavailableError

TRIES = 5
BACK_OFF = 0.5
"""Seconds before the second try, doubled for each further one; jitter takes up to half of it away."""

_LOOK_SECONDS = 10.0
_CONNECT_SECONDS = 20.0
_FAILED_RUN = 8
"""So many requests in a row given up, with nothing answered in between, mean that the server is broken."""

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_LOG = logging.getLogger("hydrometer")


@dataclass(slots=True)
class _Endpoint:
    """One of the addresses that serve the model.

    Attributes:
        url: Where paths start.
        options: Arguments of every call to it.
        heard: Answers that came from it.
        failed_run: Calls in a row that were given up.
        gone: Whether it answers no more.
    """

    url: str
    options: dict[str, Any] = field(repr=False)
    heard: int = 0
    failed_run: int = 0
    gone: bool = False


@dataclass(slots=True)
class Client:
    """The servers of one model.

    Attributes:
        url: Where paths start, without a slash at the end.
        timeout: Seconds for one try.
        concurrency: Largest number of calls in flight at each address.
        key: Bearer token, never shown.
        key_name: Environment variable that it came from, for messages.
        back_off: Seconds before the second try.
        further: Other addresses that serve the same model; streams of calls are shared out over all of them.
        kept: Answers that the engine has handed on, for the message when the server goes away.
    """

    url: str
    timeout: float = 600.0
    concurrency: int = 32
    key: str = field(default="", repr=False)
    key_name: str = ""
    back_off: float = BACK_OFF
    further: tuple[str, ...] = ()
    kept: int = 0
    _endpoints: list[_Endpoint] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        """Remember the addresses."""
        self._endpoints = [_Endpoint(url, self._options(url)) for url in (self.url, *self.further)]

    @property
    def shown(self) -> str:
        """The URL without a user name and password."""
        return _shown(self.url)

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
        inbox: SimpleQueue[list[Reply] | Exception | None] = SimpleQueue()
        loop = asyncio.new_event_loop()
        task = loop.create_task(self._run(calls, inbox))
        thread = Thread(target=_work, args=(loop, task, inbox), name="hydrometer-http", daemon=True)
        thread.start()
        try:
            while (got := inbox.get()) is not None:
                if isinstance(got, GoneError):
                    raise EngineUnavailableError(self._explain(got)) from got.__cause__
                if isinstance(got, Exception):
                    raise got
                yield from got
        finally:
            with suppress(RuntimeError):  # The loop has already ended.
                loop.call_soon_threadsafe(task.cancel)
            thread.join()

    async def _run(self, calls: Sequence[Call], inbox: SimpleQueue[list[Reply] | Exception | None]) -> None:
        waiting, outbox = deque(calls), _Outbox(inbox)
        # httpx looks through all of its connections for every request: with a thousand of them that took 20 ms each.
        connector = aiohttp.TCPConnector(limit=0, limit_per_host=0)
        async with aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=min(self.timeout, _CONNECT_SECONDS)),
            cookie_jar=aiohttp.DummyCookieJar(),
        ) as session:
            # Calls of an address that went away are taken over by the others, in another round if need be.
            while waiting:
                workers = [
                    asyncio.create_task(self._worker(session, endpoint, gate, waiting, outbox))
                    for endpoint in self._endpoints
                    if not endpoint.gone
                    for gate in (_Gate(self.concurrency),)
                    for _ in range(min(self.concurrency, len(waiting)))
                ]
                await _finish(workers)

    async def _worker(
        self,
        session: aiohttp.ClientSession,
        endpoint: _Endpoint,
        gate: _Gate,
        waiting: deque[Call],
        outbox: _Outbox,
    ) -> None:
        while waiting and not endpoint.gone:
            async with gate:
                # Taken only now: a call that waits for room here might have been answered elsewhere.
                if not waiting or endpoint.gone:
                    return
                call = waiting.popleft()
                try:
                    reply = await self._patiently(session, endpoint, gate, call)
                except GoneError as gone:
                    self._give_up(endpoint, gone)
                    waiting.appendleft(call)
                    return
            outbox.put(reply)

    def _give_up(self, endpoint: _Endpoint, gone: GoneError) -> None:
        """Go on without an address that answers no more, or raise where it was the last one."""
        others = [other for other in self._endpoints if other is not endpoint and not other.gone]
        if gone.kind in ("key", "form") or not others:
            raise gone
        if not endpoint.gone:
            endpoint.gone = True
            _LOG.warning("%s stopped answering (%s): going on without it", _shown(endpoint.url), gone.text)

    async def _patiently(
        self, session: aiohttp.ClientSession, endpoint: _Endpoint, gate: _Gate, call: Call
    ) -> Reply:
        """Try until the server answers or refuses, at most `TRIES` times."""
        before = endpoint.heard
        trouble = Trouble("", "")
        for attempt in range(TRIES):
            if attempt:
                # Others may pass meanwhile: a pause is no call in flight.
                gate.leave()
                try:
                    await asyncio.sleep(trouble.pause or self.back_off * _growth(call, attempt))
                finally:
                    await gate.enter()
            epoch = gate.epoch
            got = await self._try(session, endpoint, call)
            gate.adapt("answered" if isinstance(got, Reply) else got.news, epoch)
            if isinstance(got, Reply):
                endpoint.heard += 1
                endpoint.failed_run = 0
                return got
            trouble = got
            if trouble.kind == "refused" and not endpoint.heard:
                # Nobody listens, and nobody ever did: waiting would only hide a wrong address.
                raise GoneError("never", trouble.text)
        endpoint.failed_run += 1
        lost = trouble.kind in ("refused", "lost") and endpoint.heard == before
        if lost or endpoint.failed_run >= _FAILED_RUN:
            raise GoneError("stopped" if endpoint.heard else "never", trouble.text)
        return Reply(call, {}, f"{trouble.text}; given up after {TRIES} tries")

    async def _try(self, session: aiohttp.ClientSession, endpoint: _Endpoint, call: Call) -> Reply | Trouble:
        clock = time.perf_counter()
        url, options = endpoint.url + call.path, endpoint.options
        try:
            # One limit for the whole reply: a proxy that sends blanks to hold the line never times out by itself.
            async with asyncio.timeout(self.timeout):
                method = "GET" if call.body is None else "POST"
                async with session.request(method, url, json=call.body, **options) as answer:
                    content = await answer.read()
        except TimeoutError:
            return Trouble("slow", f"no reply within {self.timeout:g} s")
        except aiohttp.ClientConnectorError as error:
            return Trouble("refused", error.strerror or str(error) or "connection refused")
        except aiohttp.ClientError as error:
            return Trouble("lost", f"connection lost ({str(error) or type(error).__name__})")
        response = Response(
            status=answer.status, reason=answer.reason or "", headers=answer.headers, content=content
        )
        return read(response, call, time.perf_counter() - clock)

    def _options(self, url: str) -> dict[str, Any]:
        # A password in the URL is sent by the library, and there can be only one of the two.
        keyed = bool(self.key) and not httpx.URL(url).userinfo
        return {
            "headers": {"Authorization": f"Bearer {self.key}"} if keyed else {},
            "proxy": _proxy(url),
            "allow_redirects": False,
        }

    def options(self, seconds: float = 0.0) -> dict[str, Any]:
        """Return the arguments of an HTTP client of this server, 0 seconds for its own time limit."""
        timeout = seconds or self.timeout
        limits = httpx.Limits(max_connections=self.concurrency, max_keepalive_connections=self.concurrency)
        return {
            "timeout": httpx.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS)),
            "headers": {"Authorization": f"Bearer {self.key}"} if self.key else {},
            "limits": limits,
            # Reading the certificates takes longer than a short reply, and plain HTTP has none to check.
            "verify": httpx.URL(self.url).scheme == "https",
            # A proxy of the environment cannot reach this machine's own loopback.
            "trust_env": httpx.URL(self.url).host not in _LOOPBACK,
        }

    def stopped(self, why: str) -> EngineUnavailableError:
        """Return the error for a server that answered and answers no more."""
        return self.explained(GoneError("stopped", why))

    def explained(self, gone: GoneError) -> EngineUnavailableError:
        """Return the error for a server that cannot be used any more, in words of this client."""
        return EngineUnavailableError(self._explain(gone))

    def _explain(self, gone: GoneError) -> str:
        kept = f"{self.kept} answers are kept; start it again and rerun the same command"
        if gone.kind == "never":
            return f"no server answers at {self.shown} ({gone.text}): start it, or check host and port"
        if gone.kind == "stopped":
            who = "all servers of this model" if self.further else f"the server at {self.shown}"
            return f"{who} stopped answering ({gone.text}): {kept}"
        if gone.kind == "key":
            where = f"put a valid key into ${self.key_name}" if self.key_name else "name the variable of a key"
            return f"the server at {self.shown} refuses access ({gone.text}): {where}"
        return f"the server at {self.shown} answers {gone.text}: is the URL the API's, ending in /v1?"


def _growth(call: Call, attempt: int) -> float:
    """Return by how much the pause before a further try is longer than the first one; the jitter is reproducible."""
    rng = Random(f"{call.path} {call.key} {attempt}")  # noqa: S311 - no secret hangs on it
    return 2.0 ** (attempt - 1) * (1 - rng.random() / 2)


class _Gate:
    """How many calls may be in flight: halved when the server is crowded, widened again on success (AIMD).

    Calls that were already in flight at a halving do not halve again: they tell of the same crowd.
    """

    def __init__(self, bound: int) -> None:
        self._bound = max(1, bound)
        # The user's number is where it begins: a server that cannot take so many says so with its first answers.
        self._limit = float(self._bound)
        self.epoch = 0
        self._room = CapacityLimiter(int(self._limit))

    async def enter(self) -> None:
        """Wait for room. Where there is some, without the round of the loop that the limiter's own way takes."""
        try:
            self._room.acquire_nowait()
        except WouldBlock:
            await self._room.acquire()

    def leave(self) -> None:
        """Make room for another call."""
        self._room.release()

    async def __aenter__(self) -> None:
        """Enter."""
        await self.enter()

    async def __aexit__(self, *_: object) -> None:
        """Leave."""
        self.leave()

    def adapt(self, news: News, epoch: int) -> None:
        """Learn from a call.

        Args:
            news: How it went.
            epoch: `epoch` when it began.
        """
        if news == "answered":
            # One per round.
            self._limit = min(float(self._bound), self._limit + 1.0 / self._limit)
        elif news == "crowded" and epoch == self.epoch:
            self._limit = max(1.0, self._limit / 2)
            self.epoch += 1
        if int(self._limit) != self._room.total_tokens:
            self._room.total_tokens = int(self._limit)


class _Outbox:
    """Hands replies to the thread that waits for them, all of one round of the loop at once.

    Handed over one by one, each would wake that thread, and the two would fight for the interpreter.
    """

    def __init__(self, inbox: SimpleQueue[list[Reply] | Exception | None]) -> None:
        self._inbox, self._replies = inbox, list[Reply]()

    def put(self, reply: Reply) -> None:
        """Hand a reply over once the round is done; that comes before anybody learns that the call has ended."""
        if not self._replies:
            asyncio.get_running_loop().call_soon(self._hand_over)
        self._replies.append(reply)

    def _hand_over(self) -> None:
        self._inbox.put(self._replies)
        self._replies = []


async def _finish(workers: Sequence[asyncio.Task[None]]) -> None:
    """Wait for all; the first that fails ends the others."""
    try:
        done, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
        for worker in done:
            worker.result()
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


def _work(
    loop: asyncio.AbstractEventLoop, task: asyncio.Task[None], inbox: SimpleQueue[list[Reply] | Exception | None]
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


def _shown(url: str) -> str:
    return str(httpx.URL(url).copy_with(userinfo=b""))


def _proxy(url: str) -> str | None:
    """Return the environment's proxy for a URL; it cannot reach this machine's own loopback."""
    parsed = httpx.URL(url)
    if parsed.host in _LOOPBACK or proxy_bypass(parsed.host):
        return None
    found = getproxies()
    return found.get(parsed.scheme) or found.get("all")
