"""Choosing the next token of every row: greedy, or sampled with a generator per row.

Each request draws from its own generator, seeded by the request, so that a reply does not depend on the rows
that happen to share its batch. Order of the steps: penalties, temperature, top-k, top-p, min-p.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from hydrometer.items import Request

_COLUMNS = ("_greedy", "_temperature", "_top_k", "_top_p", "_min_p", "_presence", "_repetition")
_MARKS = ("_seen", "_written")


class Sampler:
    """Picks tokens for the rows of one batch.

    Args:
        requests: One request per row.
        prompts: Token ids of each row's prompt, which a repetition penalty counts as seen.
        vocabulary: Width of the logits.
        device: Where the logits are.
    """

    def __init__(
        self, requests: Sequence[Request], prompts: Sequence[Sequence[int]], vocabulary: int, device: Any
    ) -> None:
        self._device, self._vocabulary = device, vocabulary
        self._seeds = [torch.Generator().manual_seed(request.seed) for request in requests]
        decodings = [request.decoding for request in requests]
        self._greedy = self._column([d.greedy for d in decodings], torch.bool)
        self._temperature = self._column([d.temperature or 1.0 for d in decodings])
        self._top_k = self._column([d.top_k or vocabulary for d in decodings], torch.long)
        self._top_p = self._column([d.top_p for d in decodings])
        self._min_p = self._column([d.min_p for d in decodings])
        self._presence = self._column([d.presence_penalty for d in decodings])
        self._repetition = self._column([d.repetition_penalty for d in decodings])
        self._draws = not all(d.greedy for d in decodings)
        self._penalises = self._draws and any(
            d.presence_penalty != 0.0 or d.repetition_penalty != 1.0 for d in decodings
        )
        self._seen, self._written = self._none(), self._none()
        if self._penalises:
            for row, prompt in enumerate(prompts):
                self._seen[row, torch.tensor(prompt, dtype=torch.long, device=device)] = True

    def pick(self, logits: Any) -> Any:
        """Return the next token id of every row, given logits of rows x vocabulary in float32."""
        with torch.inference_mode():
            best = logits.argmax(-1)
            if not self._draws:
                return best
            chosen = torch.where(self._greedy[:, 0], best, self._sample(self._penalise(logits)))
            if self._penalises:
                self._seen.scatter_(1, chosen[:, None], True)  # noqa: FBT003
                self._written.scatter_(1, chosen[:, None], True)  # noqa: FBT003
            return chosen

    def select(self, rows: Sequence[int]) -> None:
        """Keep only some rows."""
        self._seeds = [self._seeds[row] for row in rows]
        index = torch.tensor(rows, dtype=torch.long, device=self._device)
        for name in _COLUMNS + (_MARKS if self._penalises else ()):
            setattr(self, name, getattr(self, name)[index])

    def join(self, other: Sampler) -> Sampler:
        """Put the rows of another sampler behind these and return the whole."""
        penalises = self._penalises or other._penalises
        for one in (self, other):
            if penalises and not one._penalises:
                one._penalises = True
                one._seen, one._written = one._none(), one._none()
        for name in _COLUMNS + (_MARKS if penalises else ()):
            setattr(self, name, torch.cat([getattr(self, name), getattr(other, name)]))
        self._seeds += other._seeds
        self._draws |= other._draws
        return self

    def _none(self) -> Any:
        """A mark for every row and token, all unset; no rows where nothing is penalised."""
        rows = len(self._seeds) if self._penalises else 0
        return torch.zeros(rows, self._vocabulary, dtype=torch.bool, device=self._device)

    def _column(self, values: Sequence[Any], dtype: Any = torch.float32) -> Any:
        return torch.tensor(values, dtype=dtype, device=self._device)[:, None]

    def _penalise(self, logits: Any) -> Any:
        if not self._penalises:
            return logits
        lowered = torch.where(logits > 0, logits / self._repetition, logits * self._repetition)
        return torch.where(self._seen, lowered, logits) - self._presence * self._written

    def _sample(self, logits: Any) -> Any:
        scores = logits / self._temperature
        # Sorting a whole vocabulary is slow; with a top-k nothing beyond it can be drawn.
        widest = int(self._top_k.max())
        values, ids = scores.topk(min(widest, scores.shape[-1]), dim=-1)
        rank = torch.arange(values.shape[-1], device=values.device)
        values = values.masked_fill(rank >= self._top_k, -torch.inf)
        chances = values.softmax(-1)
        # The mass before a token decides, so that the token that crosses the limit stays in.
        dropped = (chances.cumsum(-1) - chances >= self._top_p) & (rank > 0)
        dropped |= chances < self._min_p * chances[:, :1]
        mass = chances.masked_fill(dropped, 0.0).double().cumsum(-1)
        draws = [torch.rand((), generator=seed, dtype=torch.float64) for seed in self._seeds]
        level = torch.stack(draws).to(mass.device)[:, None] * mass[:, -1:]
        place = (mass <= level).sum(-1, keepdim=True).clamp(max=values.shape[-1] - 1)
        return ids.gather(-1, place)[:, 0]
