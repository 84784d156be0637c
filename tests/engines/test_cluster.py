"""A real Ray cluster of several nodes on this machine, one of which is killed in the middle of its work."""

from __future__ import annotations

import json
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from hydrometer.asking import Respondent
from hydrometer.catalog import open_engine
from hydrometer.engines.base import Engine, EngineSettings
from hydrometer.engines.cluster import BLOCK, Seat, block_size, open_model
from hydrometer.engines.fake import FakeEngine, echo
from hydrometer.errors import EngineError, EngineUnavailableError, MissingPackageError, ModelError
from hydrometer.items import Kind, Message, Request
from hydrometer.outcomes import Completion, Finish
from hydrometer.progress import Silent
from hydrometer.refs import parse_ref
from hydrometer.spec import ModelRef
from hydrometer.store import Store

REF = parse_ref("fake:echo")
SETTINGS = EngineSettings(cluster="auto", timeout=60.0)


def questions(number: int, *, choices: bool = False) -> list[Request]:
    kind = Kind.CHOICES if choices else Kind.GENERATE
    method, offered = ("continuation", (" yes", " no")) if choices else ("", ())
    return [
        Request(kind=kind, messages=(Message("user", f"Question {i}"),), choices=offered, method=method)
        for i in range(number)
    ]


# The dealing out, without a cluster.


def test_blocks_shrink_so_that_nodes_end_together() -> None:
    waiting, sizes = 200, []
    while waiting:
        sizes.append(block_size(waiting, 2))
        waiting -= sizes[-1]
    assert sizes[0] == 50
    assert sizes == sorted(sizes, reverse=True)
    assert block_size(10, 2) == 5  # Not one block for one node while the other idles.
    assert block_size(60, 2) == BLOCK
    assert block_size(0, 2) == 0


def test_a_seat_hands_out_answers_as_they_come_and_forgets_a_dropped_block() -> None:
    seat = Seat()
    who = seat.open(parse_ref("fake:echo?delay=0.01"), EngineSettings(), open_engine)
    assert not isinstance(who, Exception)
    assert who.identity.engine == "fake"
    seat.give(questions(500), "")
    assert seat.take().answers
    seat.give(questions(3, choices=True), "continuation")
    found = []
    while not (taken := seat.take()).done:
        found += taken.answers
    found += taken.answers
    assert [place for place, _ in found] == [0, 1, 2]
    assert all(len(completion.choices) == 2 for _, completion in found)
    seat.close()


def test_a_seat_returns_errors_of_ours_and_carries_foreign_ones() -> None:
    def broken(ref: ModelRef, settings: EngineSettings) -> Engine:
        def reply(request: Request) -> Completion:
            raise ZeroDivisionError(request.asked)

        return FakeEngine(reply, ref.text, "w")

    seat = Seat()
    assert isinstance(seat.open(parse_ref("fake:/nowhere/script.json"), EngineSettings(), open_engine), ModelError)
    seat.open(REF, EngineSettings(), broken)
    seat.give(questions(1), "")
    taken = seat.take()
    assert taken.done
    assert isinstance(taken.error, EngineError)
    assert "ZeroDivisionError: Question 0" in str(taken.error)


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hydrometer.catalog.find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"hydrometer\[cluster\]"):
        open_engine(REF, SETTINGS)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "nonsense", "ray://", "[::1]:99999", ":6379"])
def test_an_address_without_a_cluster_is_one_line_at_once(address: str) -> None:
    pytest.importorskip("ray", reason="the cluster extra is not installed")
    clock = time.monotonic()
    with pytest.raises(EngineUnavailableError, match="ray start --head"):
        open_engine(REF, replace(SETTINGS, cluster=address))
    assert time.monotonic() - clock < 20


# The cluster itself.


