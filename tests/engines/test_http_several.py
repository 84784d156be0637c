"""One model behind several addresses."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from http_stub import Fault, Stub
from hydrometer.engines.base import EngineSettings
from hydrometer.engines.http import HttpEngine, open_model
from hydrometer.engines.http_client import Client
from hydrometer.engines.http_reading import Call, Response, read
from hydrometer.errors import EngineUnavailableError, ModelError
from hydrometer.items import Kind, Message, Request
from hydrometer.refs import parse_ref


def ask(text: str) -> Request:
    return Request(kind=Kind.GENERATE, messages=(Message("user", text),), max_tokens=8)


QUESTIONS = [ask(f"q{i}") for i in range(40)]


@pytest.fixture
def pair() -> Iterator[tuple[Stub, Stub]]:
    with Stub() as one, Stub() as other:
        yield one, other


def opened(*stubs: Stub, **settings: Any) -> HttpEngine:
    ref = parse_ref(",".join(stub.url for stub in stubs) + "#stub")
    return open_model(ref, EngineSettings(timeout=5.0, **{"concurrency": 2, **settings}), back_off=0.005)


def test_calls_are_shared_out_and_each_is_answered_once(pair: tuple[Stub, Stub]) -> None:
    engine = opened(*pair)
    engine.identity()
    for stub in pair:
        stub.answered.clear()
        stub.pause = 0.005
    said = [answer.completion.text for answer in engine.generate(QUESTIONS)]
    assert sorted(said) == sorted(request.messages[0].content for request in QUESTIONS)
    assert sorted(pair[0].answered + pair[1].answered) == sorted(said)
    assert min(len(stub.answered) for stub in pair) >= 5


def test_a_slow_address_gets_less(pair: tuple[Stub, Stub]) -> None:
    engine = opened(*pair)
    for stub in pair:
        stub.answered.clear()
    pair[1].pause = 0.1
    assert len(list(engine.generate(QUESTIONS))) == 40
    assert len(pair[0].answered) > 3 * len(pair[1].answered)


@pytest.mark.parametrize("how", ["drops every line", "closes its port"])
def test_the_others_take_over_what_a_dead_address_left(
    pair: tuple[Stub, Stub], how: str, caplog: pytest.LogCaptureFixture
) -> None:
    engine = opened(*pair)
    if how == "closes its port":
        pair[1].stop()
    else:
        pair[1].answers_left, pair[1].always = 0, Fault(cut=True)
    with caplog.at_level(logging.WARNING):
        said = sorted(answer.completion.text for answer in engine.generate(QUESTIONS))
    assert said == sorted(request.messages[0].content for request in QUESTIONS)
    assert [r.message.partition(" (")[0] for r in caplog.records] == [f"{pair[1].url} stopped answering"]
    pair[0].stop()
    with pytest.raises(EngineUnavailableError, match="all servers of this model stopped answering"):
        list(engine.generate([ask("more")]))


def test_another_model_at_one_address_is_refused(pair: tuple[Stub, Stub]) -> None:
    pair[1].replies["What is 17 + 26?"] = {"content": "44"}
    with pytest.raises(ModelError, match="answer a greedy request differently"):
        opened(*pair).identity()
    pair[1].models = [{"id": "stub", "max_model_len": 1024}]
    with pytest.raises(ModelError, match="differ in window"):
        opened(*pair)


def test_a_password_and_a_key_do_not_collide(pair: tuple[Stub, Stub]) -> None:
    url = pair[0].url.replace("http://", "http://me:secret@")
    client = Client(url=url, key="k", timeout=5.0)
    assert client.call(Call(path="/models")).body["data"]


@pytest.mark.parametrize("url", ["http://host/v1,ftp://host/v1", "http://host/v1,", "http://host/v1,,http://b/v1"])
def test_a_malformed_list_is_said(url: str) -> None:
    with pytest.raises(ModelError, match="is no URL of a server"):
        open_model(parse_ref(url), EngineSettings())


def test_a_deeply_nested_reply_stops_the_run_with_a_line() -> None:
    deep = Response(status=200, reason="", headers={}, content=b"[" * 200_000)
    with pytest.raises(Exception, match="not JSON"):
        read(deep, Call(path="/x"), 0.0)
