"""Many requests in one row: no padding, and no result that depends on what is computed beside it.

Every layer but attention works token by token, so the tokens of several requests can stand one behind the other in a
single row, as long as attention is computed for each request apart. transformers lets a function of one's own take the
place of its attention; this one knows where each request begins, and keeps keys and values of replies that go on.

On a processor the same numbers are then added in the same order whatever stands beside a request: the rows of a
matrix product do not depend on how many there are if these are a multiple of four, and positions that are masked change
nothing if the width is a multiple of sixteen. Both were measured with MKL in float32 and bfloat16, on one and on two
threads; nobody promises it, so `bench/choices.py` counts how many scores move.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from hydrometer.engines.hf_network import Network, alike
from hydrometer.errors import EngineError

NAME = "hydrometer_packed"
"""Under which transformers knows the attention of this file. It makes no masks for a name that it does not know."""

_TOKENS, _WIDTH, _ROWS = 4, 64, 4
# Counts are rounded up to these, see above; a single row of a decoding step takes another path through the kernel.

_UNKNOWN = ("softcap", "s_aux", "position_bias")
"""Arguments that change what attention is and that this one does not know."""


class Piece(NamedTuple):
    """A prompt, and what may follow it: each tail sees the prompt and itself."""

    ids: Sequence[int]
    tails: Sequence[Sequence[int]] = ()

    @property
    def size(self) -> int:
        """Tokens that are computed."""
        return len(self.ids) + sum(map(len, self.tails))


class _Span(NamedTuple):
    """Where a piece stands in the row; `mask` is for its tails, `slot` where its keys are kept (-1: nowhere)."""

    start: int
    prompt: int
    stop: int
    mask: Any
    slot: int


class _Plan(NamedTuple):
    """What attention must know of a row: the replies that go on stand first, one token each, then the pieces."""

    spans: Sequence[_Span]
    slots: Slots | None
    going: int
    mask: Any


class Slots:
    """Keys and values of replies in progress: reply `i` is the first `lengths[i]` positions of row `i`.

    Args:
        rows: Largest number of replies at once.
        width: Largest number of tokens of one, prompt included.
    """

    def __init__(self, rows: int, width: int) -> None:
        self._shape = max(rows, _ROWS), -(-width // _WIDTH) * _WIDTH
        self._kept: dict[int, tuple[Any, Any]] = {}
        self.lengths: list[int] = []

    def layer(self, index: int, key: Any, value: Any) -> tuple[Any, Any]:
        """Return the buffers of a layer, rows x heads x width x size."""
        if index not in self._kept:
            rows, width = self._shape
            # Zeros: what is masked still takes part in a product, and would make NaN of garbage.
            self._kept[index] = (
                key.new_zeros(rows, key.shape[1], width, key.shape[3]),
                value.new_zeros(rows, value.shape[1], width, value.shape[3]),
            )
        return self._kept[index]

    def keep(self, rows: Sequence[int]) -> list[int]:
        """Drop all but some rows, and return which old row now stands at each place; rows behind fill the gaps."""
        wanted, left = set(rows), sorted(rows, reverse=True)
        order = [place if place in wanted else left.pop(0) for place in range(len(rows))]
        with torch.inference_mode():
            for place, row in enumerate(order):
                if place != row:
                    for buffers in self._kept.values():
                        for kept in buffers:
                            kept[place, :, : self.lengths[row]] = kept[row, :, : self.lengths[row]]
        self.lengths = [self.lengths[row] for row in order]
        return order


class Packed:
    """A model that computes packed rows.

    Args:
        model: The transformers model.
        pad: Any valid token id, to fill up with.
    """

    def __init__(self, model: Any, pad: int) -> None:
        self._model, self._pad = model, pad
        self._config = model.config.get_text_config(decoder=True)

    @property
    def window(self) -> int:
        """Tokens up to which every layer sees all that came before, 0 for no limit."""
        found = [
            int(limit)
            for name in ("sliding_window", "attention_chunk_size")
            if (limit := getattr(self._config, name, None))
        ]
        return min(found, default=0)

    def read(self, pieces: Sequence[Piece]) -> list[Any]:
        """Compute pieces.

        Returns:
            Logits in float32 for each piece: behind its prompt, then behind every token of its tails.
        """
        logits = self._run(pieces, None, ())
        sizes = [1 + piece.size - len(piece.ids) for piece in pieces]
        return list(logits.split(sizes))

    def step(self, slots: Slots, tokens: Sequence[int], prompts: Sequence[Sequence[int]]) -> Any:
        """Go on with the replies in `slots` by one token each and begin new ones behind them.

        Returns:
            Logits in float32, behind each token and each prompt.
        """
        return self._run([Piece(ids) for ids in prompts], slots, tokens)

    def _run(self, pieces: Sequence[Piece], slots: Slots | None, tokens: Sequence[int]) -> Any:
        ids, positions = list(tokens), list(slots.lengths if slots else ())
        wanted, spans = list(range(len(ids))), []
        dtype, device = self._model.dtype, self._model.device
        for number, piece in enumerate(pieces):
            start, prompt = len(ids), len(piece.ids)
            ids += piece.ids
            positions += range(prompt)
            wanted.append(len(ids) - 1)
            for tail in piece.tails:
                wanted += range(len(ids), len(ids) + len(tail))
                ids += tail
                positions += range(prompt, prompt + len(tail))
            mask = _tails_mask(piece, dtype, device) if piece.size > prompt else None
            spans.append(_Span(start, prompt, len(ids), mask, len(tokens) + number if slots else -1))
        filling, more = -len(ids) % _TOKENS, -len(wanted) % _TOKENS
        row = torch.tensor([ids + [self._pad] * filling], device=device)
        places = torch.tensor([positions + [0] * filling], device=device)
        mask = _going_mask(slots.lengths, dtype, device) if slots and tokens else None
        with torch.inference_mode(), self._attending(_Plan(spans, slots, len(tokens), mask)):
            out = self._model(
                input_ids=row,
                position_ids=places,
                use_cache=False,
                logits_to_keep=torch.tensor(wanted + [0] * more, device=device),
            )
        if slots:
            slots.lengths = [length + 1 for length in slots.lengths] + [len(piece.ids) for piece in pieces]
        return out.logits[0, : len(wanted)].float()

    @contextmanager
    def _attending(self, plan: _Plan) -> Iterator[None]:
        before = self._config._attn_implementation
        token = _PLAN.set(plan)
        self._config._attn_implementation = NAME
        try:
            yield
        finally:
            self._config._attn_implementation = before
            _PLAN.reset(token)


_PLAN: ContextVar[_Plan] = ContextVar("hydrometer_packed")


def packed(network: Network, model: Any, pad: int, ids: Sequence[int]) -> Packed | None:
    """Return the model as one that computes packed rows, None where its layers do not allow it.

    Tried out, not looked up: recurrent layers let one request leak into the next, and some models have another kind of
    attention.

    Args:
        network: The same model, computing each request apart.
        model: The transformers model.
        pad: Any valid token id.
        ids: Some real text of at least twelve tokens.
    """
    config = model.config.get_text_config(decoder=True)
    # Elsewhere than on a processor it was not measured; there the kernels are others and padding is cheap.
    if network.device.type != "cpu" or getattr(config, "_attn_implementation", "") != "sdpa":
        return None
    found = Packed(model, pad)
    first, second, tail = list(ids[:9]), list(ids[3:8]), list(ids[9:12])
    try:
        ours = found.read([Piece(second), Piece(first, (tail[:2], tail[:1], tail[:2]))])
        slots = Slots(2, 16)
        found.step(slots, (), (second, first))
        going = found.step(slots, (tail[0], tail[0]), (first,))
    except (RuntimeError, TypeError, AttributeError, LookupError, EngineError):
        return None
    whole, _ = network.prefill([first + tail[:2]], keep=3)
    apart, _ = network.prefill([second])
    behind, _ = network.prefill([second + tail[:1]])
    pairs = [
        (whole[0], ours[1][:3]), (whole[0, 1], ours[1][3]), (whole[0, 1:], ours[1][4:]), (apart[0], ours[0]),
        (behind[0, 0], going[0]), (whole[0, 1], going[1]), (whole[0, 0], going[2]),
    ]  # fmt: skip
    return found if all(alike(model.dtype, left, right) for left, right in pairs) else None


def _tails_mask(piece: Piece, dtype: Any, device: Any) -> Any:
    """What the tails of a piece see, tails x whole piece: the prompt, and of themselves what came before."""
    seen = torch.zeros(piece.size - len(piece.ids), piece.size, dtype=torch.bool)
    seen[:, : len(piece.ids)] = True
    at = 0
    for tail in piece.tails:
        end = at + len(tail)
        seen[at:end, len(piece.ids) + at : len(piece.ids) + end] = torch.ones(len(tail), len(tail)).tril().bool()
        at = end
    return _additive(seen, dtype).to(device)


def _going_mask(lengths: Sequence[int], dtype: Any, device: Any) -> Any:
    """What each reply sees of its row, rows x 1 x 1 x width, the new token included."""
    width = -(-(max(lengths) + 1) // _WIDTH) * _WIDTH
    rows = [*lengths, *[0] * (_ROWS - len(lengths))]
    seen = torch.arange(width) <= torch.tensor(rows)[:, None]
    return _additive(seen, dtype)[:, None, None].to(device)


def _additive(seen: Any, dtype: Any) -> Any:
    return torch.zeros(seen.shape, dtype=dtype).masked_fill(~seen, -torch.inf)


def _attend(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, scaling: float | None = None, **more: Any
) -> tuple[Any, None]:
    """Attention of every request of a row by itself, in the place of transformers' own."""
    plan = _PLAN.get()
    strange = [name for name in _UNKNOWN if more.get(name) is not None]
    if strange or attention_mask is not None or not getattr(module, "is_causal", True):
        msg = f"attention with {', '.join(strange) or 'a mask of its own'} cannot be packed"
        raise EngineError(msg)
    out = query.new_zeros(query.shape[2], query.shape[1], value.shape[3])
    times = query.shape[1] // key.shape[1]
    if plan.slots is not None:
        kept = plan.slots.layer(module.layer_idx, key, value)
        if plan.going:
            out[: plan.going] = _go_on(plan, kept, (query, key, value), times, scaling)
        for span in plan.spans:
            kept[0][span.slot, :, : span.prompt] = key[0, :, span.start : span.stop]
            kept[1][span.slot, :, : span.prompt] = value[0, :, span.start : span.stop]
    if plan.spans:
        key, value = key.repeat_interleave(times, 1), value.repeat_interleave(times, 1)
    for start, prompt, stop, mask, _ in plan.spans:
        middle = start + prompt
        own = scaled_dot_product_attention(
            query[:, :, start:middle], key[:, :, start:middle], value[:, :, start:middle], is_causal=True, scale=scaling
        )
        out[start:middle] = own[0].transpose(0, 1)
        if mask is not None:
            behind = scaled_dot_product_attention(
                query[:, :, middle:stop], key[:, :, start:stop], value[:, :, start:stop], attn_mask=mask, scale=scaling
            )
            out[middle:stop] = behind[0].transpose(0, 1)
    return out[None], None


def _go_on(plan: _Plan, kept: tuple[Any, Any], new: tuple[Any, Any, Any], times: int, scaling: float | None) -> Any:
    """Attention of the replies that go on, over what is kept of each; replies x heads x size."""
    assert plan.slots is not None
    query, key, value = (part[0, :, : plan.going].transpose(0, 1) for part in new)
    rows, lengths = torch.arange(plan.going), torch.tensor(plan.slots.lengths)
    kept[0][rows, :, lengths], kept[1][rows, :, lengths] = key, value
    count, width = plan.mask.shape[0], plan.mask.shape[3]
    # The heads that share a key stand as rows of one product, instead of as many copies of the key.
    asked = query.new_zeros(count, key.shape[1], times, query.shape[2])
    asked[: plan.going] = query.reshape(plan.going, key.shape[1], times, query.shape[2])
    own = scaled_dot_product_attention(
        asked, kept[0][:count, :, :width], kept[1][:count, :, :width], attn_mask=plan.mask, scale=scaling
    )
    return own[: plan.going].reshape(plan.going, query.shape[1], value.shape[2])


ALL_ATTENTION_FUNCTIONS.register(NAME, _attend)
