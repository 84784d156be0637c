"""Client of llama-server's native endpoints, embedded or remote: replies and exact log-probabilities of choices.

Prompts go out as token ids made with `add_special` off: the chat template has already written every special
token, and the server would put a second beginning-of-sequence token before a text.

llama-server gives no log-probabilities of a prompt. Choices are scored by forced decoding: a grammar of token ids
leaves one token at each step, and the probabilities reported are those before the grammar. Tokens that end inside
a UTF-8 character are refused by its grammar and left out of its reports; they are read, one step at a time, from
the whole distribution instead.
"""

from __future__ import annotations

import json
import math
import socket
import threading
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import httpx

from hydrometer.engines.base import LETTERS
from hydrometer.errors import EngineUnavailableError
from hydrometer.items import Request
from hydrometer.outcomes import ChoiceScore, Completion, Finish
from hydrometer.templates.dialects import opens_thinking

SHOWN = (
    "<think>", "</think>", "<|channel>", "<channel|>", "[THINK]", "[/THINK]", "<tool_call>", "</tool_call>",
    "<|tool_call>", "<tool_call|>", '<|"|>', "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]", "<|python_tag|>",
)  # fmt: skip
"""Marks of thinking and of tool calls that replies show even where the vocabulary calls them control tokens, which
servers hide. A server passes over what its vocabulary does not hold as one token.
"""

_SAMPLERS = ("penalties", "temperature", "top_k", "top_p", "min_p")
"""Temperature first, as transformers and vLLM do and vendors' settings mean; llama.cpp's own order has it last."""

_LETTER_PROBS = 512
_ALL_PROBS = 1 << 20
_PUSH = 1e6
_GONE = frozenset({401, 403, 404, 502, 503, 504})


class _Forced(NamedTuple):
    """Forced tokens: their log-probability, whether each was the most probable one, and the seconds it took."""

    logprob: float
    greedy: bool
    seconds: float