@dataclass
class Nodes:
    """A cluster of two computing nodes; the second may be killed, and is back for the next test."""

    cluster: Any
    second: Any = None
    killed: bool = field(default=False, init=False)

    def kill(self) -> None:
        self.cluster.remove_node(self.second, allow_graceful=False)
        self.killed = True


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    ray = pytest.importorskip("ray", reason="the cluster extra is not installed")
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
    room = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={**room, "include_dashboard": False})
    second = cluster.add_node(**room)
    ray.init(cluster.address, log_to_driver=False, logging_level=logging.CRITICAL)
    yield Nodes(cluster, second)
    ray.shutdown()
    cluster.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_nodes_share_a_plan_differ_and_die(nodes: Nodes, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    # One test, since the cluster takes most of its time to come up, and the last step takes a node away.
    shared_and_kept(tmp_path)
    differing_nodes_are_refused()
    a_model_that_a_node_cannot_open_is_named()
    the_last_node_dies_and_what_came_is_counted()
    a_node_dies_and_nothing_is_lost(nodes, tmp_path, caplog)


def shared_and_kept(folder: Path) -> None:
    with Store(folder / "evidence.sqlite") as store:
        requests = [*questions(40), *questions(6, choices=True)]
        side = Respondent("base", REF, SETTINGS, opener=open_engine, store=store, progress=Silent())
        with side:
            side.ask(requests)
            assert side.asked == len(requests)
            assert [side.answer(r).text for r in requests[:40]] == [r.asked for r in requests[:40]]
            assert side.identity.details["seats on the cluster"] == "2"
        alone = Respondent("base", REF, EngineSettings(), opener=open_engine, store=store, progress=Silent())
        with alone:
            # Where an answer was computed is no part of who gave it.
            alone.ask(requests)
            assert (alone.asked, alone.reused) == (0, len(requests))


def differing_nodes_are_refused() -> None:
    def opener(ref: ModelRef, settings: EngineSettings) -> Engine:
        import ray

        return FakeEngine(echo, ref.text, f"file of {ray.get_runtime_context().get_node_id()}")

    with pytest.raises(ModelError, match="differ in weights"):
        open_model(REF, SETTINGS, opener)


def a_model_that_a_node_cannot_open_is_named() -> None:
    with pytest.raises(ModelError, match=r"node .*cannot read the script"):
        open_engine(parse_ref("fake:/nowhere/script.json"), SETTINGS)


def logged(folder: Path) -> Callable[[ModelRef, EngineSettings], Engine]:
    """An opener whose engine writes down what it was asked, and on which node."""

    def opener(ref: ModelRef, settings: EngineSettings) -> Engine:
        import ray

        node = ray.get_runtime_context().get_node_id()

        def reply(request: Request) -> Completion:
            time.sleep(0.02)
            with (folder / node).open("a") as log:
                log.write(json.dumps(request.asked) + "\n")
            return Completion(text=request.asked, finish=Finish.STOP)

        return FakeEngine(reply, ref.text, "w")

    return opener


def a_node_dies_and_nothing_is_lost(nodes: Nodes, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = folder / "asked"
    log.mkdir()
    requests = questions(200)
    came: list[str] = []
    with open_model(REF, SETTINGS, logged(log)) as engine, caplog.at_level(logging.WARNING, "hydrometer"):
        for number, (request, completion) in enumerate(engine.generate(requests)):
            assert completion.text == request.asked
            came.append(request.asked)
            if number == 30:
                nodes.kill()
    asked = Counter(json.loads(line) for path in log.iterdir() for line in path.read_text().splitlines())
    assert Counter(came) == Counter(request.asked for request in requests)
    assert "is lost" in caplog.text
    assert set(asked) == set(came)
    # What had come back is asked once; again is asked only what the dead node took along.
    assert all(asked[question] == 1 for question in came[:31])
    assert sum(asked.values()) - len(requests) <= BLOCK * 4
    assert len(list(log.iterdir())) == 2


def the_last_node_dies_and_what_came_is_counted() -> None:
    import ray

    came = 0
    with open_engine(parse_ref("fake:echo?delay=0.02"), SETTINGS) as engine:
        with pytest.raises(EngineUnavailableError, match=r"all nodes of the cluster are lost .* answers are kept"):
            for _ in engine.generate(questions(100)):
                came += 1
                for worker in engine._workers:  # type: ignore[attr-defined]
                    ray.kill(worker.actor)
        with pytest.raises(EngineUnavailableError, match="no node is left"):
            list(engine.generate(questions(1)))
    assert 0 < came < 100
