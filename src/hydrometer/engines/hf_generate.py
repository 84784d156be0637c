"""Replies by an own decoding loop: batches by length, a generator per row, ends decided on tokens.

For models that cannot be packed, see `hf_stream`. The library's own `generate` pads finished rows with the end token
and leaves the caller to guess where a reply ended, draws from one generator for the whole batch, and computes finished
rows to the end.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from hydrometer.engines.base import Answer
from hydrometer.engines.hf_network import Network, foreign, free_memory, is_out_of_memory
from hydrometer.engines.hf_prompt import Prompt, Prompter
from hydrometer.engines.hf_sample import Sampler
from hydrometer.errors import OutOfMemoryError
from hydrometer.items import cut_at
from hydrometer.outcomes import Completion, Finish


def generate(
    network: Network, prompter: Prompter, prompts: Sequence[Prompt], *, slots: int, budget: int, mixed: bool
) -> Iterator[Answer]:
    """Yield one answer per prompt as rows finish.

    Args:
        network: The model.
        prompter: Its tokenizer.
        prompts: The prompts, in any order.
        slots: Largest number of rows in a batch.
        budget: Largest number of cached tokens in a batch.
        mixed: Whether prompts of different lengths may share a batch.

    Raises:
        OutOfMemoryError: Even one row did not fit.
        EngineError: torch failed.
    """
    waiting = batches(prompts, slots=slots, budget=budget, mixed=mixed)
    while waiting:
        batch = waiting.pop()
        left = {id(prompt): prompt for prompt in batch}
        full = False
        try:
            for prompt, completion in _decode(network, prompter, batch):
                del left[id(prompt)]
                yield Answer(prompt.request, completion)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise foreign(error) from error
            full = True
        if full:
            # Outside of the handler, whose traceback would keep the failed batch alive.
            waiting += halves(list(left.values()))


def batches(prompts: Sequence[Prompt], *, slots: int, budget: int, mixed: bool) -> list[list[Prompt]]:
    """Group prompts of similar length, the longest last."""
    out: list[list[Prompt]] = []
    for prompt in sorted(prompts, key=lambda p: len(p.ids)):
        rows = [*out[-1], prompt] if out else [prompt]
        tokens = len(rows) * (len(prompt.ids) + max(p.request.max_tokens for p in rows))
        alike = mixed or len(rows[0].ids) == len(prompt.ids)
        if out and len(rows) <= slots and tokens <= budget and alike:
            out[-1].append(prompt)
        else:
            out.append([prompt])
    return out


def halves(batch: list[Prompt]) -> list[list[Prompt]]:
    """Split a batch that did not fit.

    Raises:
        OutOfMemoryError: It has only one row.
    """
    free_memory()
    if len(batch) <= 1:
        length = len(batch[0].ids) if batch else 0
        msg = (
            f"out of memory with a single request of {length} prompt tokens: "
            "use a smaller or quantised model, --dtype bfloat16, or a shorter --max-tokens"
        )
        raise OutOfMemoryError(msg)
    middle = len(batch) // 2
    return [batch[:middle], batch[middle:]]


def _decode(
    network: Network, prompter: Prompter, prompts: Sequence[Prompt]
) -> Iterator[tuple[Prompt, Completion]]:
    start = time.perf_counter()
    alive = list(prompts)
    written: dict[int, list[int]] = {id(p): [] for p in prompts}
    logits, state = network.prefill([p.ids for p in alive])
    logits = logits[:, -1]
    sampler = Sampler([p.request for p in alive], [p.ids for p in alive], logits.shape[-1], network.device)
    while True:
        picked = sampler.pick(logits)
        going: list[int] = []
        for row, token in enumerate(picked.tolist()):
            prompt, ids = alive[row], written[id(alive[row])]
            finish = ending(prompter, prompt, ids, token)
            if finish is None:
                going.append(row)
            else:
                yield prompt, reply(prompter, prompt, ids, finish, time.perf_counter() - start)
        if not going:
            return
        if len(going) < len(alive):
            alive = [alive[row] for row in going]
            network.select(state, going)
            sampler.select(going)
            picked = picked[going]
        logits = network.step(state, picked)


def ending(prompter: Prompter, prompt: Prompt, ids: list[int], token: int) -> Finish | None:
    """Append the newest token to a reply, but no end token, and return why the reply ends, None if it goes on."""
    if token in prompter.stops:
        return Finish.STOP
    ids.append(token)
    if _said_stop(prompter, ids, prompt.request.stops):
        return Finish.STOP
    return Finish.LENGTH if len(ids) >= prompt.request.max_tokens else None


def _said_stop(prompter: Prompter, ids: Sequence[int], stops: Sequence[str]) -> bool:
    """Whether the newest token completes one of some texts at which a reply ends."""
    if not stops:
        return False
    # Tokens without a character of their own are rare: a few more than characters is a safe tail.
    tail = prompter.decode(ids[-(max(map(len, stops)) + 8) :])
    return any(stop in tail for stop in stops)


def reply(prompter: Prompter, prompt: Prompt, ids: Sequence[int], finish: Finish, seconds: float) -> Completion:
    """Return the completion of a reply that has ended."""
    return Completion(
        text=cut_at(prompter.decode(ids), prompt.request.stops),
        finish=finish,
        token_ids=tuple(ids),
        prompt_tokens=len(prompt.ids),
        completion_tokens=len(ids),
        opens_thinking=prompt.opens_thinking,
        seconds=round(seconds, 4),
    )