class LlamaServer:
    """One llama-server.

    Args:
        base_url: Address without a path, such as `http://127.0.0.1:8080`.
        client: HTTP client with its time limits and its key; it is shared, and closed by its owner.
    """

    def __init__(self, base_url: str, client: httpx.Client) -> None:
        self._url = base_url.rstrip("/")
        self._client = client
        self._sockets: set[socket.socket] = set()
        self._stopped = threading.Event()
        self._plain: int | None = None
        self._wide = threading.Lock()

    def health(self) -> bool:
        """Return whether the server is up and its model loaded."""
        try:
            return self._client.get(f"{self._url}/health").status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def props(self) -> dict[str, Any]:
        """Return what the server says of itself: template, window, build.

        Raises:
            EngineUnavailableError: It does not answer, or not as llama-server does.
        """
        return self._answer("GET", "/props")

    def busy(self) -> int:
        """Return how many slots are at work; 0 if the server does not say."""
        try:
            slots = self._client.get(f"{self._url}/slots").json()
        except (httpx.HTTPError, ValueError):
            return 0
        return sum(bool(slot.get("is_processing")) for slot in slots) if isinstance(slots, list) else 0

    def tokenize(self, text: str) -> tuple[int, ...]:
        """Return the token ids of a text, special tokens read as such and none added.

        Raises:
            EngineUnavailableError: The server does not answer, or not as llama-server does.
        """
        body = {"content": text, "add_special": False, "parse_special": True}
        tokens = self._answer("POST", "/tokenize", body).get("tokens")
        if not isinstance(tokens, list) or not all(isinstance(token, int) for token in tokens):
            raise self._foreign("/tokenize gives no list of token ids")
        return tuple(tokens)

    def begins(self) -> bool:
        """Return whether the model's tokenizer puts a beginning-of-sequence token before a text that stands alone.

        Raises:
            EngineUnavailableError: The server does not answer, or not as llama-server does.
        """
        body = {"content": "a", "add_special": True, "parse_special": True}
        tokens = self._answer("POST", "/tokenize", body).get("tokens")
        return isinstance(tokens, list) and tokens[1:] == list(self.tokenize("a"))

    def complete(self, prompt: str, request: Request) -> Completion:
        """Generate a reply to a rendered prompt.

        Raises:
            EngineUnavailableError: The server does not answer, or not as llama-server does.
        """
        ids = self.tokenize(prompt)
        body = {"prompt": ids, "n_predict": request.max_tokens, "stream": True, **_sampling(request)}
        try:
            final, text, tokens = self._stream(body)
        except _RefusedError as refused:
            return _failed(prompt, ids, str(refused))
        stop = final.get("stop_type")
        predicted = int(final.get("tokens_predicted", len(tokens)))
        if stop == "eos":
            # The end-of-turn token is counted by the server and is no part of the reply.
            predicted -= 1
            tokens = tokens[:predicted]
        return Completion(
            text=text,
            finish=Finish.LENGTH if stop == "limit" else Finish.STOP,
            # A stream leaves out ids of tokens that end inside a character: better none than some.
            token_ids=tuple(tokens) if len(tokens) == predicted else None,
            prompt_tokens=len(ids),
            completion_tokens=predicted,
            opens_thinking=opens_thinking(prompt),
            seconds=_seconds(final),
            served_model=str(final.get("model", "")),
        )

    def score(self, prompt: str, choices: Sequence[str], *, slot: int = -1) -> Completion:
        """Return the log-probability of each choice behind a rendered prompt, by forced decoding.

        Args:
            prompt: The rendered prompt.
            choices: The continuations.
            slot: Server slot to use, so that the prompt is computed once; -1 leaves it to the server.

        Raises:
            EngineUnavailableError: The server does not answer, or not as llama-server does.
        """
        ids = self.tokenize(prompt)
        scores: list[ChoiceScore] = []
        seconds = 0.0
        try:
            for number, choice in enumerate(choices):
                wanted = self._continuation(prompt, ids, choice)
                found = self._forced(ids, wanted, slot, fresh=number == 0)
                scores.append(ChoiceScore(logprob=found.logprob, tokens=len(wanted), greedy=found.greedy))
                seconds += found.seconds
        except _RefusedError as refused:
            return _failed(prompt, ids, str(refused), "continuation")
        return _scored(prompt, ids, scores, "continuation", seconds)

    def letters(self, prompt: str, count: int, *, slot: int = -1) -> Completion:
        """Return the next-token log-probability of the first `count` option letters behind a rendered prompt.

        Letters that are not among the most probable tokens are asked for one by one, so that every number is
        exact and none a bound.

        Raises:
            EngineUnavailableError: The server does not answer, or not as llama-server does.
        """
        ids = self.tokenize(prompt)
        if count > len(LETTERS):
            return _failed(prompt, ids, f"{count} choices, and letters go to {len(LETTERS)}", "letters")
        try:
            wanted = [self._continuation(prompt, ids, letter)[0] for letter in LETTERS[:count]]
            found, seconds = self._next(ids, _LETTER_PROBS, slot, fresh=True)
            for token in wanted:
                if token not in found:
                    missing = self._one(ids, token, slot)
                    found[token] = missing.logprob
                    seconds += missing.seconds
            scores = [ChoiceScore(logprob=_finite(found[token]), tokens=1) for token in wanted]
        except _RefusedError as refused:
            return _failed(prompt, ids, str(refused), "letters")
        return _scored(prompt, ids, scores, "letters", seconds)

    def cancel(self) -> None:
        """Drop all requests in flight: they raise, and the server notices at its next token."""
        self._stopped.set()
        for connection in tuple(self._sockets):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                self._sockets.discard(connection)  # closed already
        self._sockets.clear()

    def resume(self) -> None:
        """Allow requests again after `cancel`."""
        self._stopped.clear()

    def _continuation(self, prompt: str, ids: Sequence[int], choice: str) -> tuple[int, ...]:
        """Ids of a choice as it stands behind the prompt, where tokenisers may join characters differently."""
        joint = self.tokenize(prompt + choice)
        if len(joint) > len(ids) and joint[: len(ids)] == tuple(ids):
            return joint[len(ids) :]
        alone = self.tokenize(choice)
        if not alone:
            msg = f"the choice {choice!r} has no tokens"
            raise _RefusedError(msg)
        return alone

    def _forced(self, ids: Sequence[int], wanted: Sequence[int], slot: int, *, fresh: bool) -> _Forced:
        grammar = "root ::= " + " ".join(f"<[{token}]>" for token in wanted)
        forced = {"n_predict": len(wanted), "n_probs": 1, "grammar": grammar}
        body = self._exact(ids, slot, fresh=fresh) | forced
        response = self._send("POST", "/completion", body)
        if response.status_code == httpx.codes.INTERNAL_SERVER_ERROR:
            return self._stepwise(ids, wanted, slot)
        reply = self._read(response)
        steps = reply.get("completion_probabilities") or []
        if [step["id"] for step in steps[: len(wanted)]] != list(wanted):
            return self._stepwise(ids, wanted, slot)
        taken = steps[: len(wanted)]
        logprob = math.fsum(_finite(step["logprob"]) for step in taken)
        return _Forced(logprob, all(_is_best(step) for step in taken), _seconds(reply))

    def _stepwise(self, ids: Sequence[int], wanted: Sequence[int], slot: int) -> _Forced:
        steps = [self._one([*ids, *wanted[:done]], token, slot) for done, token in enumerate(wanted)]
        return _Forced(
            math.fsum(step.logprob for step in steps),
            all(step.greedy for step in steps),
            math.fsum(step.seconds for step in steps),
        )

    def _one(self, ids: Sequence[int], token: int, slot: int) -> _Forced:
        """Log-probability of one next token, by pushing the sampler to it: what is reported is from before."""
        body = self._exact(ids, slot) | {"n_predict": 1, "n_probs": 1, "logit_bias": [[token, _PUSH]]}
        reply = self._read(self._send("POST", "/completion", body))
        steps = reply.get("completion_probabilities") or []
        if steps and steps[0]["id"] == token:
            return _Forced(_finite(steps[0]["logprob"]), _is_best(steps[0]), _seconds(reply))
        # A whole distribution is megabytes of JSON on both sides: one at a time.
        with self._wide:
            found, spent = self._next(ids, _ALL_PROBS, slot)
        logprob = _finite(found.get(token))
        return _Forced(logprob, logprob == max(found.values()), spent + _seconds(reply))

    def _next(
        self, ids: Sequence[int], n_probs: int, slot: int, *, fresh: bool = False
    ) -> tuple[dict[int, float], float]:
        """Log-probabilities of the most probable next tokens, and the seconds it took."""
        if self._plain is None:
            self._plain = self.tokenize(".")[-1]
        # The sampled token is pushed to a whole character, or the server would report nothing at all.
        push = {"n_predict": 1, "n_probs": n_probs, "logit_bias": [[self._plain, _PUSH]]}
        body = self._exact(ids, slot, fresh=fresh) | push
        reply = self._read(self._send("POST", "/completion", body))
        steps = reply.get("completion_probabilities") or []
        if not steps:
            raise self._foreign("/completion gives no probabilities")
        return {entry["id"]: entry["logprob"] for entry in steps[0]["top_logprobs"]}, _seconds(reply)

    def _exact(self, ids: Sequence[int], slot: int, *, fresh: bool = False) -> dict[str, Any]:
        """A request for exact probabilities; `fresh` leaves what the slot computed for another item unused.

        That would move the last bits with the order of items; within one item the order is always the same.
        """
        return {
            "prompt": list(ids), "id_slot": slot, "temperature": 0.0, "cache_prompt": not fresh, "return_tokens": True,
            "post_sampling_probs": False, "stream": False,
        }  # fmt: skip

    def _stream(self, body: dict[str, Any]) -> tuple[dict[str, Any], str, list[int]]:
        """Streamed, because only then does a server notice at once that nobody waits for the reply any more."""
        pieces: list[str] = []
        tokens: list[int] = []
        try:
            with self._client.stream(
                "POST", f"{self._url}/completion", json=body, extensions={"trace": self._trace}
            ) as response:
                if response.status_code != httpx.codes.OK:
                    response.read()
                    self._read(response)
                for event in self._events(response.iter_lines()):
                    pieces.append(event.get("content", ""))
                    tokens += event.get("tokens", ())
                    if event.get("stop"):
                        return event, "".join(pieces), tokens
        except httpx.HTTPError as error:
            raise self._gone(error) from error
        raise self._foreign("/completion ended without a last event")

    def _events(self, lines: Iterable[str]) -> Iterable[dict[str, Any]]:
        for line in lines:
            if self._stopped.is_set():
                msg = f"{self._url}: the request was cancelled"
                raise EngineUnavailableError(msg)
            kind, _, rest = line.partition(":")
            if kind not in {"data", "error"}:
                continue
            try:
                event = json.loads(rest)
            except ValueError as error:
                raise self._foreign("/completion streams something else than JSON") from error
            if kind == "error" or "error" in event:
                raise _RefusedError(_message(event))
            yield event

    def _send(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        if self._stopped.is_set():
            msg = f"{self._url}: the request was cancelled"
            raise EngineUnavailableError(msg)
        try:
            return self._client.request(
                method, f"{self._url}{path}", json=body, extensions={"trace": self._trace}
            )
        except httpx.HTTPError as error:
            raise self._gone(error) from error

    def _answer(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The reply of an endpoint that has no reason to refuse."""
        try:
            return self._read(self._send(method, path, body))
        except _RefusedError as refused:
            raise self._foreign(f"{path}: {refused}") from refused

    def _read(self, response: httpx.Response) -> dict[str, Any]:
        try:
            data = response.json()
        except ValueError:
            data = None
        if response.status_code in _GONE:
            msg = f"{self._url} answers {response.status_code} {_message(data)}: check the address and the key"
            raise EngineUnavailableError(msg)
        if response.status_code != httpx.codes.OK:
            raise _RefusedError(_message(data) or f"HTTP status {response.status_code}")
        if not isinstance(data, dict):
            raise self._foreign(f"{response.url.path} gives no JSON object")
        return data

    def _trace(self, event: str, info: dict[str, Any]) -> None:
        """Remember each connection, so that `cancel` can reach requests that wait for their first byte."""
        if event == "connection.connect_tcp.complete":
            self._sockets.add(info["return_value"].get_extra_info("socket"))

    def _gone(self, error: httpx.HTTPError) -> EngineUnavailableError:
        if isinstance(error, httpx.TimeoutException):
            return EngineUnavailableError(f"{self._url} took too long to reply: raise the time limit")
        return EngineUnavailableError(f"{self._url} does not answer ({error}): is the server still running?")

    def _foreign(self, what: str) -> EngineUnavailableError:
        return EngineUnavailableError(f"{self._url} does not answer as llama-server does: {what}")


class _RefusedError(Exception):
    """The server refused one request and goes on."""


def _sampling(request: Request) -> dict[str, Any]:
    decoding = request.decoding
    common = {
        # llama.cpp takes the largest value for "choose a seed yourself".
        # A cached prefix was computed in another batch, and a greedy near-tie can tip on its last bits: a resumed run
        # would then differ from an undisturbed one. Scoring keeps its cache within one item, where the order is fixed.
        "seed": request.seed % 0xFFFFFFFF, "cache_prompt": False, "return_tokens": True,
        "preserved_tokens": list(SHOWN), "temperature": decoding.temperature,
        **({"stop": list(request.stops)} if request.stops else {}),
    }  # fmt: skip
    if decoding.greedy:
        return common
    return common | {
        "samplers": list(_SAMPLERS),
        "top_k": decoding.top_k, "top_p": decoding.top_p, "min_p": decoding.min_p,
        "presence_penalty": decoding.presence_penalty, "repeat_penalty": decoding.repetition_penalty,
        # The whole reply; "all of the window" (-1) is refused by builds of late 2026.
        "repeat_last_n": max(1, request.max_tokens),
    }  # fmt: skip


def _is_best(step: dict[str, Any]) -> bool:
    """Whether a forced token is the one that the model itself finds most probable."""
    top = step.get("top_logprobs") or []
    return bool(top) and top[0]["id"] == step["id"]


def _finite(logprob: float | None) -> float:
    if logprob is None or not math.isfinite(logprob):
        msg = "the server gives no log-probability for a token of a choice"
        raise _RefusedError(msg)
    return logprob


def _seconds(reply: dict[str, Any]) -> float:
    timings = reply.get("timings") or {}
    return float(timings.get("prompt_ms", 0.0) + timings.get("predicted_ms", 0.0)) / 1000.0


def _message(data: Any) -> str:
    error = data.get("error") if isinstance(data, dict) else None
    return str(error.get("message", "")) if isinstance(error, dict) else ""


def _failed(prompt: str, ids: Sequence[int], error: str, method: str = "") -> Completion:
    opened = opens_thinking(prompt)
    return Completion(
        finish=Finish.ERROR, prompt_tokens=len(ids), method=method, opens_thinking=opened, error=error
    )


def _scored(
    prompt: str, ids: Sequence[int], scores: Sequence[ChoiceScore], method: str, seconds: float
) -> Completion:
    return Completion(
        prompt_tokens=len(ids), choices=tuple(scores), method=method, opens_thinking=opens_thinking(prompt),
        seconds=seconds,
    )  # fmt: skip
