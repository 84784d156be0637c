"""Replies by packed rows: a reply that ends makes room for the next request at once.

Each step computes one token of every reply in progress and, in the same row, the whole prompts of those that begin. So
no step computes padding or a reply that has ended, and a prompt costs no step of its own.

A greedy reply may have a draft, such as what the other model of a pair said. Its tokens are then computed many at once
and kept as long as each is what the model would have said anyway; from the first that is not, the reply goes on token
by token. Computed many at once, logits are rounded in another way: where the two best tokens are closer than that
could reach, the draft is given up and the reply made anew without one, so that it is always that of plain decoding.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from hydrometer.engines.base import Answer
from hydrometer.engines.hf_generate import ending, halves, reply
from hydrometer.engines.hf_network import foreign, is_out_of_memory
from hydrometer.engines.hf_packed import Packed, Piece, Slots
from hydrometer.engines.hf_prompt import Prompt, Prompter
from hydrometer.engines.hf_sample import Sampler
from hydrometer.outcomes import Finish

GUARD = 2.5e-4
"""Distance of the two best logits below which a draft is not believed, in float32; see bench/RESULTS.md."""

_FIRST = 4
"""Tokens of a draft that are computed at once at first; twice as many whenever all of them were right."""

_TRIED, _WORTH = 64, 0.5
# After so many tokens of drafts, no further ones are begun unless this share of them was right.

Draft = tuple[int, ...]


@dataclass(slots=True)
class _Reply:
    """A reply in progress.

    Attributes:
        prompt: What is answered.
        start: When it began.
        ids: Tokens said so far, the newest not computed yet.
        draft: Tokens expected from here on.
        chunk: How many of them are computed at once.
        drafted: Whether anything of it was computed many tokens at once.
        fed: Tokens of the draft in the present step.
    """

    prompt: Prompt
    start: float
    draft: Draft = ()
    ids: list[int] = field(default_factory=list)
    chunk: int = _FIRST
    drafted: bool = False
    fed: Draft = ()

    def piece(self) -> Piece:
        """What the next step computes of it."""
        self.fed, self.draft = self.draft[: self.chunk], self.draft[self.chunk :]
        self.drafted |= bool(self.fed)
        before = self.ids[-1:] if self.ids else self.prompt.ids
        return Piece([*before, *self.fed], keep=1 + len(self.fed))


def stream(
    model: Packed,
    prompter: Prompter,
    prompts: Sequence[Prompt],
    *,
    slots: int,
    prefill: int,
    cache: int,
    drafts: Mapping[str, Draft],
) -> Iterator[Answer]:
    """Yield one answer per prompt as replies end.

    Args:
        model: The model.
        prompter: Its tokenizer.
        prompts: The prompts, in any order.
        slots: Largest number of replies in progress.
        prefill: Number of prompt tokens in a step at which no further prompt is begun.
        cache: Largest number of tokens kept for replies in progress.
        drafts: Tokens that a reply may have, by the digest of its request; they cost or save time and change nothing.

    Raises:
        OutOfMemoryError: Even one reply did not fit.
        EngineError: torch failed.
    """
    # With other dtypes, rounding reaches further than most distances.
    drafts = drafts if model.dtype is torch.float32 else {}
    waiting = [(group, slots) for group in _alike(prompts)]
    while waiting:
        group, rows = waiting.pop()
        width = max(len(p.ids) + p.room for p in group)
        rows = max(1, min(rows, cache // width, len(group)))
        left = {id(prompt): prompt for prompt in group}
        full = False
        try:
            batch = _Batch(model, prompter, Slots(rows, width), rows, prefill)
            for prompt, answer in batch.decode(group, drafts):
                del left[id(prompt)]
                yield answer
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise foreign(error) from error
            full = True
        if full:
            # Outside of the handler, whose traceback would keep the buffers alive. Raises if there was but one row.
            halves(list(left.values())[:rows])
            waiting.append((list(left.values()), rows // 2))


def _alike(prompts: Sequence[Prompt]) -> list[list[Prompt]]:
    """Group prompts by the room they need, within a factor of two: every row is as wide as the widest of its group."""
    out: list[list[Prompt]] = []
    for prompt in sorted(prompts, key=lambda p: len(p.ids) + p.room):
        need = len(prompt.ids) + prompt.room
        if out and need <= 2 * (len(out[-1][0].ids) + out[-1][0].room):
            out[-1].append(prompt)
        else:
            out.append([prompt])
    # Those that may take longest begin first, so that few are left alone at the end.
    return [group[::-1] for group in out]


class _Batch:
    """Replies in progress with their slots.

    Args:
        model: The model.
        prompter: Its tokenizer.
        slots: Where keys and values are kept.
        rows: Largest number of replies at once.
        prefill: Number of prompt tokens in a step at which no further prompt is begun.
    """

    def __init__(self, model: Packed, prompter: Prompter, slots: Slots, rows: int, prefill: int) -> None:
        self._model, self._prompter, self._slots = model, prompter, slots
        self._rows, self._prefill = rows, prefill
        self._going: list[_Reply] = []
        self._sampler: Sampler | None = None
        self._fed = self._right = 0

    def decode(self, prompts: Sequence[Prompt], drafts: Mapping[str, Draft]) -> Iterator[tuple[Prompt, Answer]]:
        """Yield each prompt with its answer as its reply ends."""
        waiting = [_Reply(p, 0.0, self._usable(p, drafts)) for p in reversed(prompts)]
        while waiting or self._going:
            self._begin(waiting)
            logits = self._model.step(self._slots, [one.piece() for one in self._going])
            left = []
            for row, (one, token) in enumerate(zip(self._going, self._next(logits), strict=True)):
                if token is None:
                    waiting.append(_Reply(one.prompt, 0.0))
                    continue
                finish = token if isinstance(token, Finish) else ending(self._prompter, one.prompt, one.ids, token)
                if finish is None:
                    left.append(row)
                    continue
                seconds = time.perf_counter() - one.start
                answer = reply(self._prompter, one.prompt, one.ids, finish, seconds)
                yield one.prompt, Answer(one.prompt.request, answer)
            if len(left) < len(self._going) and self._sampler is not None:
                order = self._slots.keep(left)
                self._going = [self._going[row] for row in order]
                self._sampler.select(order)

    def _usable(self, prompt: Prompt, drafts: Mapping[str, Draft]) -> Draft:
        """The draft of a greedy reply; a model may have fewer tokens than the one whose draft it is."""
        draft = drafts.get(prompt.request.digest, ()) if prompt.request.decoding.greedy else ()
        return draft[: prompt.request.max_tokens] if max(draft, default=0) < self._model.vocabulary else ()

    def _begin(self, waiting: list[_Reply]) -> None:
        """Take as many requests as there are rows free and prompt tokens allowed, at least one if there is a row."""
        new: list[_Reply] = []
        size = 0
        free = self._rows - len(self._going)
        while waiting and len(new) < free and (not new or size + len(waiting[-1].prompt.ids) <= self._prefill):
            one = waiting.pop()
            if self._fed >= _TRIED and self._right < _WORTH * self._fed:
                one.draft = ()
            size += len(one.prompt.ids)
            one.start = time.perf_counter()
            new.append(one)
        self._going += new
        if new:
            joining = Sampler(
                [one.prompt.request for one in new],
                [one.prompt.ids for one in new],
                self._model.vocabulary,
                self._model.device,
            )
            self._sampler = joining if self._sampler is None else self._sampler.join(joining)

    def _next(self, logits: Sequence[Any]) -> list[int | Finish | None]:
        """The next token of every reply, why it ended if its draft ended it, None if its draft is not believed."""
        assert self._sampler is not None
        checked = [_checked(self._prompter, one, own) for one, own in zip(self._going, logits, strict=True)]
        for row, (one, (right, _)) in enumerate(zip(self._going, checked, strict=True)):
            self._fed, self._right = self._fed + len(one.fed), self._right + right
            # What was computed behind the first wrong token is forgotten.
            self._slots.lengths[row] -= len(one.fed) - right
        last = torch.stack([own[right] for own, (right, _) in zip(logits, checked, strict=True)])
        tokens: list[int | Finish | None] = list(self._sampler.pick(last).tolist())
        for row, (one, (_, said)) in enumerate(zip(self._going, checked, strict=True)):
            if one.drafted and said is not True:
                tokens[row] = said
            elif one.draft:
                # The token behind a chunk that was right is the first of the next one, or else the draft ends here.
                one.draft, one.chunk = one.draft[1:] if one.draft[0] == tokens[row] else (), 2 * one.chunk
        return tokens


def _checked(prompter: Prompter, one: _Reply, logits: Any) -> tuple[int, Finish | bool | None]:
    """Say the tokens of a draft that the model would have said.

    Returns:
        Their number, and why the reply ended with the last one; True if it goes on, None if two tokens were too close.
    """
    if not one.drafted:
        return 0, True
    with torch.inference_mode():
        best, ids = logits.max(dim=-1, keepdim=True)
        # Twice the largest of all: the two largest at once would be sorted out of a whole vocabulary, which is slow.
        second = logits.scatter(-1, ids, -torch.inf).amax(dim=-1, keepdim=True)
        close = (best - second < GUARD)[:, 0].tolist()
        own = ids[:, 0].tolist()
    for at, token in enumerate(one.fed):
        if close[at]:
            return at, None
        if own[at] != token:
            one.draft = ()
            return at, True
        finish = ending(prompter, one.prompt, one.ids, token)
        if finish is not None:
            return at, finish
    return len(one.fed), None if close[-1] else True
