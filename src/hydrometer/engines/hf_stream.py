"""Replies by packed rows: a reply that ends makes room for the next request at once.

Each step computes one token of every reply in progress and, in the same row, the whole prompts of those that begin. So
no step computes padding or a reply that has ended, and a prompt costs no step of its own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hydrometer.engines.base import Answer
from hydrometer.engines.hf_generate import ending, halves, reply
from hydrometer.engines.hf_network import foreign, is_out_of_memory
from hydrometer.engines.hf_packed import Packed, Slots
from hydrometer.engines.hf_prompt import Prompt, Prompter
from hydrometer.engines.hf_sample import Sampler


@dataclass(slots=True)
class _Reply:
    """A reply in progress."""

    prompt: Prompt
    start: float
    ids: list[int] = field(default_factory=list)


def stream(
    model: Packed, prompter: Prompter, prompts: Sequence[Prompt], *, slots: int, prefill: int, cache: int
) -> Iterator[Answer]:
    """Yield one answer per prompt as replies end.

    Args:
        model: The model.
        prompter: Its tokenizer.
        prompts: The prompts, in any order.
        slots: Largest number of replies in progress.
        prefill: Number of prompt tokens in a step at which no further prompt is begun.
        cache: Largest number of tokens kept for replies in progress.

    Raises:
        OutOfMemoryError: Even one reply did not fit.
        EngineError: torch failed.
    """
    waiting = [(group, slots) for group in _alike(prompts)]
    while waiting:
        group, rows = waiting.pop()
        width = max(len(p.ids) + p.room for p in group)
        rows = max(1, min(rows, cache // width, len(group)))
        left = {id(prompt): prompt for prompt in group}
        full = False
        try:
            for prompt, answer in _decode(model, prompter, group, Slots(rows, width), rows, prefill):
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


def _decode(
    model: Packed, prompter: Prompter, prompts: Sequence[Prompt], slots: Slots, rows: int, prefill: int
) -> Iterator[tuple[Prompt, Answer]]:
    waiting = list(prompts)[::-1]
    going: list[_Reply] = []
    tokens: list[int] = []
    sampler: Sampler | None = None
    while waiting or going:
        new = _begin(waiting, rows - len(going), prefill)
        logits = model.step(slots, tokens, [one.prompt.ids for one in new])
        going += new
        if new:
            joining = Sampler(
                [one.prompt.request for one in new], [one.prompt.ids for one in new], logits.shape[-1], logits.device
            )
            sampler = joining if sampler is None else sampler.join(joining)
        assert sampler is not None
        tokens = sampler.pick(logits).tolist()
        left = []
        for row, (one, token) in enumerate(zip(going, tokens, strict=True)):
            finish = ending(prompter, one.prompt, one.ids, token)
            if finish is None:
                left.append(row)
                continue
            seconds = time.perf_counter() - one.start
            yield one.prompt, Answer(one.prompt.request, reply(prompter, one.prompt, one.ids, finish, seconds))
        if len(left) < len(going):
            order = slots.keep(left)
            going, tokens = [going[row] for row in order], [tokens[row] for row in order]
            sampler.select(order)


def _begin(waiting: list[Prompt], rows: int, prefill: int) -> list[_Reply]:
    """Take as many requests as there are rows free and prompt tokens allowed, at least one if there is a row."""
    new: list[_Reply] = []
    size = 0
    while waiting and len(new) < rows and (not new or size + len(waiting[-1].ids) <= prefill):
        prompt = waiting.pop()
        size += len(prompt.ids)
        new.append(_Reply(prompt, time.perf_counter()))
    return new
