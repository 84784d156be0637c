"""Reading texts with transformers: hidden states of a batch first, then the head on a few rows at a time.

The logits of a text of 2,000 tokens would be 400 MB in float32 with a small vocabulary and 2 GB with a large one; its
hidden states are a few megabytes. Whether body and head make up the whole model is tried out when it is opened: some
models cap or scale their logits behind the head, and those that do it in an unknown way are read whole.
"""

from __future__ import annotations

import gc
import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from hydrometer.canon import digest
from hydrometer.checkpoint.folder import tokenizer_digest
from hydrometer.engines.base import ClosingEngine, EngineSettings
from hydrometer.engines.hf_adapter import attach
from hydrometer.engines.hf_load import Loaded, load
from hydrometer.engines.hf_network import foreign, free_memory, is_out_of_memory
from hydrometer.engines.reading import Tokens, shares_weights
from hydrometer.errors import EngineError, OutOfMemoryError
from hydrometer.provenance import ModelIdentity
from hydrometer.spec import ModelRef
from hydrometer.templates.render import ChatTemplate

_PROBE = "The quick brown fox jumps over the lazy dog, and then it sits down to count to twenty. "
_EXACT, _LOOSE = 1e-3, 0.2
# Mean difference of log-probabilities above which two ways of computing count as different; as in `hf_network`.

Finish = Callable[[Any], Any]


