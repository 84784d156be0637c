"""Parts of a packed row on several threads, and the ordered output head."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
pytest.importorskip("transformers")
pytestmark = pytest.mark.torch

import torch  # noqa: E402

from hydrometer.engines import hf_head, hf_team  # noqa: E402
from hydrometer.engines.base import EngineSettings  # noqa: E402
from hydrometer.engines.hf import HfEngine, open_model  # noqa: E402
from hydrometer.engines.hf_head import Head  # noqa: E402
from hydrometer.engines.hf_team import Team, may_share, shares  # noqa: E402
from hydrometer.items import Decoding, Kind, Message, Request  # noqa: E402
from hydrometer.spec import ModelRef  # noqa: E402
from tiny_models import build_tiny  # noqa: E402

TEXTS = ("What is 2 + 2?", "hi", "the quick brown fox jumps", "Paris is the capital of France. " * 3, "numbers", "go")


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny("llama", tmp_path_factory.mktemp("llama") / "model", 1)


@pytest.fixture(autouse=True)
def threads() -> Any:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("sizes", "threads", "wanted"),
    [
        ([1] * 40, 2, [(0, 20), (20, 40)]),
        ([1] * 40, 4, [(0, 10), (10, 20), (20, 30), (30, 40)]),
        ([1] * 15, 2, [(0, 15)]),
        ([1] * 24, 16, [(0, 8), (8, 16), (16, 24)]),
        ([1, 1, 1, 1, 50, 50], 2, [(0, 5), (5, 6)]),
        ([100, 1, 1], 3, [(0, 3)]),
        ([100], 4, [(0, 1)]),
        ([1] * 40, 1, [(0, 40)]),
    ],
)
def test_runs_are_alike_and_large_enough(sizes: list[int], threads: int, wanted: list[tuple[int, int]]) -> None:
    found = shares(sizes, threads)
    assert found == wanted
    assert [place for first, last in found for place in range(first, last)] == list(range(len(sizes)))


def test_jobs_run_at_once_each_with_its_share_of_threads() -> None:
    torch.set_num_threads(4)
    team, both = Team(), threading.Barrier(2, timeout=60)
    caller = threading.get_ident()

    def job() -> tuple[int, bool]:
        both.wait()
        return torch.get_num_threads(), threading.get_ident() != caller

    assert team.run([job, job]) == [(2, True), (2, True)]
    # One job has all of them, and the caller has as many as before.
    assert team.run([lambda: (torch.get_num_threads(), threading.get_ident() != caller)]) == [(4, False)]
    assert torch.get_num_threads() == 4


def test_an_error_comes_when_all_jobs_have_ended() -> None:
    torch.set_num_threads(2)
    done = threading.Event()

    def late() -> None:
        done.set()

    def fails() -> None:
        raise torch.OutOfMemoryError("out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        Team().run([fails, late])
    assert done.is_set()
    assert torch.get_num_threads() == 2


def test_positions_whose_tables_change_are_left_to_one_thread() -> None:
    assert may_share(SimpleNamespace())
    assert may_share(SimpleNamespace(rope_parameters={"rope_type": "llama3"}))
    assert not may_share(SimpleNamespace(rope_parameters={"rope_type": "dynamic"}))
    assert not may_share(SimpleNamespace(rope_parameters={"full_attention": {"rope_type": "longrope"}}))


def test_replies_and_scores_are_those_of_one_thread(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wild = Decoding(temperature=1.0, top_p=0.9)
    requests = [
        Request(
            kind=Kind.GENERATE, messages=(Message("user", text),), max_tokens=9 + 7 * (n % 3),
            decoding=wild if n % 2 else Decoding(), seed=n,
        )
        for n, text in enumerate([*TEXTS, *(f"{text} again" for text in TEXTS)])
    ]  # fmt: skip
    asked = [
        Request(kind=Kind.CHOICES, messages=(Message("user", text),), choices=("4", "a fox", "Paris"), max_tokens=0)
        for text in TEXTS
    ]
    monkeypatch.setattr(hf_team, "_ENOUGH", 2)
    parts: list[int] = []
    run = Team.run

    def counted(self: Team, jobs: Sequence[Any]) -> Any:
        parts.append(len(jobs))
        return run(self, jobs)

    monkeypatch.setattr(Team, "run", counted)
    found = []
    for number in (1, 2, 3):
        parts.clear()
        with open_model(reference(llama), EngineSettings(threads=number)) as engine:
            found.append((said(engine, requests), scored(engine, asked)))
            # The tail of a drafted reply stands between the others.
            drafts = {request.digest: found[0][0][request.digest] for request in requests[::4]}
            own = {a.request.digest: a.completion.token_ids for a in engine.generate_like(requests, drafts)}
            assert own == found[0][0]
        assert max(parts) == number
    # To the last bit.
    assert found[1] == found[0]
    assert found[2] == found[0]


def reference(folder: Path) -> ModelRef:
    return ModelRef(text=str(folder), engine="hf", target=str(folder))


def said(engine: HfEngine, requests: Sequence[Request]) -> dict[str, Any]:
    return {a.request.digest: a.completion.token_ids for a in engine.generate(requests)}


def scored(engine: HfEngine, requests: Sequence[Request]) -> dict[str, list[float]]:
    return {a.request.digest: [c.logprob for c in a.completion.choices] for a in engine.score(requests, "continuation")}


def headed(module: Any) -> Any:
    return SimpleNamespace(get_output_embeddings=lambda: module)


def test_an_ordered_head_gives_the_same_for_any_number_of_rows() -> None:
    torch.manual_seed(0)
    module = torch.nn.Linear(96, 1000, bias=False)
    rows = torch.randn(64, 96)
    head = Head(headed(module))
    with torch.inference_mode(), head.in_place():
        if "forward" not in vars(module):
            pytest.skip("this torch has no ordered weights")
        whole = module(rows)
        for number in (4, 8, 20, 52):
            assert torch.equal(module(rows[:number]), whole[:number])
    with torch.inference_mode():
        assert "forward" not in vars(module)
        assert torch.allclose(module(rows), whole, atol=1e-5)


class _Adapted(torch.nn.Linear):
    """Stands for a layer that computes more than a product."""


@pytest.mark.parametrize(
    "module",
    [_Adapted(16, 32, bias=False), torch.nn.Linear(16, 32), torch.nn.Linear(16, 32, bias=False).double(), None],
    ids=["adapter", "bias", "dtype", "no head"],
)
def test_another_head_is_left_as_it_is(module: Any) -> None:
    with Head(headed(module)).in_place():
        assert module is None or "forward" not in vars(module)


def test_a_head_that_is_too_large_or_computed_wrongly_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    module = torch.nn.Linear(16, 32, bias=False)
    plain = torch.nn.Linear(16, 32, bias=False)
    with Head(headed(plain)).in_place():
        if "forward" not in vars(plain):
            pytest.skip("this torch has no ordered weights")
    with monkeypatch.context() as patch:
        patch.setattr(hf_head, "_LARGEST", 100)
        with Head(headed(module)).in_place():
            assert "forward" not in vars(module)
    with monkeypatch.context() as patch:
        patch.setattr(hf_head, "_product", lambda rows, _: torch.zeros(len(rows), 32))
        with Head(headed(module)).in_place():
            assert "forward" not in vars(module)
