"""Packed rows of the hf engine: exact, independent of what is computed beside them, and refused where they cannot be."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
pytest.importorskip("transformers")
pytestmark = pytest.mark.torch

import torch  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

from hydrometer.engines import hf_packed  # noqa: E402
from hydrometer.engines.base import DraftEngine, EngineSettings  # noqa: E402
from hydrometer.engines.hf import HfEngine, open_model  # noqa: E402
from hydrometer.engines.hf_packed import Packed, Piece, Slots, packed  # noqa: E402
from hydrometer.errors import EngineError, OutOfMemoryError  # noqa: E402
from hydrometer.items import Decoding, Kind, Message, Request  # noqa: E402
from hydrometer.outcomes import Completion, Finish  # noqa: E402
from hydrometer.spec import ModelRef  # noqa: E402
from tiny_models import build_tiny  # noqa: E402

TEXTS = (
    "What is 2 + 2?",
    "hi",
    "the quick brown fox jumps over the lazy dog",
    "Paris is the capital of France. What is the capital of France? " * 3,
    "numbers",
    "the lazy dog",
    "user assistant system",
)
CHOICES = (("Paris", "the capital of France", "4", " a quick brown fox thinks"), ("4", "5"), ("a", "b", "c"))


def open_tiny(folder: Path, **settings: Any) -> HfEngine:
    ref = ModelRef(text=str(folder), engine="hf", target=str(folder))
    return open_model(ref, EngineSettings(threads=1, **settings))


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny("llama", tmp_path_factory.mktemp("llama") / "model", 1)


@pytest.fixture(scope="module")
def engine(llama: Path) -> Iterator[HfEngine]:
    with open_tiny(llama) as opened:
        yield opened


def model_of(engine: HfEngine) -> Packed:
    list(engine.generate([ask("hi", 1)]))
    assert engine._packed is not None
    return engine._packed


def ask(text: str, tokens: int = 12, **more: Any) -> Request:
    return Request(kind=Kind.GENERATE, messages=(Message("user", text),), max_tokens=tokens, **more)


def ask_choices(number: int) -> Request:
    choices = CHOICES[number % len(CHOICES)]
    return Request(kind=Kind.CHOICES, messages=(Message("user", TEXTS[number]),), choices=choices, max_tokens=0)


def replies(engine: HfEngine, requests: Sequence[Request]) -> list[Completion]:
    answers = list(engine.generate(requests))
    assert len(answers) == len(requests)
    found = {a.request.digest: a.completion for a in answers}
    return [found[r.digest] for r in requests]


def scores(engine: HfEngine, requests: Sequence[Request]) -> dict[str, list[float]]:
    return {a.request.digest: [c.logprob for c in a.completion.choices] for a in engine.score(requests, "continuation")}


@pytest.mark.parametrize(("kind", "possible"), [("llama", True), ("gemma4", True), ("qwen3_5", False)])
def test_which_models_can_be_packed_is_found_out(kind: Any, possible: bool, tmp_path: Path) -> None:
    # Recurrent layers carry one request into the next.
    with open_tiny(build_tiny(kind, tmp_path / "model", 1)) as engine:
        list(engine.generate([ask("hi", 1)]))
        assert (engine._packed is not None) is possible


def test_scores_do_not_depend_on_what_is_computed_beside_them(
    engine: HfEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [ask_choices(n) for n in range(len(TEXTS))]
    together = scores(engine, requests)
    assert scores(engine, requests[::-1]) == together
    monkeypatch.setattr("hydrometer.engines.hf._ROW", 60)
    assert scores(engine, requests) == together
    alone = {digest: own for request in requests for digest, own in scores(engine, [request]).items()}
    # To the last bit, not to some tolerance.
    assert alone == together


@pytest.mark.parametrize(
    "decoding",
    [Decoding(), Decoding(temperature=1.0, top_p=0.95, top_k=20, presence_penalty=1.5, repetition_penalty=1.1)],
    ids=["greedy", "sampled"],
)
def test_a_reply_that_ends_makes_room_and_changes_nothing(
    llama: Path, engine: HfEngine, monkeypatch: pytest.MonkeyPatch, decoding: Decoding
) -> None:
    caps = (12, 5, 3, 9, 1, 12, 7)
    requests = [
        ask(text, cap, decoding=decoding, seed=i)
        for i, (text, cap) in enumerate(zip(TEXTS, caps, strict=True))
    ]
    ended = [replies(engine, [request])[0] for request in requests]
    alone = [completion.token_ids for completion in ended]
    seen: list[tuple[int, int]] = []
    step = Packed.step

    def counted(self: Packed, slots: Slots, pieces: Sequence[Piece]) -> Any:
        seen.append((len(slots.lengths), len(pieces) - len(slots.lengths)))
        return step(self, slots, pieces)

    monkeypatch.setattr(Packed, "step", counted)
    with open_tiny(llama, slots=3) as few:
        model_of(few)
        seen.clear()
        assert [c.token_ids for c in replies(few, requests)] == alone
    assert max(going + new for going, new in seen) == 3
    assert any(going and new for going, new in seen)
    # The rows are full until nothing waits: no step is spent on a reply that has ended.
    written = sum(len(c.token_ids or ()) + (c.finish is Finish.STOP) for c in ended)
    assert sum(going + new for going, new in seen) == written


def test_greedy_and_penalised_replies_share_a_batch(llama: Path, engine: HfEngine) -> None:
    wild = Decoding(temperature=1.0, repetition_penalty=1.3)
    requests = [ask(t, 4 + 3 * (i % 2), decoding=wild if i > 2 else Decoding(), seed=i) for i, t in enumerate(TEXTS)]
    alone = [replies(engine, [request])[0].token_ids for request in requests]
    with open_tiny(llama, slots=2) as few:
        assert [c.token_ids for c in replies(few, requests)] == alone


def test_out_of_memory_halves_the_rows_and_loses_nothing(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = [ask(t, tokens) for t, tokens in zip(TEXTS, (1, 12, 12, 9, 12, 12, 12), strict=True)]
    with open_tiny(llama) as engine:
        before = [c.token_ids for c in replies(engine, requests)]
        step, rows = Packed.step, []

        def hungry(self: Packed, slots: Slots, pieces: Sequence[Piece]) -> Any:
            rows.append(len(pieces))
            if len(slots.lengths) > 2:
                raise torch.OutOfMemoryError("out of memory")
            return step(self, slots, pieces)

        monkeypatch.setattr(Packed, "step", hungry)
        assert [c.token_ids for c in replies(engine, requests)] == before
        assert max(rows) > 2
        monkeypatch.setattr(Packed, "step", lambda *_: (_ for _ in ()).throw(MemoryError()))
        with pytest.raises(OutOfMemoryError, match=r"single request of .* prompt tokens"):
            list(engine.generate(requests))
        monkeypatch.setattr(Packed, "step", lambda *_: (_ for _ in ()).throw(RuntimeError("mat1 and mat2")))
        with pytest.raises(EngineError, match="torch failed while computing: mat1"):
            list(engine.generate(requests))


def test_a_text_beyond_the_window_is_not_packed(tmp_path: Path) -> None:
    folder = build_tiny("gemma4", tmp_path / "model", 1)
    with open_tiny(folder) as engine:
        model = model_of(engine)
        assert model.window
        requests = [ask(t, 6) for t in TEXTS] + [ask_choices(3)]
        ready, _ = engine._prepare(requests[:-1], engine._prompter.prompt)
        fits, longer = engine._packable(ready)
        assert all(len(p.ids) + 6 <= model.window for p in fits)
        assert all(len(p.ids) + 6 > model.window for p in longer)
        assert longer
        found = [c.token_ids for c in replies(engine, requests[:-1])], scores(engine, requests[-1:])
        engine._packed = None
        assert found[0] == [c.token_ids for c in replies(engine, requests[:-1])]
        (ours,), (apart,) = found[1].values(), scores(engine, requests[-1:]).values()
        assert ours == pytest.approx(apart, abs=1e-3)


def test_a_leak_between_requests_is_found_out(engine: HfEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    _, network = engine._opened()
    model, ids = model_of(engine), engine._prompter.encode(TEXTS[3])
    assert packed(network, model, ids) is not None

    def blind(piece: Piece, past: int, dtype: Any) -> Any:
        rest = sum(map(len, piece.tails))
        size = len(piece.ids)
        return torch.zeros(size, past + size, dtype=dtype) if past else torch.zeros(rest, size + rest, dtype=dtype)

    with monkeypatch.context() as patch:
        # Each tail sees all the others.
        patch.setattr(hf_packed, "_mask", blind)
        assert packed(network, model, ids) is None
    with monkeypatch.context() as patch:
        # Replies see what is left in a row of the one before.
        patch.setattr(hf_packed, "_going_mask", lambda lengths, dtype: torch.zeros(4, 1, 1, 64))
        assert packed(network, model, ids) is None
    assert engine._loaded is not None
    assert engine._loaded.model.config._attn_implementation == "sdpa"


def test_rows_that_are_dropped_leave_no_gap() -> None:
    slots = Slots(6, 8)
    keys, _ = slots.layer(0, torch.zeros(1, 1, 6, 2), torch.zeros(1, 1, 6, 2))
    slots.lengths = [1, 2, 3, 4, 5]
    for row, length in enumerate(slots.lengths):
        keys[row, :, :length] = row + 1
    assert slots.keep([1, 3, 4]) == [4, 1, 3]
    assert slots.lengths == [5, 2, 4]
    assert [keys[row, 0, : slots.lengths[row], 0].unique().tolist() for row in range(3)] == [[5.0], [2.0], [4.0]]
    assert slots.keep([]) == []


def drafted(
    engine: HfEngine, requests: Sequence[Request], drafts: dict[str, tuple[int, ...]]
) -> list[tuple[int, ...] | None]:
    answers = list(engine.generate_like(requests, drafts))
    assert len(answers) == len(requests)
    found = {a.request.digest: a.completion.token_ids for a in answers}
    return [found[r.digest] for r in requests]


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Number of pieces of every step."""
    sizes: list[int] = []
    step = Packed.step

    def counted(self: Packed, slots: Slots, pieces: Sequence[Piece]) -> Any:
        sizes.append(len(pieces))
        return step(self, slots, pieces)

    monkeypatch.setattr(Packed, "step", counted)
    return sizes


