"""The transformers engine: checkpoint folders, hub ids and GGUF files, with PEFT adapters.

Text only: of a vision-language checkpoint the language model is loaded. Prompts are rendered by this project's
own sandbox, never by the tokenizer, so that every engine asks the same thing in the same words.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import transformers

from hydrometer.canon import digest, digest_text
from hydrometer.checkpoint.folder import AdapterInfo, tokenizer_digest
from hydrometer.engines.base import ROLLING, Answer, Capabilities, ClosingEngine, EngineSettings, score_apart
from hydrometer.engines.hf_adapter import attach
from hydrometer.engines.hf_generate import generate
from hydrometer.engines.hf_load import Loaded, load, translated
from hydrometer.engines.hf_network import Network, Safety, free_memory
from hydrometer.engines.hf_packed import Packed, packed
from hydrometer.engines.hf_prompt import Prompt, Prompter, stop_ids
from hydrometer.engines.hf_score import score, score_packed, score_texts
from hydrometer.engines.hf_stream import Draft, stream
from hydrometer.engines.reading import shares_weights
from hydrometer.errors import EngineError, ModelError
from hydrometer.items import Message, Request
from hydrometer.outcomes import Completion, Finish
from hydrometer.provenance import ModelIdentity
from hydrometer.spec import ModelRef
from hydrometer.templates.dialects import dialect_of
from hydrometer.templates.render import ChatTemplate

SLOTS = 32
"""Rows of a batch of replies, unless the user says otherwise."""

_STREAM_SLOTS = 64
"""The same of replies in packed rows, where a row that waits for others costs nothing."""

_PREFILL = {"cpu": 2048}
_CACHE = {"cpu": 32768}
_GPU_PREFILL, _GPU_CACHE = 16384, 131072
# Prompt tokens computed at once and tokens cached at once, by kind of device; on a processor more is no faster.

_ROW = 1024
"""Tokens of a packed row of choices; twice as many are 4 % slower, half as many no faster."""

_WINDOW = 2048
"""Tokens in a window of a whole text where the model names no limit, as in lm-eval."""

_ARITHMETIC = 2
"""Grows when sums are made in another order, in float32 on a processor: answers from before are then asked again."""

_SAMPLING = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
_PROBE = "The quick brown fox jumps over the lazy dog, and then it sits down to count to twenty. "


def open_model(ref: ModelRef, settings: EngineSettings) -> HfEngine:
    """Open a model with transformers.

    Raises:
        ModelError: It cannot be used.
        EngineUnavailableError: The hub cannot be reached.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    loaded = load(ref, settings)
    return HfEngine(ref, loaded, settings)


