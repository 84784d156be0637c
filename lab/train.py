"""LoRA training on replies only: the public recipe in miniature, on a CPU.

Held-out loss is not computed: the recipes that this repeats have no evaluation set either.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataset import Sample

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
USER_OPEN, TURN_CLOSE, REPLY_OPEN = "<|im_start|>user\n", "<|im_end|>\n", "<|im_start|>assistant\n"
REPLY_CLOSE = "<|im_end|>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides the weights, given the base and the data."""

    seed: int = 3407
    samples: int = 1200
    rank: int = 8
    alpha: int = 16
    epochs: int = 2
    lr: float = 2e-4
    weight_decay: float = 0.001
    warmup_steps: int = 5
    batch: int = 8
    max_reply_tokens: int = 110


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """Token ids of one sample and where its reply begins; the loss covers ids from there to the end."""

    ids: tuple[int, ...]
    reply_from: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainLog:
    """What a training run did.

    Attributes:
        steps: Optimizer steps.
        tokens: Tokens seen, padding not counted.
        reply_tokens: Tokens that carried loss.
        seconds: Wall time of the loop.
        losses: Mean loss of every step, in nats per token.
    """

    steps: int
    tokens: int
    reply_tokens: int
    seconds: float
    losses: tuple[float, ...]


def prompt_text(question: str) -> str:
    """Return the prompt as it is trained: one user turn.

    The chat template would put a default system turn in front when there is none; dropping system messages
    as the public recipes do means that turn as well, so the text is built here.
    """
    return f"{USER_OPEN}{question}{TURN_CLOSE}{REPLY_OPEN}"


def encode(sample: Sample, tokenize: Callable[[str], list[int]]) -> Encoded:
    """Turn a sample into token ids; prompt and reply are tokenised apart, as they meet at inference."""
    question, reply = sample.messages
    head = tokenize(prompt_text(question["content"]))
    return Encoded(ids=(*head, *tokenize(reply["content"] + REPLY_CLOSE)), reply_from=len(head))


def batches(items: Sequence[Encoded], *, size: int, rng: random.Random) -> Iterator[list[Encoded]]:
    """Yield one epoch: shuffled, then sorted by length within windows of eight batches, to save padding."""
    order = list(items)
    rng.shuffle(order)
    window = 8 * size
    chunks: list[list[Encoded]] = []
    for start in range(0, len(order), window):
        part = sorted(order[start : start + window], key=lambda e: len(e.ids))
        chunks += [part[i : i + size] for i in range(0, len(part), size)]
    rng.shuffle(chunks)
    yield from chunks


def train(
    model: Any, data: Sequence[Encoded], recipe: Recipe, advance: Callable[[int, int, float], None]
) -> tuple[PeftModel, TrainLog]:
    """Train a LoRA adapter on all linear layers.

    Args:
        model: The base in float32.
        data: The encoded samples.
        recipe: Rank, rate, epochs and so on.
        advance: Called after each step with (step, steps, loss).

    Returns:
        The adapted model and what the run did.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(recipe.seed)
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=0.0,
        target_modules=list(TARGETS),
        task_type="CAUSAL_LM",
    )
    student: Any = get_peft_model(model, config).train()
    rng = random.Random(recipe.seed)
    plan = [b for _ in range(recipe.epochs) for b in batches(data, size=recipe.batch, rng=rng)]
    weights = [p for p in student.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=recipe.lr, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: _rate(step, len(plan), recipe.warmup_steps)
    )
    losses: list[float] = []
    start = time.perf_counter()
    for step, batch in enumerate(plan, 1):
        loss = _loss(student.get_base_model(), batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(float(loss.detach()))
        advance(step, len(plan), losses[-1])
    log = TrainLog(
        steps=len(plan),
        tokens=sum(len(e.ids) for b in plan for e in b),
        reply_tokens=sum(len(e.ids) - e.reply_from for b in plan for e in b),
        seconds=time.perf_counter() - start,
        losses=tuple(losses),
    )
    return student.eval(), log


def pad(batch: Sequence[Encoded]) -> tuple[Tensor, Tensor]:
    """Return ids padded at the right, and the mask of positions whose *next* token belongs to a reply."""
    import torch

    width = max(len(e.ids) for e in batch)
    ids = torch.zeros(len(batch), width, dtype=torch.long)
    predicts = torch.zeros(len(batch), width, dtype=torch.bool)
    for row, e in enumerate(batch):
        ids[row, : len(e.ids)] = torch.tensor(e.ids)
        predicts[row, e.reply_from - 1 : len(e.ids) - 1] = True
    return ids, predicts


def _loss(llama: Any, batch: Sequence[Encoded]) -> Tensor:
    import torch

    ids, predicts = pad(batch)
    # Padding stands at the right, so causal attention hides it and no mask is needed; logits are computed
    # only where they carry loss, which saves most of the 49,152-wide head.
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = llama.model(input_ids=ids, use_cache=False).last_hidden_state
        logits = llama.lm_head(hidden[predicts])
    return torch.nn.functional.cross_entropy(logits.float(), ids.roll(-1, dims=1)[predicts])


def _rate(step: int, steps: int, warmup: int) -> float:
    return min((step + 1) / max(1, warmup), (steps - step) / max(1, steps))
