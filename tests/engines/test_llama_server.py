from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from hydrometer.engines.llama_server import LlamaServer
from hydrometer.errors import EngineUnavailableError
from hydrometer.items import Decoding, Kind, Message, Request
from hydrometer.outcomes import Finish

ASK = Request(kind=Kind.GENERATE, messages=(Message("user", "x"),), max_tokens=8)
END = 3
LOGPROBS = {ord(c): -0.5 * (1 + i) for i, c in enumerate("abcABC.")}
HALF = ord("~")
"""Stands for a token that ends inside a character: the real server refuses it in grammars and hides it."""


def sse(*events: dict[str, Any]) -> httpx.Response:
    return httpx.Response(200, text="".join(f"data: {json.dumps(event)}\n\n" for event in events))


class Stub:
    """A llama-server whose tokens are characters; `ab` behind a `?` is one token, as real tokenisers join."""

    def __init__(self, stream: Callable[[dict[str, Any]], httpx.Response] | None = None) -> None:
        self.stream = stream
        self.bodies: list[dict[str, Any]] = []

    def __call__(self, http: httpx.Request) -> httpx.Response:
        body = json.loads(http.content or b"{}")
        if http.url.path == "/tokenize":
            assert body["add_special"] is False
            assert body["parse_special"] is True
            text = body["content"].replace("?a", "\u0101")
            return httpx.Response(200, json={"tokens": [ord(c) for c in text]})
        self.bodies.append(body)
        if body["stream"] and self.stream:
            return self.stream(body)
        return self.one(body) if "logit_bias" in body else self.forced(body)

    def forced(self, body: dict[str, Any]) -> httpx.Response:
        ids = [int(part.strip("<[]>")) for part in body["grammar"].removeprefix("root ::= ").split()]
        if HALF in ids:
            return httpx.Response(500, json={"error": {"message": "Unexpected empty grammar stack"}})
        steps = [{"id": i, "logprob": LOGPROBS.get(i, -9.0)} for i in ids]
        return httpx.Response(200, json={"completion_probabilities": steps, "timings": {"predicted_ms": 10}})

    def one(self, body: dict[str, Any]) -> httpx.Response:
        token = body["logit_bias"][0][0]
        if token == HALF:
            return httpx.Response(200, json={"completion_probabilities": []})
        listed = dict(list(LOGPROBS.items())[: 3 if body["n_probs"] <= 512 else None]) | {HALF: -7.0}
        top = [{"id": i, "logprob": p} for i, p in listed.items()]
        step = {"id": token, "logprob": LOGPROBS[token], "top_logprobs": top}
        return httpx.Response(200, json={"completion_probabilities": [step]})


def server(stub: Callable[[httpx.Request], httpx.Response]) -> LlamaServer:
    return LlamaServer("http://stub/", httpx.Client(transport=httpx.MockTransport(stub)))


def last(stop: str, tokens: int, **more: Any) -> dict[str, Any]:
    timings = {"prompt_ms": 500.0, "predicted_ms": 1500.0}
    return {"content": "", "tokens": [], "stop": True, "stop_type": stop, "tokens_predicted": tokens,
            "timings": timings, "model": "m", **more}  # fmt: skip


def piece(text: str, *tokens: int) -> dict[str, Any]:
    return {"content": text, "tokens": list(tokens), "stop": False}


@pytest.mark.parametrize(("stop", "finish"), [("eos", Finish.STOP), ("word", Finish.STOP), ("limit", Finish.LENGTH)])
def test_finish_is_read_from_the_stop_type(stop: str, finish: Finish) -> None:
    count = 3 if stop == "eos" else 2
    ended = [piece("", END)] if stop == "eos" else []
    stub = Stub(lambda _: sse(piece("h", 10), piece("i", 11), *ended, last(stop, count)))
    got = server(stub).complete("prompt", ASK)
    assert (got.text, got.finish, got.token_ids) == ("hi", finish, (10, 11))
    assert (got.prompt_tokens, got.completion_tokens, got.seconds, got.served_model) == (6, 2, 2.0, "m")


def test_end_of_turn_that_the_stream_does_not_list_is_not_counted_either() -> None:
    got = server(Stub(lambda _: sse(piece("h", 10), piece("i", 11), last("eos", 3)))).complete("p", ASK)
    assert (got.completion_tokens, got.token_ids) == (2, (10, 11))


def test_ids_are_all_or_none() -> None:
    got = server(Stub(lambda _: sse(piece("h", 10), piece("\N{SQUID}", 13), last("limit", 4)))).complete("p", ASK)
    assert (got.completion_tokens, got.token_ids, got.text) == (4, None, "h\N{SQUID}")


def test_prompt_goes_out_as_ids_with_neutral_sampling() -> None:
    stub = Stub(lambda _: sse(last("eos", 1)))
    server(stub).complete("p?", ASK)
    sampled = Decoding(temperature=0.7, top_p=0.8, top_k=20, presence_penalty=1.5)
    server(stub).complete("p", Request(kind=Kind.GENERATE, messages=(), decoding=sampled, seed=2**32 - 1))
    greedy, warm = stub.bodies
    assert greedy["prompt"] == [ord("p"), ord("?")]
    assert (greedy["n_predict"], greedy["temperature"], greedy["seed"]) == (8, 0.0, 0)
    assert (warm["temperature"], warm["top_p"], warm["top_k"], warm["presence_penalty"]) == (0.7, 0.8, 20, 1.5)
    assert (warm["min_p"], warm["repeat_penalty"], warm["seed"]) == (0.0, 1.0, 0)
    assert "<think>" in greedy["preserved_tokens"]