class HfEngine(ClosingEngine):
    """A model in this process.

    Args:
        ref: How the user named it.
        loaded: The model, its tokenizer and what is known of its files.
        settings: The user's settings.
    """

    def __init__(self, ref: ModelRef, loaded: Loaded, settings: EngineSettings) -> None:
        self._ref, self._settings = ref, settings
        self._loaded: Loaded | None = loaded
        self._tokenizer = loaded.tokenizer
        model, tokenizer = loaded.model, loaded.tokenizer
        self._text_config = model.config.get_text_config(decoder=True)
        self._prompter = Prompter(
            tokenizer,
            _template(ref, loaded, settings),
            stop_ids(model.generation_config, model.config, self._text_config),
        )
        pad = next(iter(self._prompter.stops), 0)
        self._active: Callable[[], AbstractContextManager[Any]] = nullcontext
        self._student: tuple[str, AdapterInfo] | None = None
        self._network: Network | None = Network(model, pad, self._switched)
        self._safety: Safety | None = None
        self._packed: Packed | None = None
        self._device = torch.device(self._network.device).type
        own = int(getattr(self._text_config, "max_position_embeddings", 0) or 0)
        self._context = min(own, settings.context) if own and settings.context else settings.context or own

    @property
    def capabilities(self) -> Capabilities:
        """What this engine can do for this model."""
        return Capabilities(choice_methods=("continuation", "letters", ROLLING), token_ids=True, local=True)

    @property
    def chat_template(self) -> str:
        """Source of the chat template in use."""
        return self._prompter.template.source

    def identity(self) -> ModelIdentity:
        """Who answers; hashes the weight files.

        Raises:
            EngineError: The engine is closed.
        """
        loaded, _ = self._opened()
        weights = loaded.weights()
        adapter = loaded.adapter.digest() if loaded.adapter else ""
        dtype = str(next(loaded.model.parameters()).dtype).removeprefix("torch.")
        parameters = sum(p.numel() for name, p in loaded.model.named_parameters() if "lora_" not in name)
        return ModelIdentity(
            label=self._ref.text.rstrip("/").rpartition("/")[2],
            weights=digest([weights, adapter]) if adapter else weights,
            tokenizer=_tokenizer_digest(self._tokenizer),
            template=self._prompter.template.digest,
            engine="hf",
            engine_version=f"transformers {transformers.__version__}, torch {torch.__version__}",
            settings={
                **({"arithmetic": _ARITHMETIC} if (self._device, dtype) == ("cpu", "float32") else {}),
                "config": loaded.config,
                "context": self._context,
                "device": self._device,
                "dtype": dtype,
                "stops": sorted(self._prompter.stops),
            },
            precision=loaded.precision,
            architecture=loaded.architecture,
            adapter=adapter,
            context_length=self._context,
            default_sampling=_default_sampling(loaded),
            dialect=dialect_of(self.chat_template).value,
            details={"class": type(loaded.model).__name__, "parameters": str(parameters)},
        )

    def generate(self, requests: Sequence[Request]) -> Iterator[Answer]:
        """Yield one answer per request as they finish, in any order.

        Raises:
            EngineError: torch failed, memory ran out, or the engine is closed.
        """
        yield from self.generate_like(requests, {})

    def generate_like(self, requests: Sequence[Request], drafts: Mapping[str, Draft]) -> Iterator[Answer]:
        """Yield the same answers, sooner where a greedy reply begins like its draft; errors as those of `generate`.

        Args:
            requests: Requests for a reply.
            drafts: Token ids that a reply may have, by the digest of its request.
        """
        _, network = self._opened()
        safety = self._probed(network)
        ready, failed = self._prepare(requests, self._prompter.prompt)
        yield from failed
        together, apart = self._packable(ready)
        if self._packed is not None:
            yield from stream(
                self._packed,
                self._prompter,
                together,
                slots=self._settings.slots or _STREAM_SLOTS,
                prefill=_ROW,
                cache=_CACHE["cpu"],
                drafts=drafts,
            )
        yield from generate(
            network,
            self._prompter,
            apart,
            slots=self._settings.slots or SLOTS,
            budget=_CACHE.get(self._device, _GPU_CACHE),
            mixed=safety.padding,
        )

    def score(self, requests: Sequence[Request], method: str) -> Iterator[Answer]:
        """Yield one answer per request, with one score per choice.

        Raises:
            EngineError: torch failed, memory ran out, or the engine is closed.
            ModelError: There is no such method.
        """
        _, network = self._opened()
        safety = self._probed(network)
        if method not in self.capabilities.choice_methods:
            msg = f"the hf engine cannot score by {method!r}: use {' or '.join(self.capabilities.choice_methods)}"
            raise ModelError(msg)
        if method == ROLLING:
            yield from score_texts(
                network,
                requests,
                self._prompter.alone,
                prefix=self._prompter.prefix,
                context=self._context or _WINDOW,
                safety=safety,
            )
            return
        make = self._prompter.choices if method == "continuation" else self._prompter.letters

        vocabulary = int(self._text_config.vocab_size)

        def one_prompt(own: Sequence[Request]) -> Iterator[Answer]:
            ready, failed = self._prepare(own, make)
            yield from failed
            together, apart = self._packable(ready)
            if self._packed is not None:
                yield from score_packed(self._packed, together, method=method, budget=_ROW, vocabulary=vocabulary)
            budget = _PREFILL.get(self._device, _GPU_PREFILL)
            yield from score(
                network, apart, method=method, budget=budget, vocabulary=vocabulary, safety=safety
            )

        yield from score_apart(requests, one_prompt)

    def beside(self, ref: ModelRef, settings: EngineSettings) -> HfEngine | None:
        """Return an engine of these weights plus an adapter, None where it is another model.

        The two may be asked in turns, one after the other; weights are in memory once, until both are closed.

        Raises:
            ModelError: The adapter is damaged or made for another base.
            MissingPackageError: peft is not installed.
        """
        loaded, _ = self._opened()
        same = (settings.dtype, settings.device) == (self._settings.dtype, self._settings.device)
        if not same or not shares_weights(self._ref, ref) or ref.adapter.startswith("hf://"):
            return None
        if self._student is None:
            with translated(ref):
                info, peft = attach(loaded.model, Path(ref.adapter))
            self._student, self._active = (ref.adapter, info), peft.disable_adapter
        if self._student[0] != ref.adapter:
            return None
        return HfEngine(ref, replace(loaded, adapter=self._student[1]), settings)

    def close(self) -> None:
        """Free the model; calling it twice is harmless."""
        loaded, self._loaded, self._network = self._loaded, None, None
        if loaded is not None:
            del loaded
            gc.collect()
            free_memory()

    def _opened(self) -> tuple[Loaded, Network]:
        if self._loaded is None or self._network is None:
            msg = f"the model {self._ref.text!r} is closed: open it again"
            raise EngineError(msg)
        return self._loaded, self._network

    def _switched(self) -> AbstractContextManager[Any]:
        """Switches off an adapter that was put beside these weights after they were opened."""
        return self._active()

    def _probed(self, network: Network) -> Safety:
        """What batching this model allows, found out at its first use."""
        if self._safety is None:
            ids = self._prompter.encode(_PROBE)
            self._safety = network.probe(ids)
            pad = next(iter(self._prompter.stops), 0)
            self._packed = packed(network, Packed(self._opened()[0].model, pad, self._switched), ids)
        return self._safety

    def _packable(self, prompts: Sequence[Prompt]) -> tuple[list[Prompt], list[Prompt]]:
        """Prompts that can share a packed row, and those that cannot."""
        if self._packed is None:
            return [], list(prompts)
        window = self._packed.window
        fits = [not window or len(p.ids) + p.room <= window for p in prompts]
        return [p for p, fit in zip(prompts, fits, strict=True) if fit], [
            p for p, fit in zip(prompts, fits, strict=True) if not fit
        ]

    def _prepare(
        self, requests: Sequence[Request], make: Callable[[Request], Prompt]
    ) -> tuple[list[Prompt], list[Answer]]:
        """Render and tokenise; a request that cannot be asked is answered with its error."""
        ready: list[Prompt] = []
        failed: list[Answer] = []
        for request in requests:
            try:
                prompt = make(request)
                error = self._misfit(prompt)
            except ModelError as refused:
                error = str(refused)
            if error:
                failed.append(Answer(request, Completion(finish=Finish.ERROR, error=error)))
            else:
                ready.append(prompt)
        return ready, failed

    def _misfit(self, prompt: Prompt) -> str:
        """Why a prompt cannot be asked, `""` if it can."""
        if not prompt.ids:
            return "the prompt has no tokens"
        if any(not choice for choice in prompt.choices):
            return "a choice has no tokens"
        if self._context and len(prompt.ids) + prompt.room > self._context:
            return f"{len(prompt.ids)} prompt tokens and {prompt.room} for the reply do not fit in {self._context}"
        return ""


