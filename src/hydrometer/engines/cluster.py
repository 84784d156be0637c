"""One model on every node of a Ray cluster: the same engine opened many times, the requests shared out.

Any engine that holds its model itself can be spread: this file knows the engine protocol and nothing else. A node is
given a block of requests and hands its answers back as they come; a node that is lost gives back what it had not
answered yet, and the others are asked that. Every node must be the same model in the same build, or none is asked.

The package must be installed on each node, and a model's files must lie there under the same path. Ray sends Python
objects between its nodes without a check: use a cluster that you trust.
"""

from __future__ import annotations

import logging
import math
import os
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue
from typing import Any

from hydrometer.engines.base import Answer, Capabilities, ClosingEngine, Engine, EngineSettings
from hydrometer.errors import (
    EngineError,
    EngineUnavailableError,
    HydrometerError,
    ModelError,
    UnsafeTemplateError,
)
from hydrometer.items import Request
from hydrometer.outcomes import Completion
from hydrometer.provenance import ModelIdentity
from hydrometer.spec import ModelRef
from hydrometer.version import __version__

BLOCK = 16
"""Requests that a node is given at least, where so many are left for each."""

_TAKE_SECONDS = 1.0
_KNOCK_SECONDS = 10.0
_LOG = logging.getLogger("hydrometer")

Opener = Callable[[ModelRef, EngineSettings], Engine]
Ending = EngineError | UnsafeTemplateError
"""What ends the work of a node: its own trouble, or a template that is rendered nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """What a node opened."""

    version: str
    identity: ModelIdentity
    capabilities: Capabilities
    template: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Answers of a node since it was last asked for them.

    Attributes:
        answers: Place in the block, and the answer.
        done: Whether the block is finished, or will never be.
        error: Why it will never be.
    """

    answers: tuple[tuple[int, Completion], ...]
    done: bool
    error: Ending | None = None