def test_opened_thinking_is_marked() -> None:
    stub = Stub(lambda _: sse(last("eos", 1)))
    assert server(stub).complete("go\n<think>\n", ASK).opens_thinking
    assert not server(stub).complete("go\n", ASK).opens_thinking


def test_too_long_a_prompt_is_an_error_of_this_request_alone() -> None:
    says = "request (3200 tokens) exceeds the available context size"
    refusal = httpx.Response(400, json={"error": {"code": 400, "message": says}})
    got = server(Stub(lambda _: refusal)).complete("p", ASK)
    assert (got.finish, got.error, got.text) == (Finish.ERROR, says, "")


def test_an_error_inside_the_stream_is_an_error_of_this_request() -> None:
    broken = httpx.Response(200, text='data: {"content":"a","tokens":[1]}\n\nerror: {"message":"no memory","code":500}\n\n')
    assert server(Stub(lambda _: broken)).complete("p", ASK).finish is Finish.ERROR


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(401, json={"error": {"message": "Invalid API Key"}}),
        httpx.Response(404, text="nothing here"),
        httpx.Response(503, json={"error": {"message": "Loading model"}}),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, text="data: {not json}\n\n"),
        httpx.Response(200, text=""),
    ],
)
def test_a_server_that_is_down_or_something_else_stops_the_run(answer: httpx.Response) -> None:
    with pytest.raises(EngineUnavailableError):
        server(Stub(lambda _: answer)).complete("p", ASK)


def test_no_connection_and_no_time() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    def stall(_: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("slow")

    with pytest.raises(EngineUnavailableError, match="still running"):
        server(refuse).tokenize("x")
    with pytest.raises(EngineUnavailableError, match="too long"):
        server(stall).props()
    assert not server(refuse).health()
    assert server(refuse).busy() == 0


def test_choices_are_summed_over_exactly_their_tokens() -> None:
    stub = Stub()
    got = server(stub).score("p", ["ab", "c"], slot=5)
    assert [(s.logprob, s.tokens) for s in got.choices] == [(-0.5 - 1.0, 2), (-1.5, 1)]
    assert (got.method, got.finish, got.prompt_tokens, got.seconds) == ("continuation", Finish.STOP, 1, 0.02)
    assert [(b["n_predict"], b["id_slot"], b["prompt"]) for b in stub.bodies] == [(2, 5, [112]), (1, 5, [112])]


def test_a_choice_that_melts_into_the_prompt_is_tokenised_alone() -> None:
    # Together `?a` is one token, so the prompt's ids are no prefix any more.
    got = server(Stub()).score("p?", ["ab"])
    assert [(s.logprob, s.tokens) for s in got.choices] == [(-1.5, 2)]


def test_half_characters_are_read_from_the_whole_distribution() -> None:
    got = server(Stub()).score("p", ["a~b"])
    assert got.choices[0].tokens == 3
    assert math.isclose(got.choices[0].logprob, -0.5 - 7.0 - 1.0)


def test_other_tokens_than_asked_for_are_not_scored() -> None:
    class Astray(Stub):
        def forced(self, body: dict[str, Any]) -> httpx.Response:
            return httpx.Response(200, json={"completion_probabilities": [{"id": 1, "logprob": -0.1}]})

        def one(self, body: dict[str, Any]) -> httpx.Response:
            return httpx.Response(200, json={"completion_probabilities": [{"id": 1, "logprob": -0.1, "top_logprobs": []}]})

    got = server(Astray()).score("p", ["a"])
    assert (got.finish, got.choices, got.method) == (Finish.ERROR, (), "continuation")


def test_an_infinite_logprob_or_an_empty_choice_is_an_error() -> None:
    class Infinite(Stub):
        def forced(self, body: dict[str, Any]) -> httpx.Response:
            return httpx.Response(200, text='{"completion_probabilities": [{"id": 97, "logprob": -Infinity}]}')

    assert server(Infinite()).score("p", ["a"]).finish is Finish.ERROR
    assert "no tokens" in server(Stub()).score("p", [""]).error


def test_letters_outside_the_list_are_asked_for_exactly() -> None:
    stub = Stub()
    got = server(stub).letters("p", 3)
    assert [s.logprob for s in got.choices] == [LOGPROBS[ord(c)] for c in "ABC"]
    assert len(stub.bodies) == 1 + 3  # the listed ones are a, b and c
    assert server(stub).letters("p", 11).finish is Finish.ERROR


def test_after_cancel_nothing_is_sent_until_resume() -> None:
    client = server(Stub(lambda _: sse(last("eos", 1))))
    client.cancel()
    with pytest.raises(EngineUnavailableError, match="cancelled"):
        client.complete("p", ASK)
    client.resume()
    assert client.complete("p", ASK).finish is Finish.STOP