def test_no_draft_changes_a_reply(llama: Path, engine: HfEngine, computed: list[int]) -> None:
    assert isinstance(engine, DraftEngine)
    requests = [ask(text, 40 - n) for n, text in enumerate(TEXTS)]
    plain = [c.token_ids or () for c in replies(engine, requests)]
    steps = sum(computed)
    cases: dict[str, list[tuple[int, ...]]] = {
        "the same": plain,
        "another from the start": [(ids[0] + 1, *ids[1:]) for ids in plain],
        "another from the middle": [(*ids[: n + 2], 5, 5, 5, 5) for n, ids in enumerate(plain)],
        "another behind the first chunk": [(*ids[:17], 5, *ids[18:]) for ids in plain],
        "shorter": [ids[: n + 1] for n, ids in enumerate(plain)],
        "longer": [(*ids, *[7] * 60) for ids in plain],
        "of one token": [(ids[0],) for ids in plain],
    }
    for slots in (0, 2):
        with open_tiny(llama, slots=slots) as other:
            model_of(other)
            for name, drafts in cases.items():
                computed.clear()
                own = {r.digest: ids for r, ids in zip(requests, drafts, strict=True)}
                assert drafted(other, requests, own) == plain, name
                # Some reply of a random model has two tokens that are close.
                assert name not in ("the same", "longer") or sum(computed) < steps / 2