class Seat:
    """What runs on a node: one engine, one block at a time, worked through in a thread of its own.

    Answers are fetched, not sent: so they leave the node as they come, and through Ray's client too.
    """

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._thread: threading.Thread | None = None
        self._over = threading.Event()
        self._out: SimpleQueue[tuple[int, Completion] | Ending | None] = SimpleQueue()

    def open(self, ref: ModelRef, settings: EngineSettings, opener: Opener) -> Who | HydrometerError:
        """Open the model and say who it is; an error of ours is returned, for Ray would bury it in a trace."""
        try:
            self._engine = opener(ref, settings)
            return Who(
                version=__version__,
                identity=self._engine.identity(),
                capabilities=self._engine.capabilities,
                template=self._engine.chat_template,
            )
        except HydrometerError as error:
            return error

    def give(self, requests: Sequence[Request], method: str) -> None:
        """Begin a block: replies without a method, choices scored with one."""
        self.drop()
        self._over, self._out = threading.Event(), SimpleQueue()
        arguments = (tuple(requests), method, self._over, self._out)
        self._thread = threading.Thread(target=self._work, args=arguments, daemon=True)
        self._thread.start()

    def take(self) -> Taken:
        """Return the answers that came since, and wait a little for the first of them."""
        found: list[tuple[int, Completion]] = []
        while True:
            try:
                got = self._out.get(block=not found, timeout=_TAKE_SECONDS)
            except Empty:
                return Taken(answers=tuple(found), done=False)
            if got is None or isinstance(got, Ending):
                return Taken(answers=tuple(found), done=True, error=got)
            found.append(got)

    def drop(self) -> None:
        """Stop working on a block that nobody waits for any more."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def close(self) -> None:
        """Free the model in its own way before the process ends: it may have started a server."""
        self.drop()
        if self._engine is not None:
            self._engine.close()

    def _work(
        self,
        requests: Sequence[Request],
        method: str,
        over: threading.Event,
        out: SimpleQueue[tuple[int, Completion] | Ending | None],
    ) -> None:
        engine = self._engine
        assert engine is not None
        places = {request.digest: place for place, request in enumerate(requests)}
        try:
            for request, completion in engine.score(requests, method) if method else engine.generate(requests):
                if over.is_set():
                    return
                out.put((places[request.digest], completion))
        except (EngineError, UnsafeTemplateError) as error:
            out.put(error)
        except Exception as error:  # noqa: BLE001 - carried to the machine that waits, which goes on with other nodes
            out.put(EngineError(f"{type(error).__name__}: {error}"))
        else:
            out.put(None)


@dataclass(slots=True, eq=False)
class _Worker:
    """A seat as the driver sees it: what was given to it and has not come back."""

    node: str
    actor: Any
    given: list[int] = field(default_factory=list)
    open: set[int] = field(default_factory=set)


class ClusterEngine(ClosingEngine):
    """One model, opened on all nodes.

    Args:
        ray: The library, connected.
        workers: Seats that opened the same model.
        who: What they opened.
    """

    def __init__(self, ray: Any, workers: Sequence[_Worker], who: Who) -> None:
        self._ray, self._workers, self._who = ray, list(workers), who
        self._kept = 0

    @property
    def capabilities(self) -> Capabilities:
        """Those of the engine on the nodes."""
        return self._who.capabilities

    @property
    def chat_template(self) -> str:
        """Source of the template in use on the nodes."""
        return self._who.template

    def identity(self) -> ModelIdentity:
        """Who answers: the model, wherever it stands, so an answer of this machine alone is the same evidence."""
        found = self._who.identity
        return replace(found, details={**found.details, "seats on the cluster": str(len(self._workers))})

    def generate(self, requests: Sequence[Request]) -> Iterator[Answer]:
        """Yield one answer per request as the nodes hand them back."""
        return self._shared_out(requests, "")

    def score(self, requests: Sequence[Request], method: str) -> Iterator[Answer]:
        """Yield one answer per request, with one `ChoiceScore` per choice."""
        return self._shared_out(requests, method)

    def close(self) -> None:
        """Free the model on every node."""
        closing = [worker.actor.close.remote() for worker in self._workers]
        if closing:
            self._ray.wait(closing, num_returns=len(closing), timeout=30.0)
        for worker in self._workers:
            self._ray.kill(worker.actor)
        self._workers = []

    def _shared_out(self, requests: Sequence[Request], method: str) -> Iterator[Answer]:
        waiting = deque(range(len(requests)))
        calls: dict[Any, _Worker] = {}
        try:
            while waiting or calls:
                busy = set(calls.values())
                for worker in [worker for worker in self._workers if worker not in busy]:
                    self._give(worker, waiting, requests, method, calls)
                if not calls:
                    raise self._stopped("no node is left")
                ready, _ = self._ray.wait(list(calls), num_returns=1)
                worker = calls.pop(ready[0])
                taken = self._fetched(ready[0])
                for place, completion in taken.answers:
                    index = worker.given[place]
                    worker.open.discard(index)
                    self._kept += 1
                    yield Answer(requests[index], completion)
                if taken.error is not None:
                    self._lose(worker, waiting, taken.error)
                elif not taken.done:
                    calls[worker.actor.take.remote()] = worker
        finally:
            for worker in set(calls.values()):
                worker.actor.drop.remote()

    def _give(
        self,
        worker: _Worker,
        waiting: deque[int],
        requests: Sequence[Request],
        method: str,
        calls: dict[Any, _Worker],
    ) -> None:
        size = block_size(len(waiting), len(self._workers))
        worker.given = [waiting.popleft() for _ in range(size)]
        worker.open = set(worker.given)
        if worker.given:
            worker.actor.give.remote([requests[index] for index in worker.given], method)
            calls[worker.actor.take.remote()] = worker

    def _fetched(self, call: Any) -> Taken:
        try:
            found: Taken = self._ray.get(call)
        except self._ray.exceptions.RayError as error:
            return Taken(answers=(), done=True, error=EngineUnavailableError(_first_line(error)))
        return found

    def _lose(self, worker: _Worker, waiting: deque[int], why: Ending) -> None:
        """Go on without a node: what it had not answered goes to the others, but for a template that does harm."""
        if isinstance(why, UnsafeTemplateError):
            raise why
        self._workers.remove(worker)
        # A node that only seemed gone must not go on working for nobody.
        self._ray.kill(worker.actor)
        if not self._workers:
            if isinstance(why, EngineUnavailableError):
                raise self._stopped(f"{worker.node}: {why}") from why
            raise why
        waiting.extendleft(sorted(worker.open, reverse=True))
        _LOG.warning(
            "node %s is lost (%s): its %d open requests go to the others", worker.node, why, len(worker.open)
        )

    def _stopped(self, why: str) -> EngineUnavailableError:
        return EngineUnavailableError(
            f"all nodes of the cluster are lost ({why}): {self._kept} answers are kept; rerun the same command"
        )


def block_size(waiting: int, nodes: int) -> int:
    """Return how many requests a node is given next: half of its share, so that all end at about the same time.

    Large blocks first let an engine fill its batches, small ones last leave no node with much while others idle
    (factoring: Hummel, Schonberg and Flynn, 1992).
    """
    share = waiting / max(nodes, 1)
    return math.ceil(min(share, max(BLOCK, share / 2)))


def open_model(ref: ModelRef, settings: EngineSettings, opener: Opener) -> ClusterEngine:
    """Open a model on every node of a cluster, once per GPU where a node has any.

    Args:
        ref: The model, as each node names it.
        settings: `cluster` is the address: `auto`, `ray://HOST:PORT` or `HOST:PORT`; the rest goes to the nodes.
        opener: Opens the model there; it is sent to the nodes.

    Raises:
        ModelError: A node cannot open the model, or opened another one or another build.
        EngineUnavailableError: There is no cluster at that address, or none of its nodes computes.
    """
    ray = _connect(settings.cluster)
    workers = _seats(ray, settings)
    # A folder of this machine is none of theirs.
    there = replace(settings, cluster="", folder="")
    opening = {worker.actor.open.remote(ref, there, opener): worker for worker in workers}
    try:
        found = _opened(ray, opening, settings.timeout)
        first = next(iter(found))
        for worker in found:
            _check_same(first, found[first], worker, found[worker])
    except BaseException:
        for worker in workers:
            ray.kill(worker.actor)
        raise
    return ClusterEngine(ray, list(found), found[first])


def _connect(address: str) -> Any:
    """Connect to the cluster. The connection stays until the program ends: an audit opens its models in turns."""
    # Without it, Ray warns of a change in its next version each time an actor has no GPU.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    if not ray.is_initialized():
        try:
            _knock(address)
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (OSError, OverflowError, RuntimeError, ValueError, ImportError) as error:
            msg = (
                f"no Ray cluster at {address!r} ({_first_line(error)}): start one with `ray start --head`, then give "
                "--cluster auto on one of its machines, or ray://HOST:10001"
            )
            raise EngineUnavailableError(msg) from error
    return ray


def _knock(address: str) -> None:
    """Raise where nobody listens: Ray itself tries for half a minute or for two, and then may end the process."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if address == "auto":
        return
    if not host or not colon or not port.isdecimal():
        msg = "an address is auto, ray://HOST:10001 or HOST:6379"
        raise ValueError(msg)
    socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_SECONDS).close()


