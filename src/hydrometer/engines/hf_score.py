"""Log-probabilities of choices: the prompt that they share is computed once.

Where the model allows it, prompts and choices of several requests stand in one packed row. Elsewhere the cached prompt
is repeated once per choice and continued by the choice's tokens. Both have logits at the wanted positions only, both
are exact (the naive way gives the same to rounding), and both save most of the work: four short choices behind a prompt
of 150 tokens cost little more than the prompt.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch

from hydrometer.engines.base import Answer
from hydrometer.engines.hf_generate import halves
from hydrometer.engines.hf_network import Network, Safety, foreign, is_out_of_memory
from hydrometer.engines.hf_packed import Packed, Piece
from hydrometer.engines.hf_prompt import Prompt
from hydrometer.items import Request
from hydrometer.outcomes import ChoiceScore, Completion

_LOGITS = 1 << 27
"""Largest number of logits held at once, half a gigabyte in float32."""

_PIECE = 256
"""Tokens of a text computed at once."""

Encode = Callable[[str], tuple[int, ...]]

_SPREAD = 4
"""How many times the prefill budget the cache may hold once it is repeated per choice."""


class _Score(NamedTuple):
    """Log-probability of a choice, and whether each of its tokens was the most probable one."""

    logprob: float
    greedy: bool


def score(
    network: Network, prompts: Sequence[Prompt], *, method: str, budget: int, vocabulary: int, safety: Safety
) -> Iterator[Answer]:
    """Yield one answer per prompt, batch by batch.

    Args:
        network: The model.
        prompts: The prompts with their choices' tokens, in any order.
        method: Name of the method, for the completions.
        budget: Largest number of prompt tokens in a batch.
        vocabulary: Width of the logits.
        safety: What the model allows.

    Raises:
        OutOfMemoryError: Even one request did not fit.
        EngineError: torch failed.
    """
    waiting = _batches(prompts, budget=budget, vocabulary=vocabulary, mixed=safety.padding)

    def compute(batch: Sequence[Prompt]) -> list[list[_Score]]:
        return _with_prefix(network, batch) if safety.prefix else [_naive(network, p) for p in batch]

    yield from _answers(waiting, compute, method)


def score_packed(
    model: Packed, prompts: Sequence[Prompt], *, method: str, budget: int, vocabulary: int
) -> Iterator[Answer]:
    """Yield one answer per prompt, packed row by packed row; arguments and errors as those of `score`."""

    def compute(batch: Sequence[Prompt]) -> list[list[_Score]]:
        # What stands behind the last token of a choice is not wanted.
        logits = model.read([Piece(p.ids, [choice[:-1] for choice in p.choices]) for p in batch])
        return [_packed_scores(p, own) for p, own in zip(batch, logits, strict=True)]

    yield from _answers(_rows(prompts, budget=budget, vocabulary=vocabulary), compute, method)


def _answers(
    waiting: list[list[Prompt]], compute: Callable[[Sequence[Prompt]], list[list[_Score]]], method: str
) -> Iterator[Answer]:
    while waiting:
        batch = waiting.pop()
        start = time.perf_counter()
        scores: list[list[_Score]] | None = None
        try:
            scores = compute(batch)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise foreign(error) from error
        if scores is None:
            waiting += halves(batch)
            continue
        seconds = (time.perf_counter() - start) / len(batch)
        for prompt, values in zip(batch, scores, strict=True):
            yield Answer(prompt.request, _completion(prompt, values, method, seconds))


def score_texts(
    network: Network, requests: Sequence[Request], encode: Encode, *, prefix: int, context: int, safety: Safety
) -> Iterator[Answer]:
    """Yield the log-probability of whole texts, a request's choices, each standing alone.

    Windows as in lm-eval: every token is predicted once, behind `prefix` at first, then behind one token of context at
    least and a full window in the last one.

    Args:
        network: The model.
        requests: What to score.
        encode: Makes token ids of a text.
        prefix: Token before a text.
        context: Largest number of tokens in a window.
        safety: What the model allows.

    Raises:
        EngineError: torch failed or memory ran out.
    """
    for request in requests:
        start = time.perf_counter()
        scores = []
        for text in request.choices:
            ids = encode(text)
            try:
                parts = [_window(network, *window, safety=safety) for window in windows(ids, prefix, context)]
            except (RuntimeError, MemoryError) as error:
                raise foreign(error) from error
            total = math.fsum(part.logprob for part in parts)
            greedy = all(part.greedy for part in parts)
            scores.append(ChoiceScore(logprob=total, tokens=len(ids), greedy=greedy))
        seconds = round(time.perf_counter() - start, 4)
        yield Answer(
            request,
            Completion(
                choices=tuple(scores),
                method=request.method,
                prompt_tokens=sum(score.tokens for score in scores),
                seconds=seconds,
            ),
        )


def windows(
    ids: Sequence[int], prefix: int, context: int
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Yield what stands before and what is predicted, for each window of a text."""
    done = min(context, len(ids))
    yield (prefix,), tuple(ids[:done])
    while done < len(ids):
        end = min(done + context, len(ids))
        # The last window is a full one; what it predicts begins where the one before it ended.
        yield tuple(ids[end - context - 1 : done]), tuple(ids[done:end])
        done = end


