"""OpenAI-compatible servers, over HTTP.

Run against llama.cpp's own server; the words of vLLM, SGLang, LM Studio and Ollama are followed as they are documented,
and tested only against a stub that answers like them.

What a server cannot do is found out when it is opened, by asking, never assumed from its name: some answer
requests for log-probabilities and leave them out, and choices scored from nothing would look like chance.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from hydrometer.engines.base import (
    LETTERS,
    Answer,
    Capabilities,
    ClosingEngine,
    EngineSettings,
    letters_prompt,
    score_apart,
)
from hydrometer.engines.http_batch import JOURNAL, Batches
from hydrometer.engines.http_choices import METHODS as NATIVE_METHODS
from hydrometer.engines.http_choices import find_template, score_choices
from hydrometer.engines.http_client import BACK_OFF, Client
from hydrometer.engines.http_identity import (
    TOP,
    Server,
    base_name,
    check_alike,
    check_same,
    find_server,
    first_choice,
    identify,
    plain_name,
    probe,
    reasoning_of,
    top_logprobs,
)
from hydrometer.engines.http_reading import Call, Reply
from hydrometer.errors import EngineUnavailableError, ModelError, UnknownNameError
from hydrometer.items import Decoding, Message, Request, Thinking, raw_texts
from hydrometer.outcomes import ChoiceScore, Completion, Finish
from hydrometer.provenance import ModelIdentity
from hydrometer.spec import ModelRef
from hydrometer.templates.render import takes_tools
from hydrometer.templates.tools import described, to_chat, write_call

_FINISH = {"length": Finish.LENGTH, "max_tokens": Finish.LENGTH}
_LAST_N = 32768
_FAILED = ("error", "abort", "content_filter")
"""Reasons to end that are none of the model's own doing: the reply is not what the model would have said."""


