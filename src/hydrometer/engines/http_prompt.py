"""Reading texts through a server that tells how probable the tokens of a prompt are, as vLLM's `prompt_logprobs` does.

Only the most probable tokens come back, so what is compared is a lower bound. Run against a stub that answers as vLLM
documents it, not against vLLM itself. What is refused instead of believed: servers without log-probabilities of a
prompt (llama-server), fewer of them than asked, places left out or values left over from other requests where a prefix
cache is at work, NaN, and anything that does not add up to a distribution.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hydrometer.engines.base import ClosingEngine, EngineSettings
from hydrometer.engines.http import HttpEngine, open_model
from hydrometer.engines.http_identity import Server
from hydrometer.engines.http_reading import Call, Reply
from hydrometer.engines.reading import Tokens
from hydrometer.errors import EngineError, ModelError
from hydrometer.provenance import ModelIdentity
from hydrometer.spec import ModelRef
from hydrometer.stats.top import DRAWN, TopRows
from hydrometer.templates.render import ChatTemplate

UNKNOWN = 1 << 22
"""Width of a distribution that nobody tells: larger than any vocabulary."""

OFFERED = 20
"""Tokens of a place that vLLM gives unless it is started with more."""

_TINY = 1e-9
_TOO_MUCH = 1e-2
_STALE = 0.2
# Mean difference of log-probabilities between two answers to one prompt above which one of them is not the model's;
# as in `hf_read`, where two ways of computing in bfloat16 count as alike below it.
_SHOWN = 200


def open_reader(ref: ModelRef, settings: EngineSettings) -> ServedReader:
    """Open a model behind a URL to read with.

    Raises:
        ModelError: The server does not tell how probable a prompt is, or has no tokenizer to ask.
        EngineUnavailableError: It is down.
    """
    return ServedReader(ref, open_model(ref, settings))


class ServedReader(ClosingEngine):
    """A model behind a URL that reads.

    Args:
        ref: How the user named it.
        engine: The engine that talks to the server.
    """

    vocabulary = UNKNOWN

    def __init__(self, ref: ModelRef, engine: HttpEngine) -> None:
        self._ref, self._engine = ref, engine
        self._server: Server = engine.server
        self.top_k = OFFERED
        self._steady = False
        if self._server.kind == "llama.cpp":
            msg = f"{ref.text!r} is a llama-server, which gives no log-probabilities of a prompt: give the .gguf file"
            raise ModelError(msg)
        self.begin = self._begin()

    @property
    def context(self) -> int:
        """Largest number of tokens read at once; one is left for the reply that every request has to ask for."""
        return max(0, self._server.context - 1)

    @property
    def chat_template(self) -> ChatTemplate | None:
        """The server's template, None where it keeps it to itself."""
        source = self._engine.chat_template
        return ChatTemplate(source=source, special={}) if source else None

    def identity(self) -> ModelIdentity:
        """Who reads, as far as a server can be known."""
        return self._engine.identity()

    def tokens(self, text: str, *, plain: bool = False) -> Tokens:
        """Return the tokens of a text.

        Raises:
            ModelError: The server has no tokenizer to ask, its tokens do not add up to the text, or plain ones are
                wanted, which only .kld files need.
        """
        if plain:
            raise self._refused()
        ids, pieces = self._tokenized(text, special=False)
        data = text.encode()
        for read in (_byte_pieces, _plain_pieces):
            parts = read(pieces)
            if parts is not None and b"".join(parts) == data:
                ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
                chars = np.cumsum([0] + [(byte & 0xC0) != 0x80 for byte in data])
                return Tokens(ids, tuple(int(chars[at]) for at in (0, *ends[:-1])) if ids else ())
        msg = f"{self._ref.text!r}: its tokens do not add up to the text: give another text, or the model's files"
        raise ModelError(msg)

    def read(self, rows: Sequence[Sequence[int]], piece: int) -> Iterator[NDArray[np.float32]]:
        """Refuse: a server gives no whole distributions.

        Raises:
            ModelError: Always.
        """
        del rows, piece
        raise self._refused()

    def _refused(self) -> ModelError:
        msg = f"{self._ref.text!r} gives its most probable tokens alone: --cache and .kld files need the model's files"
        return ModelError(msg)

    @property
    def top_only(self) -> ServedReader:
        """The reader itself."""
        return self

    def top(self, rows: Sequence[Sequence[int]]) -> Iterator[TopRows]:
        """Yield the most probable tokens behind every token of each row but its last, row by row.

        Raises:
            ModelError: The server gives fewer than asked, or none.
            EngineError: What it gives is no distribution, or not always the same.
        """
        calls = [self._call(row, key) for key, row in enumerate(rows)]
        found: dict[int, TopRows] = {}
        wanted = 0
        for reply in self._server.client.stream(calls):
            found[reply.call.key] = self._read(reply, rows[reply.call.key])
            while wanted in found:
                if not self._steady:
                    self._check_steady(rows[wanted], found[wanted])
                yield found.pop(wanted)
                wanted += 1

    def beside(self, ref: ModelRef) -> None:
        """Return None: servers share nothing."""
        del ref

    def close(self) -> None:
        """Forget the server."""
        self._engine.close()

    def _begin(self) -> tuple[int, ...]:
        bare, whole = self._tokenized("a", special=False)[0], self._tokenized("a", special=True)[0]
        return whole[: len(whole) - len(bare)] if whole[len(whole) - len(bare) :] == bare else ()

    def _tokenized(self, text: str, *, special: bool) -> tuple[tuple[int, ...], list[str]]:
        body = {
            "model": self._server.model,
            "prompt": text,
            "add_special_tokens": special,
            "return_token_strs": True,
        }
        found = self._server.client.look(f"{self._server.root}/tokenize", body)
        ids, pieces = found.get("tokens"), found.get("token_strs")
        if not isinstance(ids, list) or not isinstance(pieces, list) or len(ids) != len(pieces):
            msg = (
                f"{self._ref.text!r} does not tell its tokens (/tokenize with return_token_strs, as vLLM has it): "
                "give the .gguf file or the checkpoint folder itself"
            )
            raise ModelError(msg)
        return tuple(int(token) for token in ids), [str(piece) for piece in pieces]

    def _call(self, row: Sequence[int], key: int) -> Call:
        # The settings are neutral, so that the log-probabilities are the model's own.
        body = {
            "model": self._server.model,
            "prompt": list(row),
            "max_tokens": 1,
            "temperature": 1.0,
            "top_p": 1.0,
            "prompt_logprobs": self.top_k,
        }
        return Call(path="/completions", body=body, key=key)

    def _read(self, reply: Reply, row: Sequence[int]) -> TopRows:
        if reply.refusal:
            why = reply.refusal[:_SHOWN]
            msg = f"{self._ref.text!r} refuses: {why} (start it with --max-logprobs, or give a smaller --top-k)"
            raise ModelError(msg)
        choices = reply.body.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        places = choice.get("prompt_logprobs")
        if not isinstance(places, list):
            msg = f"{self._ref.text!r} gives no log-probabilities of a prompt: give the .gguf file or the folder itself"
            raise ModelError(msg)
        usage = reply.body.get("usage")
        details = usage.get("prompt_tokens_details") if isinstance(usage, dict) else None
        cached = details.get("cached_tokens") if isinstance(details, dict) else 0
        if cached or len(places) != len(row) or not all(isinstance(place, dict) and place for place in places[1:]):
            msg = (
                f"{self._ref.text!r} leaves out places of a prompt, or takes them from a cache: start it with "
                "--no-enable-prefix-caching"
            )
            raise EngineError(msg)
        return self._distributions(places[1:], row[1:])

    def _distributions(self, places: Sequence[Mapping[str, Any]], wanted: Sequence[int]) -> TopRows:
        count = self.top_k
        ids = np.empty((len(places), count), dtype=np.int64)
        logprobs, own = np.empty(ids.shape), np.empty(len(places))
        for at, (place, token) in enumerate(zip(places, wanted, strict=True)):
            found = {int(key): _logprob(entry) for key, entry in place.items()}
            if token not in found or len(found) < count:
                msg = (
                    f"{self._ref.text!r} gives {len(found)} log-probabilities where {count} were asked for: "
                    f"start it with --max-logprobs {count}, or give a smaller --top-k"
                )
                raise ModelError(msg)
            best = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))[:count]
            ids[at], logprobs[at], own[at] = *zip(*best, strict=True), found[token]
        mass = np.exp(logprobs).sum(axis=1)
        if not np.isfinite(logprobs).all() or not np.isfinite(own).all() or (mass > 1.0 + _TOO_MUCH).any():
            msg = f"{self._ref.text!r} gives NaN, or more than probabilities can add up to: nothing was compared"
            raise EngineError(msg)
        return TopRows(
            ids=ids,
            logprobs=logprobs,
            rest=np.log(np.maximum(1.0 - mass, _TINY)),
            wanted=own,
            drawn=np.full((len(places), DRAWN), UNKNOWN),
            drawn_logprobs=np.full((len(places), DRAWN), np.nan),
        )

    def _check_steady(self, row: Sequence[int], first: TopRows) -> None:
        """Ask one prompt twice: values that a prefix cache left over from other requests differ the second time."""
        again = self._read(self._server.client.call(self._call(row, 0)), row)
        gap = float(np.abs(again.wanted - first.wanted).mean())
        if gap > _STALE:
            msg = (
                f"{self._ref.text!r} gives other log-probabilities for the same prompt ({gap:.2f} nats apart): "
                "start it with --no-enable-prefix-caching"
            )
            raise EngineError(msg)
        self._steady = True


def _logprob(entry: object) -> float:
    value = entry.get("logprob") if isinstance(entry, dict) else entry
    return float(value) if isinstance(value, int | float) else math.nan


def _byte_table() -> dict[str, int]:
    """Characters that byte-level vocabularies write for bytes: printable ones as they are, others moved behind 255."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    moved = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + n): byte for n, byte in enumerate(moved)}


def _byte_pieces(pieces: Sequence[str]) -> list[bytes] | None:
    """Pieces of a byte-level vocabulary as bytes; special tokens stand as they are."""
    table = _byte_table()
    return [
        bytes(table[char] for char in piece) if all(char in table for char in piece) else piece.encode()
        for piece in pieces
    ]


def _plain_pieces(pieces: Sequence[str]) -> list[bytes] | None:
    """Pieces of a vocabulary with spaces as low lines and single bytes as `<0x0A>`."""
    found = []
    for piece in pieces:
        byte = piece[3:-1] if piece.startswith("<0x") and piece.endswith(">") and len(piece) == 6 else ""
        try:
            found.append(bytes([int(byte, 16)]) if byte else piece.replace("▁", " ").encode())
        except ValueError:
            return None
    return found