def _seats(ray: Any, settings: EngineSettings) -> list[_Worker]:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    workers = []
    for node in ray.nodes():
        resources = node.get("Resources", {})
        processors, cards = int(resources.get("CPU", 0)), int(resources.get("GPU", 0))
        if not node.get("Alive") or not processors + cards:
            continue
        name = f"{node.get('NodeManagerHostname') or node.get('NodeManagerAddress')} ({node['NodeID'][:8]})"
        for _ in range(cards or 1):
            options = {
                "num_cpus": min(processors, settings.threads or 1),
                "num_gpus": 1 if cards else 0,
                # Two methods at a time are never wanted: a block begins when the one before it has ended.
                "max_concurrency": 1,
                "scheduling_strategy": NodeAffinitySchedulingStrategy(node["NodeID"], soft=False),
            }
            workers.append(_Worker(name, ray.remote(Seat).options(**options).remote()))
    if not workers:
        msg = f"the Ray cluster at {settings.cluster!r} has no live node with processors: add one with `ray start`"
        raise EngineUnavailableError(msg)
    return workers


def _opened(ray: Any, opening: dict[Any, _Worker], timeout: float) -> dict[_Worker, Who]:
    ready, late = ray.wait(list(opening), num_returns=len(opening), timeout=timeout)
    if late:
        names = ", ".join(sorted({opening[call].node for call in late}))
        msg = f"the model was not open within {timeout:g} s on {names}: free them, or raise --timeout"
        raise EngineUnavailableError(msg)
    found: dict[_Worker, Who] = {}
    gone = ""
    for call in ready:
        worker = opening[call]
        try:
            who: Who | HydrometerError = ray.get(call)
        except ray.exceptions.RayError as error:
            gone = f"{worker.node}: {_first_line(error)}"
            _LOG.warning("node %s could not be used: going on without it", gone)
            continue
        if isinstance(who, HydrometerError):
            kinds: tuple[type[HydrometerError], ...] = (UnsafeTemplateError, ModelError)
            kind = next((kind for kind in kinds if isinstance(who, kind)), EngineError)
            raise kind(f"node {worker.node}: {who}") from who
        found[worker] = who
    if not found:
        msg = f"no node of the cluster could open the model ({gone})"
        raise EngineUnavailableError(msg)
    return found


def _check_same(one: _Worker, mine: Who, other: _Worker, theirs: Who) -> None:
    """Refuse two nodes that opened different things.

    Raises:
        ModelError: They differ, named with both values.
    """
    names = ("weights", "tokenizer", "template", "engine", "engine_version", "settings")
    told = {"hydrometer": (mine.version, theirs.version), "abilities": (mine.capabilities, theirs.capabilities)}
    told |= {name: (getattr(mine.identity, name), getattr(theirs.identity, name)) for name in names}
    for what, (here, there) in told.items():
        if here != there:
            msg = (
                f"nodes {one.node} and {other.node} differ in {what.replace('_', ' ')} ({here} and {there}): every "
                "node must open the same file with the same packages; where it is threads, give --threads"
            )
            raise ModelError(msg)


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:200]