def _window(network: Network, before: Sequence[int], tokens: Sequence[int], *, safety: Safety) -> _Score:
    if not safety.prefix:
        logits, _ = network.prefill([(*before, *tokens[:-1])], keep=len(tokens))
        return _scored(logits[0], tokens)
    # Piece by piece behind the same cache: the logits of a whole window at once would fill the memory.
    logits, state = network.prefill([before])
    parts = [_scored(logits[0], tokens[:1])]
    for at in range(1, len(tokens), _PIECE):
        piece = tokens[at : at + _PIECE]
        behind = network.extend(state, [tokens[at - 1 : at - 1 + len(piece)]])
        parts.append(_scored(behind[0].float(), piece))
    return _Score(math.fsum(part.logprob for part in parts), all(part.greedy for part in parts))


def _batches(prompts: Sequence[Prompt], *, budget: int, vocabulary: int, mixed: bool) -> list[list[Prompt]]:
    out: list[list[Prompt]] = []
    for prompt in sorted(prompts, key=lambda p: len(p.ids)):
        rows = [*out[-1], prompt] if out else [prompt]
        copies = sum(len(p.choices) for p in rows)
        longest = max(p.longest for p in rows)
        fits = (
            len(rows) * len(prompt.ids) <= budget
            and copies * (len(prompt.ids) + longest) <= _SPREAD * budget
            and copies * longest * vocabulary <= _LOGITS
            and (mixed or len(rows[0].ids) == len(prompt.ids))
        )
        if out and fits:
            out[-1].append(prompt)
        else:
            out.append([prompt])
    return out


def _rows(prompts: Sequence[Prompt], *, budget: int, vocabulary: int) -> list[list[Prompt]]:
    """Fill rows up to a number of tokens and of logits, in the order given and the first one last."""
    out: list[list[Prompt]] = []
    tokens = wanted = 0
    for prompt in prompts:
        tails = sum(len(choice) - 1 for choice in prompt.choices)
        tokens, wanted = tokens + len(prompt.ids) + tails, wanted + tails + 1
        if out and tokens <= budget and wanted * vocabulary <= _LOGITS:
            out[-1].append(prompt)
        else:
            out.append([prompt])
            tokens, wanted = len(prompt.ids) + tails, tails + 1
    return out[::-1]


def _packed_scores(prompt: Prompt, logits: torch.Tensor) -> list[_Score]:
    """Score the choices of one prompt by the logits behind it and behind each choice's tokens but the last."""
    places, at = [], 1
    for choice in prompt.choices:
        places += [0, *range(at, at + len(choice) - 1)]
        at += len(choice) - 1
    ids = torch.tensor([token for choice in prompt.choices for token in choice])
    with torch.inference_mode():
        index = torch.tensor(places)
        values = (logits[index, ids] - logits.logsumexp(-1)[index]).double().tolist()
        best = (logits.argmax(-1)[index] == ids).tolist()
    out, at = [], 0
    for choice in prompt.choices:
        end = at + len(choice)
        out.append(_Score(sum(values[at:end]), all(best[at:end])))
        at = end
    return out


def _with_prefix(network: Network, batch: Sequence[Prompt]) -> list[list[_Score]]:
    logits, state = network.prefill([p.ids for p in batch])
    with torch.inference_mode():
        first = logits[:, -1].log_softmax(-1)
        best = first.argmax(-1).tolist()
    totals = [
        [_Score(float(first[row, choice[0]]), best[row] == choice[0]) for choice in p.choices]
        for row, p in enumerate(batch)
    ]
    # The first token of each choice is known already, and the logits behind its last one are not wanted.
    jobs = [(r, c) for r, p in enumerate(batch) for c, choice in enumerate(p.choices) if len(choice) > 1]
    if not jobs:
        return totals
    tails = [batch[r].choices[c] for r, c in jobs]
    network.select(state, [r for r, _ in jobs])
    behind = network.extend(state, [tail[:-1] for tail in tails])
    for (r, c), rest in zip(jobs, _rests(behind, tails), strict=True):
        start = totals[r][c]
        totals[r][c] = _Score(start.logprob + rest.logprob, start.greedy and rest.greedy)
    return totals


def _rests(logits: torch.Tensor, tails: Sequence[Sequence[int]]) -> list[_Score]:
    """Score each tail's tokens from its second on."""
    with torch.inference_mode():
        return [_scored(logits[row, : len(tail) - 1].float(), tail[1:]) for row, tail in enumerate(tails)]


def _scored(logits: torch.Tensor, tokens: Sequence[int]) -> _Score:
    """Score tokens by the logits before each, tokens x vocabulary in float32."""
    wanted = torch.tensor(tokens, device=logits.device)
    values = logits.log_softmax(-1)
    total = float(values.gather(-1, wanted[:, None]).double().sum())
    return _Score(total, bool((values.argmax(-1) == wanted).all()))


def _naive(network: Network, prompt: Prompt) -> list[_Score]:
    """Score each choice by a whole sequence of its own, for models whose cache cannot be continued."""
    totals = []
    for choice in prompt.choices:
        logits, _ = network.prefill([(*prompt.ids, *choice)], keep=len(choice) + 1)
        with torch.inference_mode():
            totals.append(_scored(logits[0, :-1], choice))
    return totals


def _completion(prompt: Prompt, scores: Sequence[_Score], method: str, seconds: float) -> Completion:
    return Completion(
        choices=tuple(
            ChoiceScore(logprob=value.logprob, tokens=len(choice), greedy=value.greedy)
            for value, choice in zip(scores, prompt.choices, strict=True)
        ),
        method=method,
        prompt_tokens=len(prompt.ids),
        opens_thinking=prompt.opens_thinking,
        seconds=round(seconds, 4),
    )
