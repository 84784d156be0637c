"""Who answers behind a URL: the list of models, the facts that a server tells, and a fingerprint of its replies.

A server answers under any name it likes, so a name proves nothing. The fingerprint does: a few fixed prompts,
answered greedily. Two URLs with one fingerprint serve the same model, whatever they call it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydrometer.canon import digest, digest_text
from hydrometer.engines.http_client import Client
from hydrometer.engines.http_reading import Call
from hydrometer.errors import EngineUnavailableError, ModelError
from hydrometer.provenance import ModelIdentity
from hydrometer.templates.dialects import dialect_of

TOP = 20
"""Most log-probabilities per token that OpenAI-compatible servers give."""

_FINGERPRINT_TOKENS = 16
_NOISE = 0.05
"""Nats by which the first log-probability may differ between two addresses that serve one model."""

_PROMPTS = (
    "Name three animals that live in the sea.",
    "Continue: The old clock on the wall had stopped at",
    "What is 17 + 26?",
    "Write one line of Python that reverses a string.",
)
_TOKENIZER_TEXT = "Naïve façade: 12345 + 67.89 = ?\n\tdef f(x): return x**2  # 你好, мир! 🙂 <think>"
_EXPLICIT = ("llama.cpp", "vllm", "sglang")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What a server tells about itself and the model in question.

    Attributes:
        client: The way to it.
        model: Name that requests carry, as the server lists it.
        asked: Name that the user gave, the listed one without it.
        kind: `llama.cpp`, `vllm`, `sglang`, another `owned_by`, or `""`.
        entry: The model's row in `/models`.
        props: llama.cpp's `/props`, empty elsewhere.
        version: Build of the server, `""` if it does not tell.
    """

    client: Client
    model: str
    asked: str
    kind: str = ""
    entry: dict[str, Any] = field(default_factory=dict)
    props: dict[str, Any] = field(default_factory=dict)
    version: str = ""

    @property
    def template(self) -> str:
        """Source of the chat template, `""` where the server keeps it to itself."""
        return str(self.props.get("chat_template") or "")

    @property
    def root(self) -> str:
        """URL that the server's own endpoints hang from."""
        return self.client.url.removesuffix("/v1")

    @property
    def context(self) -> int:
        """Window of one request in tokens, 0 if unknown."""
        defaults = self.props.get("default_generation_settings")
        found = defaults.get("n_ctx") if isinstance(defaults, dict) else self.entry.get("max_model_len")
        return found if isinstance(found, int) else 0

    @property
    def explicit(self) -> bool:
        """Whether neutral sampling settings must be sent too.

        llama.cpp fills what is missing with temperature 0.8 and top-k 40, vLLM and SGLang with the model's own
        `generation_config`, repetition penalty included. Other servers may refuse fields that they do not know.
        """
        return self.kind in _EXPLICIT


def find_server(client: Client, model: str) -> Server:
    """Ask a server which models it has, and choose one.

    Args:
        client: The way to it.
        model: Name that the user gave, `""` for the only one.

    Raises:
        ModelError: The name is not among the server's models, or is needed and missing.
        EngineUnavailableError: The server is down or does not talk JSON.
    """
    reply = client.call(Call(path="/models"))
    rows = reply.body.get("data")
    listed = {str(row["id"]): row for row in rows or () if isinstance(row, dict) and row.get("id")}
    if not listed:
        if not model:
            why = f" ({reply.refusal})" if reply.refusal else ""
            msg = f"{client.shown} lists no models{why}: check that the URL ends in /v1, or name one with #MODEL"
            raise ModelError(msg)
        return Server(client=client, model=model, asked=model)
    chosen = _choose(client, model, listed)
    return _describe(client, chosen, model or chosen, listed[chosen])