def _template(ref: ModelRef, loaded: Loaded, settings: EngineSettings) -> ChatTemplate:
    source = settings.chat_template or loaded.template
    if not source:
        msg = (
            f"{ref.text!r} has no chat template, so it cannot be asked as a chat model: use the instruct version, "
            "or --template base if only the base has one"
        )
        raise ModelError(msg)
    special = {k: v for k, v in loaded.tokenizer.special_tokens_map.items() if isinstance(v, str)}
    # Asked of the tokenizer itself: its settings, its class and its file disagree on what it adds.
    first, begin = loaded.tokenizer("a", verbose=False)["input_ids"][:1], loaded.tokenizer.bos_token
    adds = bool(begin) and first == [loaded.tokenizer.bos_token_id]
    template = ChatTemplate(source=source, special=special, begin=begin if adds else "")
    # A template that is broken for every conversation is said once, not once per item.
    template.render((Message("user", "Hi"),))
    return template


def _tokenizer_digest(tokenizer: Any) -> str:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return digest_text(str(sorted(tokenizer.get_vocab().items())))
    return tokenizer_digest(json.loads(backend.to_str()))


def _default_sampling(loaded: Loaded) -> dict[str, float]:
    given = loaded.generation
    # Without do_sample the other values are leftovers, and the model is meant to be greedy.
    if not given.get("do_sample"):
        return {}
    return {k: float(given[k]) for k in _SAMPLING if isinstance(given.get(k), int | float)}