class HttpEngine(ClosingEngine):
    """One model behind a URL.

    Args:
        server: The server and the model on it, as `find_server` returns them; its client knows all addresses.
        further: The same model on the other addresses.
        batches: The server's batch API, None to ask one by one.
    """

    def __init__(
        self, server: Server, further: Sequence[Server] = (), batches: Batches | None = None
    ) -> None:
        self._batches = batches
        self._server, self._client, self._further = server, server.client, tuple(further)
        self._identity: ModelIdentity | None = None
        self._closed = False
        self._served = ""
        self._logprobs = self._offers_logprobs()
        self._template = find_template(server)

    @property
    def server(self) -> Server:
        """The server and the model on it."""
        return self._server

    @property
    def capabilities(self) -> Capabilities:
        """What the server showed that it can do."""
        methods = NATIVE_METHODS if self._template else ("letters",) if self._logprobs else ()
        return Capabilities(choice_methods=methods, token_ids=False, local=False)

    @property
    def chat_template(self) -> str:
        """Source of the server's template, `""` where it keeps it to itself."""
        return self._server.template

    def identity(self) -> ModelIdentity:
        """Return who answers; the first call costs a few short requests.

        Raises:
            ModelError: Two addresses do not answer as one model.
        """
        if self._identity is None:
            replies = probe(self._server, self._plain_body(), logprobs=self._logprobs)
            for other in self._further:
                body = {**self._plain_body(), "model": other.model}
                check_same(self._server, replies, other, probe(other, body, logprobs=self._logprobs))
            self._identity = identify(self._server, replies)
            self._served = plain_name(self._identity.details.get("served_model", ""))
        return self._identity

    def generate(self, requests: Sequence[Request]) -> Iterator[Answer]:
        """Yield replies as the server gives them."""
        yield from self._ask(requests, [self._body(request) for request in requests], self._completion)

    def score(self, requests: Sequence[Request], method: str) -> Iterator[Answer]:
        """Yield a score per choice.

        Raises:
            UnknownNameError: The server cannot score that way.
        """
        if method not in self.capabilities.choice_methods:
            raise UnknownNameError.among("choice method", method, self.capabilities.choice_methods)
        if self._template is None:
            yield from self._ask(requests, [self._letters_body(request) for request in requests], _letters)
            return
        self._check_open()
        template = self._template

        def one_prompt(own: Sequence[Request]) -> Iterator[Answer]:
            return score_choices(self._server, template, own, method)

        for answer in score_apart(requests, one_prompt):
            self._client.kept += answer.completion.finish is not Finish.ERROR
            yield answer

    def close(self) -> None:
        """Forget the server. Its connections have ended with each stream already."""
        self._closed = True

    def _ask(
        self, requests: Sequence[Request], bodies: Sequence[dict[str, Any]], read: Any
    ) -> Iterator[Answer]:
        self._check_open()
        calls = [
            Call(path="/completions" if "prompt" in body else "/chat/completions", body=body, key=i)
            for i, body in enumerate(bodies)
        ]
        # Who answers and how choices are scored by llama.cpp is asked at once: a day for each would be too long.
        for reply in (self._batches or self._client).stream(calls):
            request = requests[reply.call.key]
            completion = _refused(reply) if reply.refusal else self._swapped(reply) or read(request, reply)
            self._client.kept += completion.finish is not Finish.ERROR
            yield Answer(request, completion)

    def _swapped(self, reply: Reply) -> Completion | None:
        """Return an error for a reply of another model than those before: a server may load one in between."""
        served = plain_name(str(reply.body.get("model") or ""))
        self._served = self._served or served
        if not served or served == self._served:
            return None
        return _error(f"the server answered as {served!r}, and as {self._served!r} before: one run needs one model")

    def _check_open(self) -> None:
        if self._closed:
            msg = f"the engine for {self._client.shown} is closed: open it again"
            raise EngineUnavailableError(msg)

    def _completion(self, request: Request, reply: Reply) -> Completion:
        choice = first_choice(reply.body, raw=bool(raw_texts(request.messages)))
        if choice is None:
            return _error("the server's reply holds no choice")
        message, reason = choice["message"], str(choice.get("finish_reason") or "stop")
        if reason in _FAILED:
            return _error(f"the server ended the reply with {reason!r}")
        text, reasoning = _said(message), reasoning_of(message)
        finish = _FINISH.get(reason, Finish.STOP)
        counted = _counts(reply.body)
        return Completion(
            text=text,
            reasoning=reasoning,
            finish=finish,
            prompt_tokens=counted[0],
            completion_tokens=counted[1],
            opens_thinking=reasoning is None and self._opened(request, text, finish),
            seconds=_seconds(reply),
            served_model=base_name(str(reply.body.get("model") or "")),
        )

    def _opened(self, request: Request, text: str, finish: Finish) -> bool:
        """Whether the reply starts inside a think block that the template opened.

        A server that splits thinking off may return an answer without any; only a closing tag, or a reply that was
        cut, shows that the thinking is still in the text.
        """
        if self._template is None or not (finish is Finish.LENGTH or "</think>" in text or "<channel|>" in text):
            return False
        return self._template.opens_thinking(request)

    def _body(self, request: Request) -> dict[str, Any]:
        body: dict[str, Any] = {
            **self._plain_body(request.decoding),
            "max_tokens": request.max_tokens,
            "seed": request.seed,
            **({"stop": list(request.stops)} if request.stops else {}),
        }
        if raw := raw_texts(request.messages):
            return {**body, "prompt": raw[0]}
        messages = tuple(message for message in request.messages if message.role != "stop")
        messages = messages if takes_tools(self._server.template) else described(messages)
        chat = to_chat(messages, as_text=True)
        body |= {"messages": chat.messages, **({"tools": chat.tools} if chat.tools else {})}
        if request.thinking is not Thinking.DEFAULT:
            body["chat_template_kwargs"] = {"enable_thinking": request.thinking is Thinking.ON}
        return body

    def _letters_body(self, request: Request) -> dict[str, Any]:
        *before, last = request.messages
        turn = Message(last.role, letters_prompt(last.content, request.choices))
        body = self._body(request)
        asked = [message._asdict() for message in (*before, turn)]
        return {**body, "messages": asked, "max_tokens": 1, "logprobs": True, "top_logprobs": TOP}

    def _plain_body(self, decoding: Decoding | None = None) -> dict[str, Any]:
        """Return model and sampling settings in the server's own words."""
        return {"model": self._server.model, "stream": False, **_sampling(self._server, decoding or Decoding())}

    def _offers_logprobs(self) -> bool:
        """Find out by one request whether log-probabilities come back, and that the server chats at all."""
        try:
            return probe(self._server, self._plain_body(), first=True)[0].logprobs
        except ModelError:
            probe(self._server, self._plain_body(), first=True, logprobs=False)
            return False


def open_model(
    ref: ModelRef, settings: EngineSettings, *, back_off: float = BACK_OFF, key: str = ""
) -> HttpEngine:
    """Open a model behind a URL.

    Args:
        ref: `target` is the URL up to `/v1`, or several with commas between them; `model` the name on the server,
            `""` for its only one.
        settings: `concurrency`, `timeout` and `api_key_env` are used.
        back_off: Seconds before a second try.
        key: The server's key, `""` for the one in the environment.

    Raises:
        ModelError: The URL is malformed, the model is not there, or another template was asked for.
        EngineUnavailableError: The server is down or does not talk JSON.
    """
    urls = [_checked(part.strip()) for part in ref.target.split(",")]
    clients = [_client(url, settings, back_off, key) for url in urls]
    server, *further = [find_server(client, ref.model) for client in clients]
    client = replace(server.client, further=tuple(urls[1:]))
    server = replace(server, client=client)
    if settings.batch and further:
        msg = f"{ref.text!r}: --batch takes one address, for a batch is worked on where it was ordered"
        raise ModelError(msg)
    for other in further:
        check_alike(server, other)
    if settings.chat_template and settings.chat_template.strip() != server.template.strip():
        msg = (
            f"{client.shown} renders its own chat template, another one cannot be sent: start the server with it "
            "(llama-server --chat-template-file, vllm serve --chat-template), or leave --template at own"
        )
        raise ModelError(msg)
    batches = Batches(client, Path(settings.folder) / JOURNAL, wait=back_off * 4) if settings.batch else None
    return HttpEngine(server, further, batches)


