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

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import partial
from threading import Lock
from typing import Any, NamedTuple

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from hydrometer.engines.hf_head import Head
from hydrometer.engines.hf_network import Network, alike
from hydrometer.engines.hf_team import Team, may_share, shares
from hydrometer.errors import EngineError

NAME = "hydrometer_packed"
"""Under which transformers knows the attention of this file. It makes no masks for a name that it does not know."""

_TOKENS, _WIDTH, _ROWS = 4, 16, 4
# Counts are rounded up to these, see above; a single row of a decoding step takes another path through the kernel.

_UNKNOWN = ("softcap", "s_aux", "position_bias")
"""Arguments that change what attention is and that this one does not know."""


class Piece(NamedTuple):
    """Tokens that stand one behind the other, and what may follow them: each tail sees these tokens and itself.

    `keep` is the number of last tokens, tails aside, behind which logits are wanted.
    """

    ids: Sequence[int]
    tails: Sequence[Sequence[int]] = ()
    keep: int = 1

    @property
    def wanted(self) -> int:
        """Number of logits that it gets."""
        return self.keep + sum(map(len, self.tails))


class _Span(NamedTuple):
    """Where a piece stands in the row, and the row of `Slots` that keeps it (-1: none) behind `past` tokens.

    `mask` is for its tails, or for all of it where it goes on with a reply.
    """

    start: int
    middle: int
    stop: int
    slot: int
    past: int
    mask: Any


class _Plan(NamedTuple):
    """What attention must know of a row: spans, and replies that go on by one token, by their place and their slot.

    Without drafts, places and slots are the same first ones; `places` is then a slice, which copies nothing. Behind
    `used` tokens stands what fills the row up.
    """

    spans: Sequence[_Span]
    slots: _Part | None
    places: Any
    rows: Any
    lengths: Any
    mask: Any
    used: int