def identify(server: Server, replies: Sequence[Fingerprint]) -> ModelIdentity:
    """Put together what is known about a server's model.

    Args:
        server: The server.
        replies: Its replies to the fingerprint's prompts.
    """
    template, props = server.template, server.props
    fingerprint = digest([reply.content for reply in replies])
    served = next((reply.served for reply in replies if reply.served), "")
    meta = server.entry.get("meta")
    size = meta.get("n_params") if isinstance(meta, dict) else None
    details = {
        "asked_model": base_name(server.asked),
        "served_model": base_name(served),
        "fingerprint": fingerprint,
        "url": server.client.shown,
        "server": f"{server.kind} {server.version}".strip(),
        "owned_by": str(server.entry.get("owned_by") or ""),
        "model_path": base_name(str(props.get("model_path") or "")),
        "parameters": str(size or ""),
    }
    return ModelIdentity(
        label=plain_name(server.model),
        # Not the URL: what matters is who answers, not where.
        weights=digest([fingerprint, plain_name(server.model)]),
        tokenizer=_tokenizer(server),
        template=digest_text(template.strip()) if template else "",
        engine="http",
        engine_version=details["server"],
        settings={"context": server.context},
        precision=str(props.get("model_ftype") or (isinstance(meta, dict) and meta.get("ftype")) or ""),
        context_length=server.context,
        dialect=dialect_of(template).value,
        details={name: value for name, value in details.items() if value},
    )


def check_alike(one: Server, other: Server) -> None:
    """Refuse two addresses that tell of different models or settings.

    Raises:
        ModelError: They differ, named with both values.
    """
    told = {
        "model": (plain_name(one.model), plain_name(other.model)),
        "kind of server": (one.kind, other.kind),
        "build": (one.version, other.version),
        "window": (one.context, other.context),
        "chat template": (digest_text(one.template), digest_text(other.template)),
    }
    for what, (here, there) in told.items():
        if here != there:
            msg = (
                f"{one.client.shown} and {other.client.shown} differ in {what} ({here or 'unknown'} and "
                f"{there or 'unknown'}): several addresses must serve one model in one way"
            )
            raise ModelError(msg)


def check_same(
    one: Server, replies: Sequence[Fingerprint], other: Server, others: Sequence[Fingerprint]
) -> None:
    """Refuse two addresses that answer the fixed prompts differently.

    Raises:
        ModelError: A reply differs in words, or in its first log-probability by more than the noise of batches.
    """
    for mine, theirs in zip(replies, others, strict=True):
        (*words, best), (*their_words, their_best) = mine.content, theirs.content
        near = best is None or their_best is None or abs(float(best) - float(their_best)) <= _NOISE
        if words != their_words or not near:
            msg = (
                f"{one.client.shown} and {other.client.shown} answer a greedy request differently: do they serve the "
                "same file, quantisation and settings?"
            )
            raise ModelError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """A server's reply to one fixed prompt.

    Attributes:
        content: Text, thinking and first log-probability: what the fingerprint is made of.
        served: Model name in the reply.
        logprobs: Whether usable log-probabilities came with it.
    """

    content: tuple[str, str, float | None]
    served: str
    logprobs: bool


def probe(
    server: Server, body: Mapping[str, Any], *, first: bool = False, logprobs: bool = True
) -> list[Fingerprint]:
    """Ask the fixed prompts one after another and return the replies.

    Args:
        server: The server.
        body: Greedy settings in the server's own words.
        first: Only the first prompt, and of it one token: enough to see what the server can do.
        logprobs: Whether to ask for log-probabilities.

    Raises:
        EngineUnavailableError: The server is down.
        ModelError: The server refuses to chat.
    """
    found = []
    for prompt in _PROMPTS[:1] if first else _PROMPTS:
        asked = {**body, "messages": [{"role": "user", "content": prompt}]}
        if logprobs:
            asked |= {"logprobs": True, "top_logprobs": TOP}
        if not first:
            # The first pass fills the server's prefix cache, so that the second always computes the same way:
            # with and without a cached prefix the numbers differ a little.
            _chat(server, {**asked, "max_tokens": 1})
        found.append(_fingerprint(_chat(server, {**asked, "max_tokens": 1 if first else _FINGERPRINT_TOKENS})))
    return found


