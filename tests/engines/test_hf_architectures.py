"""The hf engine on tiny models of the real classes, held against plain transformers."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
pytest.importorskip("transformers")
pytestmark = pytest.mark.torch

import torch  # noqa: E402
import transformers  # noqa: E402

from hydrometer.engines.base import EngineSettings  # noqa: E402
from hydrometer.engines.hf import HfEngine, open_model  # noqa: E402
from hydrometer.engines.hf_network import Safety  # noqa: E402
from hydrometer.items import Decoding, Kind, Message, Request, Thinking  # noqa: E402
from hydrometer.outcomes import Completion  # noqa: E402
from hydrometer.spec import ModelRef  # noqa: E402
from tiny_models import build_tiny  # noqa: E402

KINDS = ("llama", "qwen3_5", "qwen3_5_moe", "gemma4")
SAVED_AS = {
    "llama": "LlamaForCausalLM",
    "qwen3_5": "Qwen3_5ForConditionalGeneration",
    "qwen3_5_moe": "Qwen3_5MoeForConditionalGeneration",
    "gemma4": "Gemma4ForConditionalGeneration",
}
TEXTS = (
    "What is 2 + 2?",
    "hi",
    "the quick brown fox jumps over the lazy dog and then it thinks about numbers 12 345",
    "Paris is the capital of France. What is the capital of France? " * 3,
)
CHOICES = ("Paris", "the capital of France", "4", " a quick brown fox thinks")


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(kind: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny(kind, tmp_path_factory.mktemp(kind) / "model", 1)


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[HfEngine]:
    with open_model(
        ModelRef(text=str(folder), engine="hf", target=str(folder)), EngineSettings(threads=1)
    ) as e:
        yield e


@pytest.fixture(scope="module")
def reference(kind: str, folder: Path) -> Any:
    """The class that the checkpoint was saved from, vision tower and all."""
    return getattr(transformers, SAVED_AS[kind]).from_pretrained(folder, dtype=torch.float32).eval()


def replies(engine: HfEngine, requests: Sequence[Request]) -> list[Completion]:
    found = {a.request.digest: a.completion for a in engine.generate(requests)}
    return [found[r.digest] for r in requests]


def ask(text: str, tokens: int = 12, **more: Any) -> Request:
    return Request(kind=Kind.GENERATE, messages=(Message("user", text),), max_tokens=tokens, **more)


def ask_choices(text: str) -> Request:
    return Request(kind=Kind.CHOICES, messages=(Message("user", text),), choices=CHOICES, max_tokens=0)


def naive_logprob(reference: Any, prompt: Sequence[int], choice: Sequence[int]) -> float:
    with torch.no_grad():
        logits = reference(input_ids=torch.tensor([[*prompt, *choice]]), use_cache=False).logits[0]
    values = logits[len(prompt) - 1 : -1].log_softmax(-1)
    return float(values.gather(-1, torch.tensor(choice)[:, None]).sum())


def test_greedy_replies_are_the_argmax_of_whole_sequences(engine: HfEngine, reference: Any) -> None:
    request = ask(TEXTS[0])
    got = replies(engine, [request])[0]
    ids = list(engine._prompter.prompt(request).ids)
    for token in got.token_ids or ():
        with torch.no_grad():
            logits = reference(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]
        assert logits.argmax().item() == token
        ids.append(token)
    assert got.completion_tokens == len(got.token_ids or ()) > 0


@pytest.mark.parametrize(
    "decoding",
    [
        Decoding(),
        Decoding(temperature=1.0, top_p=0.95, top_k=20, presence_penalty=1.5, repetition_penalty=1.1),
    ],
    ids=["greedy", "sampled"],
)
def test_a_reply_does_not_depend_on_its_batch(engine: HfEngine, decoding: Decoding) -> None:
    # Rows of different length that end at different steps.
    caps = (12, 5, 3, 9)
    requests = [
        ask(text, cap, decoding=decoding, seed=i)
        for i, (text, cap) in enumerate(zip(TEXTS, caps, strict=True))
    ]
    together = replies(engine, requests)
    alone = [replies(engine, [request])[0] for request in requests]
    assert [c.token_ids for c in together] == [c.token_ids for c in alone]
    assert len({c.token_ids for c in together}) > 1


def test_choice_scores_equal_the_naive_way(engine: HfEngine, reference: Any) -> None:
    requests = [ask_choices(text) for text in TEXTS]
    for request, completion in engine.score(requests, "continuation"):
        prompt = engine._prompter.choices(request)
        for score, ids in zip(completion.choices, prompt.choices, strict=True):
            naive = naive_logprob(reference, prompt.ids, ids)
            assert score.tokens == len(ids)
            assert score.logprob == pytest.approx(naive, abs=1e-4 * len(ids))


@pytest.mark.parametrize("safety", [Safety(padding=False, prefix=False), Safety(padding=False, prefix=True)])
def test_the_ways_round_unsafe_batching_give_the_same(engine: HfEngine, safety: Safety) -> None:
    requests = [ask_choices(text) for text in TEXTS]
    fast = {a.request.digest: a.completion for a in engine.score(requests, "continuation")}
    engine._safety = safety
    try:
        slow = {a.request.digest: a.completion for a in engine.score(requests, "continuation")}
        texts = [c.token_ids for c in replies(engine, [ask(t) for t in TEXTS])]
    finally:
        engine._safety = None
    for digest, completion in slow.items():
        for left, right in zip(completion.choices, fast[digest].choices, strict=True):
            assert left.logprob == pytest.approx(right.logprob, abs=1e-3)
    assert texts == [c.token_ids for c in replies(engine, [ask(t) for t in TEXTS])]


def test_letters_are_next_token_scores(engine: HfEngine, reference: Any) -> None:
    request = ask_choices(TEXTS[0])
    (answer,) = engine.score([request], "letters")
    prompt = engine._prompter.letters(request)
    assert [len(ids) for ids in prompt.choices] == [1] * 4
    for score, ids in zip(answer.completion.choices, prompt.choices, strict=True):
        assert score.logprob == pytest.approx(naive_logprob(reference, prompt.ids, ids), abs=1e-4)


def test_batching_is_found_safe_and_broken_batching_is_found_out(
    engine: HfEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, network = engine._opened()
    ids = engine._prompter.encode(TEXTS[2])
    assert network.probe(ids) == Safety(padding=True, prefix=True)
    model, forward = network._model, network._model.forward

    def deaf(attention_mask: Any, **inputs: Any) -> Any:
        return forward(attention_mask=torch.ones_like(attention_mask), **inputs)

    monkeypatch.setattr(model, "forward", deaf)
    assert not network.probe(ids).padding


def test_identity_names_the_family(engine: HfEngine, kind: str) -> None:
    identity = engine.identity()
    assert identity.architecture == kind
    assert identity.precision == "float32"
    assert identity.context_length == 512
    assert identity.default_sampling == {"temperature": 1.0, "top_p": 0.95, "top_k": 20.0}
    assert identity.dialect == {"llama": "none", "gemma4": "gemma"}.get(kind, "qwen")


def test_thinking_follows_the_family_s_template(engine: HfEngine, kind: str) -> None:
    tails = {
        t: engine._tokenizer.decode(
            engine._prompter.prompt(ask("hi", thinking=t)).ids, skip_special_tokens=False
        )
        for t in Thinking
    }
    opened = replies(engine, [ask("hi")])[0].opens_thinking
    assert opened == kind.startswith("qwen")
    if kind.startswith("qwen"):
        assert tails[Thinking.ON].endswith("<|im_start|>assistant\n<think>\n")
        assert tails[Thinking.OFF].endswith("<think>\n\n</think>\n\n")
    if kind == "gemma4":
        assert "<|think|>" in tails[Thinking.ON]
        assert tails[Thinking.OFF].endswith("<|turn>model\n<|channel>thought\n<channel|>")
    choices = engine._tokenizer.decode(
        engine._prompter.choices(ask_choices("hi")).ids, skip_special_tokens=False
    )
    assert not choices.rstrip().endswith("<think>")


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_an_adapter_trained_on_the_saved_class_reaches_the_loaded_one(
    kind: str, folder: Path, tmp_path: Path
) -> None:
    peft = pytest.importorskip("peft")
    plain = getattr(transformers, SAVED_AS[kind]).from_pretrained(folder, dtype=torch.float32)
    torch.manual_seed(3)
    targets = r"(?!.*vision).*layers.*\.(q_proj|o_proj|out_proj|down_proj)"
    config = peft.LoraConfig(r=2, lora_alpha=8, target_modules=targets, init_lora_weights=False)
    student = peft.get_peft_model(plain, config).eval()
    student.save_pretrained(tmp_path)
    request = ask_choices(TEXTS[0])
    scores: dict[str, list[float]] = {}
    for dtype in ("float32", "bfloat16"):
        ref = ModelRef(text="student", engine="hf", target=str(folder), adapter=str(tmp_path))
        with open_model(ref, EngineSettings(threads=1, dtype=dtype)) as engine:
            (answer,) = engine.score([request], "continuation")
            prompt = engine._prompter.choices(request)
            assert engine.identity().adapter
        scores[dtype] = [c.logprob for c in answer.completion.choices]
    wanted = [naive_logprob(student, prompt.ids, ids) for ids in prompt.choices]
    with student.disable_adapter():
        base = [naive_logprob(student, prompt.ids, ids) for ids in prompt.choices]
    gap = max(abs(b - w) for b, w in zip(base, wanted, strict=True))
    assert gap > 2.0
    assert scores["float32"] == pytest.approx(wanted, abs=1e-3)
    assert scores["bfloat16"] == pytest.approx(wanted, abs=gap / 3)
