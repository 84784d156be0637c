"""Many requests in flight to one server, against a bare loop and Inspect's OpenAI-compatible provider, in one run.

    python bench/http_scale.py [--requests 2000] [--flights 1000] [--pause 0.05] [--rounds 3] [--inspect PYTHON]

A scripted server in a process of its own answers every chat request after the pause. Ours is all that an audit does
with a reply up to grading: requests in, answers kept in an evidence store. `--inspect` names the Python of an
environment with inspect-ai and openai installed; Inspect runs once with its usual display (into a pipe) and once with
none, logging to a temporary folder.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp

from hydrometer.asking import Respondent
from hydrometer.catalog import open_engine
from hydrometer.engines.base import EngineSettings
from hydrometer.items import Kind, Message, Request
from hydrometer.progress import Silent
from hydrometer.refs import parse_ref
from hydrometer.store import Store

QUESTION = "What is the result of {} times 7? Think about it, then write the number on the last line."
MAX_TOKENS = 64
REPLY = (
    b'{"id":"x","object":"chat.completion","created":1,"model":"stub","choices":[{"index":0,"message":{"role":'
    b'"assistant","content":"Six times seven is 42.\\n42"},"finish_reason":"stop"}],"usage":{"prompt_tokens":20,'
    b'"completion_tokens":9,"total_tokens":29}}'
)
MODELS = b'{"object":"list","data":[{"id":"stub","object":"model"}]}'
INSPECT = """
import sys
from inspect_ai import Task, eval, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.scorer import includes
from inspect_ai.solver import generate
url, number, flights, display, log = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
samples = [Sample(input={question!r}.format(i), target="42") for i in range(number)]
eval(Task(dataset=MemoryDataset(samples), solver=generate(), scorer=includes()), model="openai-api/stub/stub",
     model_base_url=url, max_connections=flights, max_samples=flights, max_tokens={tokens}, temperature=0,
     log_dir=log, display=display)
"""


class Scripted(asyncio.Protocol):
    """One connection of the server."""

    pause = 0.05

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport, self._got = transport, b""

    def data_received(self, data: bytes) -> None:
        """Answer every whole request after the pause."""
        self._got += data
        while (end := self._got.find(b"\r\n\r\n")) >= 0:
            head = self._got[:end].lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)
            if len(self._got) < end + 4 + length:
                return
            self._got = self._got[end + 4 + length :]
            known = head.startswith(b"post") or b"/models" in head.split(b"\r\n", 1)[0]
            body = (REPLY if head.startswith(b"post") else MODELS) if known else b"{}"
            status = b"200 OK" if known else b"404 Not Found"
            out = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            asyncio.get_running_loop().call_later(
                self.pause, self._transport.write, out % (status, len(body), body)  # type: ignore[attr-defined]
            )


def serve(pause: float, port: multiprocessing.Queue[int]) -> None:
    """Serve until killed; the port goes into the queue."""

    async def forever() -> None:
        Scripted.pause = pause
        server = await asyncio.get_running_loop().create_server(Scripted, "127.0.0.1", 0, backlog=4096)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(forever())


def bare(url: str, number: int, flights: int) -> None:
    """Ask with nothing around it."""

    async def ask() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            waiting = iter(range(number))

            async def work() -> None:
                for i in waiting:
                    turn = {"role": "user", "content": QUESTION.format(i)}
                    body = {"model": "stub", "messages": [turn], "temperature": 0, "max_tokens": MAX_TOKENS}
                    async with session.post(f"{url}/chat/completions", json=body) as answer:
                        await answer.json()

            await asyncio.gather(*(work() for _ in range(flights)))

    asyncio.run(ask())


def ours(url: str, number: int, flights: int, ready: Callable[[], None], *, kept: bool = True) -> None:
    """Ask as an audit does; `kept` writes the answers into a store. `ready` is called once it is known who answers.

    That is asked once per model, in a dozen short requests one after another, which this server answers in 50 ms each.
    """
    requests = [
        Request(
            kind=Kind.GENERATE, messages=(Message("user", QUESTION.format(i)),), max_tokens=MAX_TOKENS
        )
        for i in range(number)
    ]
    ref, settings = parse_ref(f"{url}#stub"), EngineSettings(concurrency=flights)
    with tempfile.TemporaryDirectory() as folder:
        if not kept:
            with open_engine(ref, settings) as engine:
                ready()
                assert sum(1 for _ in engine.generate(requests)) == number
            return
        with (
            Store(Path(folder) / "evidence.sqlite") as store,
            Respondent("base", ref, settings, opener=open_engine, store=store, progress=Silent()) as side,
        ):
            assert side.identity.label
            ready()
            side.ask(requests)
            assert side.asked == number
            assert all(side.answer(request).text for request in requests)


def inspect(url: str, number: int, flights: int, *, python: str, display: str) -> None:
    """Ask through Inspect."""
    program = INSPECT.format(question=QUESTION, tokens=MAX_TOKENS)
    with tempfile.TemporaryDirectory() as log:
        done = subprocess.run(
            [python, "-c", program, url, str(number), str(flights), display, log],
            env={**os.environ, "STUB_API_KEY": "none", "STUB_BASE_URL": url},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode or not any(Path(log).iterdir()):
            sys.exit(f"Inspect failed: {done.stderr[-2000:]}{done.stdout[-2000:]}")


def timed(work: Callable[[Callable[[], None]], None]) -> tuple[float, float, float]:
    """Seconds of wall and of computing, children included, since a piece of work said that it is ready, and before."""

    def computed() -> float:
        who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, who))

    begun = start = time.perf_counter()
    cpu = computed()

    def ready() -> None:
        nonlocal start, cpu
        start, cpu = time.perf_counter(), computed()

    work(ready)
    return time.perf_counter() - start, computed() - cpu, start - begun


def main() -> None:
    """Run all of them in turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--flights", type=int, default=1000)
    parser.add_argument("--pause", type=float, default=0.05)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--inspect", default="", help="Python of an environment with inspect-ai and openai")
    args = parser.parse_args()
    ports: multiprocessing.Queue[int] = multiprocessing.Queue()
    server = multiprocessing.Process(target=serve, args=(args.pause, ports), daemon=True)
    server.start()
    asked = (f"http://127.0.0.1:{ports.get(timeout=20)}/v1", args.requests, args.flights)
    work: dict[str, Callable[[Callable[[], None]], None]] = {
        "bare loop": lambda _: bare(*asked),
        "engine": lambda ready: ours(*asked, ready, kept=False),
        "engine and store": lambda ready: ours(*asked, ready),
    }
    if args.inspect:
        for display in ("rich", "none"):
            work[f"Inspect, display {display}"] = lambda _, display=display: inspect(  # type: ignore[misc]
                *asked, python=args.inspect, display=display
            )
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in work}
    for _ in range(args.rounds):
        for name, run in work.items():
            found[name].append(timed(run))
    ceiling = statistics.median(wall for wall, _, _ in found["bare loop"])
    for name, times in found.items():
        wall, cpu, before = (statistics.median(column) for column in zip(*times, strict=True))
        share = 1000 * cpu / args.requests
        print(
            f"{name}: {wall:.2f} s, {wall / ceiling:.2f} of the bare loop's time, {share:.2f} ms of CPU a request; "
            f"{before:.2f} s before, once per model"
        )
    server.terminate()


if __name__ == "__main__":
    main()