def top_logprobs(choice: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Return the most probable first tokens of a reply, empty if the server gave none."""
    content = (choice.get("logprobs") or {}).get("content") or [{}]
    rows = content[0].get("top_logprobs") or ()
    return [
        (str(row.get("token", "")), float(row["logprob"]))
        for row in rows
        if isinstance(row, dict) and isinstance(row.get("logprob"), int | float) and math.isfinite(row["logprob"])
    ]


def first_choice(body: Mapping[str, Any], *, raw: bool = False) -> dict[str, Any] | None:
    """Return the reply inside a chat completion, or a `raw` one of a plain text; None if there is none."""
    choices = body.get("choices")
    found = choices[0] if isinstance(choices, list) and choices else None
    if raw and isinstance(found, dict) and isinstance(found.get("text"), str):
        return {**found, "message": {"content": found["text"]}}
    return found if isinstance(found, dict) and isinstance(found.get("message"), dict) else None


def reasoning_of(message: Mapping[str, Any]) -> str | None:
    """Return the thinking that a server split off, under either of the names in use."""
    found = message.get("reasoning_content") or message.get("reasoning")
    return found if isinstance(found, str) and found else None


def base_name(name: str) -> str:
    """Return a file's name without its folders, and any other name as it is: hub ids keep their owner."""
    name = name.replace("\\", "/")
    return name.rsplit("/", 1)[-1] if name.startswith(("/", "./", "~")) or re.match(r"[A-Za-z]:/", name) else name


def plain_name(name: str) -> str:
    """Return a model's name without the folder, tag and file ending that servers add and drop at will."""
    return base_name(name).removesuffix(":latest").removesuffix(".gguf")


def _choose(client: Client, model: str, listed: Mapping[str, dict[str, Any]]) -> str:
    if model in listed:
        return model
    if not model and len(listed) == 1:
        return next(iter(listed))
    wanted = plain_name(model).lower()
    near = [
        name
        for name, row in listed.items()
        if model and (plain_name(name).lower() == wanted or model in (row.get("aliases") or ()))
    ]
    if len(near) == 1:
        return near[0]
    names = ", ".join(sorted(base_name(name) for name in listed))
    what = f"has no model {model!r}" if model else "serves several models"
    msg = f"{client.shown} {what}: write {client.shown}#NAME with one of: {names}"
    raise ModelError(msg)


def _describe(client: Client, model: str, asked: str, entry: dict[str, Any]) -> Server:
    root = client.url.removesuffix("/v1")
    owner = str(entry.get("owned_by") or "").lower()
    props = client.look(f"{root}/props")
    if "default_generation_settings" in props and owner in ("", "llamacpp", "llama.cpp"):
        version = str(props.get("build_info") or "")
        return Server(
            client=client, model=model, asked=asked, kind="llama.cpp", entry=entry, props=props, version=version
        )
    version = str(client.look(f"{root}/version").get("version") or "") if owner in _EXPLICIT else ""
    return Server(client=client, model=model, asked=asked, kind=owner, entry=entry, version=version)


def _tokenizer(server: Server) -> str:
    """Return a digest of how the server takes a fixed text apart, `""` where it does not show that."""
    if server.kind not in _EXPLICIT:
        return ""
    body = {"content": _TOKENIZER_TEXT, "prompt": _TOKENIZER_TEXT, "model": server.model}
    tokens = server.client.look(f"{server.root}/tokenize", body).get("tokens")
    return digest(tokens) if isinstance(tokens, list) and tokens else ""


def _chat(server: Server, body: dict[str, Any]) -> dict[str, Any]:
    reply = server.client.call(Call(path="/chat/completions", body=body))
    if reply.refusal:
        msg = f"{server.client.shown} does not chat as {base_name(server.model)!r}: {reply.refusal}"
        raise ModelError(msg)
    if first_choice(reply.body) is None:
        msg = f"{server.client.shown} answers a chat request without choices: is it OpenAI-compatible?"
        raise EngineUnavailableError(msg)
    return reply.body


def _fingerprint(body: Mapping[str, Any]) -> Fingerprint:
    choice = first_choice(body) or {}
    message = choice.get("message") or {}
    listed = top_logprobs(choice)
    text, thinking = str(message.get("content") or ""), reasoning_of(message) or ""
    # Two decimals: finer digits change with the batch that a request happens to share.
    best = round(max(value for _, value in listed), 2) if listed else None
    return Fingerprint(
        content=(text, thinking, best), served=str(body.get("model") or ""), logprobs=bool(listed)
    )