class Slots:
    """Keys and values of replies in progress: reply `i` is the first `lengths[i]` positions of row `i`.

    Args:
        rows: Largest number of replies at once.
        width: Largest number of tokens of one, prompt included.
    """

    def __init__(self, rows: int, width: int) -> None:
        # Any row may be the first of a part, which never has fewer.
        self._shape = rows + _ROWS - 1, -(-width // _WIDTH) * _WIDTH
        self._kept: dict[int, tuple[Any, Any]] = {}
        self._making = Lock()
        self.lengths: list[int] = []

    def layer(self, index: int, key: Any, value: Any) -> tuple[Any, Any]:
        """Return the buffers of a layer, rows x heads x width x size."""
        with self._making:
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


class _Part:
    """Some rows of `Slots`, for a thread of its own."""

    def __init__(self, whole: Slots, first: int, last: int) -> None:
        self._whole, self._first = whole, first
        self.lengths = whole.lengths[first:last]

    def layer(self, index: int, key: Any, value: Any) -> tuple[Any, Any]:
        """Return the buffers of a layer from the first of these rows on."""
        keys, values = self._whole.layer(index, key, value)
        return keys[self._first :], values[self._first :]


class Packed:
    """A model that computes packed rows.

    Args:
        model: The transformers model.
        pad: Any valid token id, to fill up with.
        active: Switches adapters of the model on or off while something is computed.
    """

    def __init__(
        self, model: Any, pad: int, active: Callable[[], AbstractContextManager[Any]] = nullcontext
    ) -> None:
        self._model, self._pad, self._active = model, pad, active
        self._config = model.config.get_text_config(decoder=True)
        self.dtype, self.device = model.dtype, model.device
        self.vocabulary = int(self._config.vocab_size)
        self._team = Team() if may_share(self._config) else None
        self._head = Head(model)

    @property
    def attention(self) -> str:
        """The model's own attention by its name in transformers."""
        return str(getattr(self._config, "_attn_implementation", ""))

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
            Logits in float32 for each piece: behind the last of its tokens, then behind every token of its tails.
        """
        return self._run(pieces, None)

    def step(self, slots: Slots, pieces: Sequence[Piece]) -> list[Any]:
        """Go on with the replies in `slots`, one piece each, and begin new ones with the pieces behind them.

        Returns:
            Logits in float32 for each piece, behind the last of its tokens.
        """
        logits = self._run(pieces, slots)
        had = [*slots.lengths, *[0] * (len(pieces) - len(slots.lengths))]
        slots.lengths = [past + len(piece.ids) for past, piece in zip(had, pieces, strict=True)]
        return logits

    def _run(self, pieces: Sequence[Piece], slots: Slots | None) -> list[Any]:
        sizes = [len(piece.ids) + sum(map(len, piece.tails)) for piece in pieces]
        parts = shares(sizes, torch.get_num_threads() if self._team else 1)
        jobs = [
            partial(self._part, pieces[first:last], _Part(slots, first, last) if slots else None)
            for first, last in parts
        ]
        # Scores want few logits of many tokens, which is fast anyway, and the model's own head rounds a little less.
        head = self._head.in_place() if slots else nullcontext()
        with self._active(), self._attending(), head:
            found = self._team.run(jobs) if self._team else [job() for job in jobs]
        return [logits for own in found for logits in own]

    def _part(self, pieces: Sequence[Piece], slots: _Part | None) -> list[Any]:
        ids: list[int] = []
        positions: list[int] = []
        wanted: list[int] = []
        spans, places = [], {}
        dtype, device = self.dtype, self.device
        lengths = slots.lengths if slots else []
        for number, piece in enumerate(pieces):
            past = lengths[number] if number < len(lengths) else 0
            start, middle = len(ids), len(ids) + len(piece.ids)
            ids += piece.ids
            positions += range(past, past + len(piece.ids))
            for tail in piece.tails:
                ids += tail
                positions += range(len(piece.ids), len(piece.ids) + len(tail))
            wanted += range(middle - piece.keep, len(ids))
            if past and len(piece.ids) == 1:
                places[number] = start
                continue
            mask = _mask(piece, past, dtype).to(device) if past or piece.tails else None
            spans.append(_Span(start, middle, len(ids), number if slots else -1, past, mask))
        filling, more = -len(ids) % _TOKENS, -len(wanted) % _TOKENS
        row = torch.tensor([ids + [self._pad] * filling], device=device)
        position = torch.tensor([positions + [0] * filling], device=device)
        with torch.inference_mode(), _planned(_plan(spans, slots, places, dtype, device)):
            out = self._model(
                input_ids=row,
                position_ids=position,
                use_cache=False,
                logits_to_keep=torch.tensor(wanted + [0] * more, device=device),
            )
            return list(out.logits[0, : len(wanted)].float().split([piece.wanted for piece in pieces]))

    @contextmanager
    def _attending(self) -> Iterator[None]:
        before = self._config._attn_implementation
        self._config._attn_implementation = NAME
        try:
            yield
        finally:
            self._config._attn_implementation = before


_PLAN: ContextVar[_Plan] = ContextVar("hydrometer_packed")


@contextmanager
def _planned(plan: _Plan) -> Iterator[None]:
    """Say to attention what it must know, in this thread alone."""
    token = _PLAN.set(plan)
    try:
        yield
    finally:
        _PLAN.reset(token)


def packed(network: Network, found: Packed, ids: Sequence[int]) -> Packed | None:
    """Return the model as one that computes packed rows, None where its layers do not allow it.

    Tried out, not looked up: recurrent layers let one request leak into the next, and some models have another kind of
    attention.

    Args:
        network: The same model, computing each request apart.
        found: The model, of which it is not known yet.
        ids: Some real text of at least twelve tokens.
    """
    # Elsewhere than on a processor it was not measured; there the kernels are others and padding is cheap.
    if network.device.type != "cpu" or found.attention != "sdpa":
        return None
    first, second, tail = list(ids[:9]), list(ids[3:8]), list(ids[9:12])
    try:
        ours = found.read([Piece(second), Piece(first, (tail[:2], tail[:1], tail[:2]))])
        slots = Slots(2, 16)
        found.step(slots, [Piece(second), Piece(first)])
        going = found.step(slots, [Piece(tail[:1]), Piece(tail[:2], keep=2), Piece(first)])
    except (RuntimeError, TypeError, AttributeError, LookupError, EngineError):
        return None
    whole, _ = network.prefill([first + tail[:2]], keep=3)
    apart, _ = network.prefill([second])
    behind, _ = network.prefill([second + tail[:1]])
    pairs = [
        (whole[0], ours[1][:3]), (whole[0, 1], ours[1][3]), (whole[0, 1:], ours[1][4:]), (apart[0], ours[0]),
        (behind[0], going[0]), (whole[0, 1:], going[1]), (whole[0, :1], going[2]),
    ]  # fmt: skip
    return found if all(alike(found.dtype, left, right) for left, right in pairs) else None


def _plan(spans: Sequence[_Span], slots: _Part | None, places: dict[int, int], dtype: Any, device: Any) -> _Plan:
    """Put together what attention must know; `places` says where the one token of a row of `slots` stands."""
    lengths = slots.lengths if slots and places else []
    mask = _going_mask(lengths, dtype).to(device) if lengths else None
    rows = torch.tensor(list(places), dtype=torch.long, device=device)
    where = torch.tensor(list(places.values()), dtype=torch.long, device=device)
    past = torch.tensor(lengths, dtype=torch.long, device=device)[rows]
    if list(places.items()) == [(row, row) for row in range(len(places))]:
        where = slice(len(places))
    used = max([*[span.stop for span in spans], *[place + 1 for place in places.values()]])
    return _Plan(spans, slots, where, rows, past, mask, used)


def _mask(piece: Piece, past: int, dtype: Any) -> Any:
    """What tokens of a piece see: those that go on with a reply all before them; tails the piece and of themselves."""
    size = len(piece.ids)
    if past:
        return _additive(torch.ones(size, past + size).tril(past).bool(), dtype)
    lengths = [len(tail) for tail in piece.tails]
    seen = torch.zeros(sum(lengths), size + sum(lengths), dtype=torch.bool)
    seen[:, :size] = True
    at = 0
    for length in lengths:
        end = at + length
        seen[at:end, size + at : size + end] = torch.ones(length, length).tril().bool()
        at = end
    return _additive(seen, dtype)


def _going_mask(lengths: Sequence[int], dtype: Any) -> Any:
    """What each reply sees of its row, rows x 1 x 1 x width, the new token included."""
    width = -(-(max(lengths) + 1) // _WIDTH) * _WIDTH
    rows = [*lengths, *[0] * (_ROWS - len(lengths))]
    seen = torch.arange(width) <= torch.tensor(rows)[:, None]
    return _additive(seen, dtype)[:, None, None]


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
    out = query.new_empty(query.shape[2], query.shape[1], value.shape[3])
    # What nothing is written to could be NaN.
    out[plan.used :] = 0
    times = query.shape[1] // key.shape[1]
    kept = plan.slots.layer(module.layer_idx, key, value) if plan.slots is not None else None
    if kept is not None and len(plan.rows):
        out[plan.places] = _go_on(plan, kept, (query, key, value), times, scaling)
    for span in plan.spans:
        own = slice(span.start, span.stop)
        keys, values = key[:, :, own], value[:, :, own]
        if kept is not None:
            end = span.past + span.stop - span.start
            kept[0][span.slot, :, span.past : end], kept[1][span.slot, :, span.past : end] = keys[0], values[0]
            if span.past:
                keys, values = kept[0][span.slot, None, :, :end], kept[1][span.slot, None, :, :end]
        keys, values = keys.repeat_interleave(times, 1), values.repeat_interleave(times, 1)
        middle = span.start
        if not span.past:
            middle, size = span.middle, span.middle - span.start
            first = scaled_dot_product_attention(
                query[:, :, span.start : middle], keys[:, :, :size], values[:, :, :size], is_causal=True, scale=scaling
            )
            out[span.start : middle] = first[0].transpose(0, 1)
        if span.mask is not None:
            asked = query[:, :, middle : span.stop]
            rest = scaled_dot_product_attention(asked, keys, values, attn_mask=span.mask, scale=scaling)
            out[middle : span.stop] = rest[0].transpose(0, 1)
    return out[None], None


def _go_on(plan: _Plan, kept: tuple[Any, Any], new: tuple[Any, Any, Any], times: int, scaling: float | None) -> Any:
    """Attention of the replies that go on by one token, over what is kept of each; replies x heads x size."""
    query, key, value = (part[0, :, plan.places].transpose(0, 1) for part in new)
    kept[0][plan.rows, :, plan.lengths], kept[1][plan.rows, :, plan.lengths] = key, value
    together = isinstance(plan.places, slice)
    going, width = len(plan.rows), plan.mask.shape[3]
    count = max(going, _ROWS) if together else plan.mask.shape[0]
    # The heads that share a key stand as rows of one product, instead of as many copies of the key.
    asked = query.reshape(going, key.shape[1], times, query.shape[2])
    if count > going or not together:
        some, asked = asked, query.new_zeros(count, *asked.shape[1:])
        asked[plan.rows] = some
    own = scaled_dot_product_attention(
        asked, kept[0][:count, :, :width], kept[1][:count, :, :width], attn_mask=plan.mask[:count], scale=scaling
    )
    return (own[:going] if together else own[plan.rows]).reshape(going, query.shape[1], value.shape[2])


ALL_ATTENTION_FUNCTIONS.register(NAME, _attend)
