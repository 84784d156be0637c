"""What one model of a pair said is shown to the other's engine as a draft, where the engine takes drafts."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from doubles import REF, Scripted, World
from hydrometer.asking import Respondent
from hydrometer.engines.base import Answer, DraftEngine, EngineSettings
from hydrometer.items import Decoding, Kind, Message, Request
from hydrometer.outcomes import Completion
from hydrometer.progress import Silent
from hydrometer.spec import ModelRef
from hydrometer.store import Store


class Drafted(Scripted):
    """A scripted engine that remembers its drafts."""

    seen: dict[str, tuple[int, ...]]

    def generate_like(self, requests: Sequence[Request], drafts: Mapping[str, tuple[int, ...]]) -> Iterator[Answer]:
        self.seen.update(drafts)
        return self.generate(requests)


class Pair(World):
    """A pair whose student takes drafts."""

    def __init__(self, **student_identity: object) -> None:
        super().__init__(said, said, **student_identity)
        self.seen: dict[str, tuple[int, ...]] = {}

    def open(self, ref: ModelRef, settings: EngineSettings) -> Scripted:
        plain = super().open(ref, settings)
        if ref.target == "base":
            return plain
        engine = Drafted(plain._label, plain._script, plain._asked, **plain._identity)
        engine.seen = self.seen
        return engine


def said(request: Request) -> Completion:
    return Completion(text="x", token_ids=(1, 2, request.seed), completion_tokens=3)


def ask(seed: int, temperature: float = 0.0) -> Request:
    decoding = Decoding(temperature=temperature)
    return Request(kind=Kind.GENERATE, messages=(Message("user", "q"),), decoding=decoding, seed=seed)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "evidence.sqlite") as opened:
        yield opened


def asked_after_the_base(pair: Pair, store: Store, requests: Sequence[Request]) -> dict[str, tuple[int, ...]]:
    base, student = (
        Respondent(side, REF[side], EngineSettings(), opener=pair.open, store=store, progress=Silent())  # type: ignore[arg-type]
        for side in ("base", "student")
    )
    assert [isinstance(one.open(), DraftEngine) for one in (base, student)] == [False, True]
    base.ask(requests, like=student)
    student.ask(requests, like=base)
    assert [student.answer(request) for request in requests] == [said(request) for request in requests]
    return pair.seen


def test_greedy_replies_are_drafts_and_drawn_ones_are_not(store: Store) -> None:
    greedy, drawn = ask(1), ask(2, temperature=0.7)
    assert asked_after_the_base(Pair(), store, [greedy, drawn]) == {greedy.digest: (1, 2, 1)}


def test_tokens_of_another_tokenizer_are_no_draft(store: Store) -> None:
    assert asked_after_the_base(Pair(tokenizer="another"), store, [ask(1)]) == {}


def test_what_is_kept_needs_no_draft(store: Store) -> None:
    assert asked_after_the_base(Pair(), store, [ask(1)])
    assert asked_after_the_base(Pair(), store, [ask(1)]) == {}