def _client(url: str, settings: EngineSettings, back_off: float, key: str) -> Client:
    return Client(
        url=url,
        timeout=settings.timeout,
        concurrency=max(1, settings.concurrency),
        key=key or (os.environ.get(settings.api_key_env, "") if settings.api_key_env else ""),
        key_name=settings.api_key_env,
        back_off=back_off,
    )


def _checked(text: str) -> str:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        msg = f"{text!r} is no URL ({error}): write http://HOST:PORT/v1#MODEL"
        raise ModelError(msg) from error
    if url.scheme not in ("http", "https") or not url.host:
        msg = f"{text!r} is no URL of a server: write http://HOST:PORT/v1#MODEL, several with commas between them"
        raise ModelError(msg)
    return str(url).rstrip("/")


def _sampling(server: Server, decoding: Decoding) -> dict[str, Any]:
    """Return sampling settings under the names and with the neutral values that the server knows."""
    # Greedy decoding ignores the rest by definition, and a server's penalties would change it all the same.
    wanted = Decoding() if decoding.greedy else decoding
    names = ("top_k", "min_p", "repetition_penalty", "presence_penalty")
    sent: dict[str, Any] = {
        name: getattr(wanted, name)
        for name in names
        if server.explicit or getattr(wanted, name) != getattr(Decoding(), name)
    }
    if server.kind == "llama.cpp":
        sent["repeat_penalty"] = sent.pop("repetition_penalty")
        # Temperature first, as vendors' settings mean it: llama.cpp's own order has it last.
        sent["samplers"] = ["penalties", "temperature", "top_k", "top_p", "min_p"]
        # Penalties look at the whole text, as vendors' settings mean it; the default is 64 tokens, and builds
        # disagree on whether -1 may be sent for it.
        sent["repeat_last_n"] = server.context or _LAST_N
        # A reused beginning leaves another number of tokens to compute, and greedy near-ties then depend on the
        # order of requests: 12 of 72 replies differed with it, none without.
        sent["cache_prompt"] = False
    elif sent.get("top_k") == 0:
        sent["top_k"] = -1  # Off, in the words of vLLM and SGLang.
    return {"temperature": wanted.temperature, "top_p": wanted.top_p, **sent}


def _letters(request: Request, reply: Reply) -> Completion:
    """Read option letters out of the most probable first tokens."""
    wanted = LETTERS[: len(request.choices)]
    if len(wanted) < len(request.choices):
        return _error(f"{len(request.choices)} choices, and there are letters for {len(LETTERS)}")
    listed = top_logprobs(first_choice(reply.body) or {})
    found: dict[str, float] = {}
    for token, logprob in listed:
        letter = token.strip()
        if letter in wanted and letter:
            # "A" and " A" are two tokens and one answer.
            found[letter] = float(np.logaddexp(found.get(letter, -math.inf), logprob))
    if not found:
        # Scoring from nothing would look like a model that guesses.
        return _error(f"no option letter is among the {len(listed)} most probable first tokens")
    bound = min(logprob for _, logprob in listed)
    counted = _counts(reply.body)
    return Completion(
        choices=tuple(ChoiceScore(logprob=min(found.get(letter, bound), 0.0), tokens=1) for letter in wanted),
        method="letters",
        prompt_tokens=counted[0],
        completion_tokens=counted[1],
        seconds=_seconds(reply),
        served_model=base_name(str(reply.body.get("model") or "")),
    )


def _said(message: Mapping[str, Any]) -> str:
    """Return what was said, with the calls that the server took out of the text put back in one form."""
    parts = [str(message.get("content") or "")]
    for call in message.get("tool_calls") or ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            parts.append(write_call(str(function.get("name") or ""), function.get("arguments") or {}))
    return "\n".join(part for part in parts if part)


def _refused(reply: Reply) -> Completion:
    return _error(reply.refusal)


def _error(text: str) -> Completion:
    return Completion(finish=Finish.ERROR, error=text)


def _counts(body: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Tokens of prompt and reply as the server counted them, None where it did not."""
    usage = body.get("usage")
    if not isinstance(usage, dict):
        return None, None
    prompt, reply = usage.get("prompt_tokens"), usage.get("completion_tokens")
    return prompt if isinstance(prompt, int) else None, reply if isinstance(reply, int) else None


def _seconds(reply: Reply) -> float:
    """Time of computing where the server tells it, else of the try that succeeded."""
    timings = reply.body.get("timings")
    if isinstance(timings, dict):
        parts = [timings.get(name) for name in ("prompt_ms", "predicted_ms")]
        if all(isinstance(part, int | float) for part in parts):
            return sum(float(part) for part in parts if part is not None) / 1000
    return reply.seconds

