"""One causal language model as three calls: prefill, step, extend. Padding, positions and the cache live here.

Prompts are padded at the left, so that the last column holds the last token of every row; continuations of a
cached prompt are padded at the right, where causal layers cannot see the padding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from hydrometer.errors import EngineError

_TOLERANCE = {"float32": 1e-3, "float64": 1e-3}
_LOOSE_TOLERANCE = 0.2
"""Mean difference of log-probabilities (nats) above which batching counts as broken; rounding in half precision
alone makes about 0.05."""


@dataclass(slots=True, kw_only=True)
class State:
    """The cache of a batch with what the next call must know.

    Attributes:
        cache: The cache object that the model itself made; hybrid models have their own kinds.
        mask: Ones for real tokens, zeros for padding, one column per cached position.
        lengths: Real tokens of each row.
    """

    cache: Any
    mask: Any
    lengths: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Safety:
    """What a model was seen to allow, see `probe`.

    Attributes:
        padding: Whether rows of different length can share a batch.
        prefix: Whether a cached prompt can be continued by several tokens at once.
    """

    padding: bool
    prefix: bool


class Network:
    """A loaded model.

    Args:
        model: The transformers model.
        pad: Any valid token id; it is masked wherever it stands.
        active: Switches adapters of the model on or off while something is computed.
    """

    def __init__(
        self, model: Any, pad: int, active: Callable[[], AbstractContextManager[Any]] = nullcontext
    ) -> None:
        self._model, self._pad, self._active = model, pad, active
        self._cache_name = ""
        self.device = next(model.parameters()).device

    def prefill(self, rows: Sequence[Sequence[int]], keep: int = 1) -> tuple[Any, State]:
        """Compute prompts.

        Args:
            rows: Token ids of each prompt.
            keep: Number of last positions whose logits are wanted.

        Returns:
            Logits in float32, rows x keep x vocabulary, and the state to go on from.
        """
        width = max(len(row) for row in rows)
        ids = torch.tensor([[self._pad] * (width - len(row)) + list(row) for row in rows])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
        with torch.inference_mode(), self._active():
            ids, mask = ids.to(self.device), mask.to(self.device)
            positions = (mask.cumsum(-1) - 1).clamp(min=0)
            out = self._model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                use_cache=True,
                logits_to_keep=keep,
            )
            # transformers 5.24 renamed it, in outputs and arguments alike, and warns of the old name.
            self._cache_name = "cache" if "cache" in out else "past_key_values"
            return out.logits.float(), State(cache=out[self._cache_name], mask=mask, lengths=mask.sum(-1))

    def step(self, state: State, ids: Any) -> Any:
        """Append one token to every row and return the logits behind it, rows x vocabulary."""
        with torch.inference_mode(), self._active():
            state.mask = torch.cat([state.mask, state.mask.new_ones(len(ids), 1)], dim=-1)
            out = self._model(
                input_ids=ids[:, None],
                attention_mask=state.mask,
                position_ids=state.lengths[:, None],
                use_cache=True,
                **{self._cache_name: state.cache},
                logits_to_keep=1,
            )
            state.lengths = state.lengths + 1
            return out.logits[:, -1].float()

    def extend(self, state: State, rows: Sequence[Sequence[int]]) -> Any:
        """Append several tokens to every row, padded at the right.

        Returns:
            Logits behind each appended token in the model's dtype, rows x longest x vocabulary.
        """
        width = max(len(row) for row in rows)
        ids = torch.tensor([list(row) + [self._pad] * (width - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
        with torch.inference_mode(), self._active():
            positions = state.lengths[:, None] + torch.arange(width, device=self.device)
            mask = mask.to(self.device)
            state.mask = torch.cat([state.mask, mask], dim=-1)
            state.lengths = state.lengths + mask.sum(-1)
            out = self._model(
                input_ids=ids.to(self.device),
                attention_mask=state.mask,
                position_ids=positions,
                use_cache=True,
                **{self._cache_name: state.cache},
            )
            return out.logits

    def select(self, state: State, rows: Sequence[int]) -> None:
        """Keep only some rows of a state; a row may be named several times."""
        with torch.inference_mode():
            index = torch.tensor(rows, device=self.device)
            # Of the two ways a cache has to pick rows, only this one exists for recurrent layers too.
            state.cache.reorder_cache(index)
            state.mask, state.lengths = state.mask[index], state.lengths[index]

    def probe(self, ids: Sequence[int]) -> Safety:
        """Try out whether batching changes results: padding leaks into the state of some recurrent layers.

        Args:
            ids: Some real text of at least twelve tokens.
        """
        short, longer, tail = list(ids[:5]), list(ids[:9]), list(ids[9:12])
        alone, _ = self.prefill([short])
        padded, _ = self.prefill([longer, short])
        whole, _ = self.prefill([longer + tail], keep=len(tail))
        _, state = self.prefill([longer])
        self.select(state, [0, 0])
        continued = self.extend(state, [tail[:1], tail]).float()
        return Safety(padding=self._alike(alone[0], padded[1]), prefix=self._alike(whole[0], continued[1]))

    def _alike(self, left: Any, right: Any) -> bool:
        return alike(next(self._model.parameters()).dtype, left, right)


def alike(dtype: Any, left: Any, right: Any) -> bool:
    """Return whether two logits in float32 are the same but for the rounding of a model's dtype."""
    with torch.inference_mode():
        gap = (left.log_softmax(-1) - right.log_softmax(-1)).abs().mean().item()
    return bool(gap <= _TOLERANCE.get(str(dtype).removeprefix("torch."), _LOOSE_TOLERANCE))


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory ran out; on a CPU torch raises a plain `RuntimeError`."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    words = str(error).lower()
    return isinstance(error, RuntimeError) and any(
        w in words for w in ("not enough memory", "can't allocate memory", "out of memory")
    )


def foreign(error: Exception) -> EngineError:
    """Return the error of this project for one that torch raised while computing."""
    first = str(error).strip().partition("\n")[0]
    return EngineError(
        f"torch failed while computing: {first or type(error).__name__}: fewer --slots may help"
    )


def free_memory() -> None:
    """Hand cached device memory back, after a batch did not fit or a model is closed."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