def test_a_draft_is_not_believed_where_two_tokens_are_close(
    engine: HfEngine, computed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    request = ask(TEXTS[0], 30)
    plain = replies(engine, [request])[0].token_ids or ()
    draft = {request.digest: plain}
    computed.clear()
    assert drafted(engine, [request], draft) == [plain]
    checked = len(computed)
    assert checked < 6
    # Every distance of two tokens counts as close: the reply is made without the draft, token by token.
    monkeypatch.setattr("hydrometer.engines.hf_stream.GUARD", 1e9)
    computed.clear()
    assert drafted(engine, [request], draft) == [plain]
    assert len(computed) >= len(plain) > checked


def test_a_planted_near_tie_is_generated_and_not_replayed(llama: Path, tmp_path: Path) -> None:
    """The head has two rows that differ by less than rounding: what a chunk makes of them says nothing."""
    folder = Path(shutil.copytree(llama, tmp_path / "tie"))
    with open_tiny(llama) as opened:
        plain = replies(opened, [ask(TEXTS[0], 30)])[0].token_ids or ()
    tensors = load_file(folder / "model.safetensors")
    head = "lm_head.weight" if "lm_head.weight" in tensors else "model.embed_tokens.weight"
    first, twin = plain[6], next(token for token in range(300, 360) if token not in plain)
    tensors[head] = tensors[head].clone()
    tensors[head][twin] = tensors[head][first] * (1 + 1e-6)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with open_tiny(folder) as opened:
        request = ask(TEXTS[0], 30)
        wanted = replies(opened, [request])[0].token_ids
        for draft in (plain, wanted, tuple(twin if t == first else t for t in plain)):
            assert drafted(opened, [request], {request.digest: draft or ()}) == [wanted]


def test_a_sampled_reply_has_no_draft(engine: HfEngine, computed: list[int]) -> None:
    request = ask(TEXTS[0], 20, decoding=Decoding(temperature=1.0), seed=3)
    plain = replies(engine, [request])[0].token_ids or ()
    computed.clear()
    assert drafted(engine, [request], {request.digest: plain}) == [plain]
    assert len(computed) >= len(plain)