def open_reader(ref: ModelRef, settings: EngineSettings) -> HfReader:
    """Open a model to read with.

    Raises:
        ModelError: It cannot be used.
        EngineUnavailableError: The hub cannot be reached.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    return HfReader(ref, load(ref, settings))


class HfReader(ClosingEngine):
    """A model in this process that reads.

    Args:
        ref: How the user named it.
        loaded: The model and its tokenizer.
        active: Switches the adapter that is meant on while something is computed, and others off.
    """

    def __init__(
        self, ref: ModelRef, loaded: Loaded, active: Callable[[], AbstractContextManager[Any]] = nullcontext
    ) -> None:
        self._ref, self._active = ref, active
        self._loaded: Loaded | None = loaded
        self._tokenizer = loaded.tokenizer
        self._config = loaded.model.config.get_text_config(decoder=True)
        self._device = next(loaded.model.parameters()).device
        self._pad = int(self._tokenizer.pad_token_id or 0)
        with self._failing():
            self._finish = self._find_finish()
            self._padding = self._finish is not None and self._pads()

    @property
    def vocabulary(self) -> int:
        """Width of a row of logits."""
        return int(self._config.vocab_size)

    @property
    def context(self) -> int:
        """Largest number of tokens read at once."""
        return int(getattr(self._config, "max_position_embeddings", 0) or 0)

    @property
    def begin(self) -> tuple[int, ...]:
        """What the tokenizer puts before a text."""
        first = self._tokenizer("a", verbose=False)["input_ids"][:1]
        own = self._tokenizer.bos_token_id
        return (own,) if own is not None and first == [own] else ()

    @property
    def chat_template(self) -> ChatTemplate | None:
        """The checkpoint's own chat template; the reader itself puts what begins a text before it."""
        special = {k: v for k, v in self._tokenizer.special_tokens_map.items() if isinstance(v, str)}
        source = self._open.template
        return ChatTemplate(source=source, special=special) if source else None

    def identity(self) -> ModelIdentity:
        """Who reads; hashes the weight files."""
        loaded = self._open
        weights = loaded.weights()
        adapter = loaded.adapter.digest() if loaded.adapter else ""
        backend = getattr(self._tokenizer, "backend_tokenizer", None)
        dtype = str(next(loaded.model.parameters()).dtype).removeprefix("torch.")
        return ModelIdentity(
            label=self._ref.text.rstrip("/").rpartition("/")[2],
            weights=digest([weights, adapter]) if adapter else weights,
            tokenizer=(
                tokenizer_digest(json.loads(backend.to_str()))
                if backend is not None
                else digest(sorted(self._tokenizer.get_vocab().items()))
            ),
            template="",
            engine="hf",
            engine_version=f"transformers {transformers.__version__}, torch {torch.__version__}",
            settings={"config": loaded.config, "device": self._device.type, "dtype": dtype},
            precision=loaded.precision,
            architecture=loaded.architecture,
            adapter=adapter,
            context_length=self.context,
        )

    def tokens(self, text: str, *, plain: bool = False) -> Tokens:
        """Return the tokens of a text."""
        found = self._tokenizer(
            text, add_special_tokens=False, split_special_tokens=plain, return_offsets_mapping=True, verbose=False
        )
        return Tokens(tuple(found["input_ids"]), tuple(start for start, _ in found["offset_mapping"]))

    def read(self, rows: Sequence[Sequence[int]], piece: int) -> Iterator[NDArray[np.float32]]:
        """Yield the logits behind every token of every row but its last.

        Raises:
            OutOfMemoryError: The memory does not hold it.
            EngineError: torch failed, or the reader is closed.
        """
        with self._failing():
            hidden = self._hidden(rows)
        for at in range(0, len(hidden), piece):
            with self._failing():
                logits = self._logits(hidden[at : at + piece]).float().cpu().numpy()
            yield logits

    @property
    def top_only(self) -> None:
        """None: it reads whole rows."""

    def beside(self, ref: ModelRef) -> HfReader | None:
        """Return a reader of these weights plus an adapter."""
        if not shares_weights(self._ref, ref):
            return None
        loaded = self._open
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # peft talks of where the adapter was trained
            info, peft = attach(loaded.model, Path(ref.adapter))
        self._active = peft.disable_adapter
        return HfReader(ref, replace(loaded, adapter=info))

    def close(self) -> None:
        """Free the model; calling it twice is harmless."""
        self._loaded = None
        gc.collect()
        free_memory()

    @property
    def _open(self) -> Loaded:
        if self._loaded is None:
            msg = f"the model {self._ref.text!r} is closed: open it again"
            raise EngineError(msg)
        return self._loaded

    def _hidden(self, rows: Sequence[Sequence[int]]) -> Any:
        """What the head gets, behind every token but the last of each row; logits where the head is not alone."""
        if self._finish is None:
            return torch.cat([self._whole(row)[:-1] for row in rows])
        if not self._padding:
            return torch.cat([self._body([row])[0, :-1] for row in rows])
        out = self._body(rows)
        return torch.cat([out[i, : len(row) - 1] for i, row in enumerate(rows)])

    def _logits(self, hidden: Any) -> Any:
        if self._finish is None:
            return hidden
        with torch.inference_mode():
            return self._finish(self._open.model.get_output_embeddings()(hidden))

    def _body(self, rows: Sequence[Sequence[int]]) -> Any:
        # Padded at the right, where causal layers cannot see it.
        width = max(len(row) for row in rows)
        ids = torch.tensor([list(row) + [self._pad] * (width - len(row)) for row in rows], device=self._device)
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=self._device)
        with torch.inference_mode(), self._active():
            decoder = self._open.model.get_decoder()
            return decoder(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state

    def _whole(self, row: Sequence[int]) -> Any:
        with torch.inference_mode(), self._active():
            return self._open.model(input_ids=torch.tensor([list(row)], device=self._device), use_cache=False).logits[0]

    def _find_finish(self) -> Finish | None:
        """What the model does behind its head: nothing, a soft cap, or something unknown (None)."""
        model = self._open.model
        if not hasattr(model, "get_decoder") or model.get_output_embeddings() is None:
            return None
        row = self.tokens(_PROBE).ids
        whole = self._whole(row)
        with torch.inference_mode():
            plain = model.get_output_embeddings()(self._body([row])[0])
        cap = getattr(self._config, "final_logit_softcapping", None)
        for finish in (_nothing, *([_capped(float(cap))] if cap else [])):
            if self._alike(whole, finish(plain)):
                return finish
        return None

    def _pads(self) -> bool:
        """Whether a shorter row comes out the same beside a longer one."""
        row = self.tokens(_PROBE).ids
        return self._alike(
            self._logits(self._body([row[:5]])[0]), self._logits(self._body([row, row[:5]])[1, :5])
        )

    def _alike(self, left: Any, right: Any) -> bool:
        with torch.inference_mode():
            gap = (left.float().log_softmax(-1) - right.float().log_softmax(-1)).abs().mean().item()
        return bool(gap <= (_EXACT if left.dtype is torch.float32 else _LOOSE))

    def _failing(self) -> _Failing:
        return _Failing(self._ref.text)


class _Failing(AbstractContextManager[None]):
    """Maps what torch raises to one line."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, RuntimeError | MemoryError):
            if is_out_of_memory(error):
                msg = f"out of memory while {self._name!r} reads: use a smaller model, or --dtype bfloat16"
                raise OutOfMemoryError(msg) from error
            raise foreign(error) from error


def _nothing(logits: Any) -> Any:
    return logits


def _capped(cap: float) -> Finish:
    def finish(logits: Any) -> Any:
        return torch.tanh(logits / cap) * cap

    return finish
