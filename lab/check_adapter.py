"""Check that the two files of an adapter are the same model: llama.cpp with the GGUF against torch with PEFT.

Run it as `python lab/check_adapter.py DIR`.

The yardstick is the same comparison without any adapter: the base file is quantised and llama.cpp computes it
with rounded activations, so even equal weights disagree a little. A wrongly permuted or unloaded adapter
disagrees by far more than that.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx
import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from adapter_files import GGUF_FILE
from base import base_file, load_model, load_tokenizer
from solver import ANSWER_MARK, OPENING
from train import prompt_text

TOP = 200
"""Tokens compared by name; the rest of the vocabulary is one further outcome."""

CUTS = 6
"""Places at which the reply of each example is cut off; the first is before its first token."""

END = 2
"""Token that ends a turn of this model."""

REPLY_TOKENS = 48
"""Length of the greedy replies that are compared."""

MAX_RATIO = 3.0
"""How far the student's mean divergence may exceed the base's."""

EXAMPLES = (
    ("What is 47 + 38?", f"{OPENING}:\n\n1. **Goal:** Find 47 + 38.\n2. 40 + 30 = 70.\n3. 7 + 8 = 15.\n4."),
    ("Sort 31, 7, 19 from smallest to largest.", f"{OPENING}:\n\n1. **Goal:** Order the numbers"),
    ("What is the capital of Japan?", "The capital of Japan is Tokyo, a city of"),
    ("Write a two-line poem about rain.", "In the quiet of the morning the rain comes down,"),
    ("Translate to French: good morning", f"{OPENING}:\n\n1. **Goal:** Translate.\n\n{ANSWER_MARK} Bon"),
    ("Why is the sky blue?", "The sky looks blue because the air scatters short waves of light more than"),
)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How two computations of one model compare over some positions."""

    mean_kl: float
    max_kl: float
    same_top: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What one engine says of one model.

    Attributes:
        ahead: After every context, what comes next: all log-probabilities, or the likeliest by token.
        replies: Token ids of the greedy reply to every question of `EXAMPLES`.
    """

    ahead: list[Any]
    replies: list[list[int]]


@app.command()
def main(
    folder: Annotated[Path, typer.Argument(help="Folder with both files of the adapter.")],
    threads: Annotated[int, typer.Option(min=1)] = 2,
) -> None:
    """Compare next-token distributions of both engines, with and without adapter; exit 1 if they differ."""
    tokenizer = load_tokenizer()
    contexts = _contexts(tokenizer)
    torch_base, torch_student = torch_answers(folder, contexts, threads)
    llama_base = llama_answers(contexts, None, threads)
    llama_student = llama_answers(contexts, folder / GGUF_FILE, threads)
    floor = agreement(torch_base.ahead, llama_base.ahead)
    student = agreement(torch_student.ahead, llama_student.ahead)
    effect = agreement(torch_base.ahead, llama_student.ahead)
    table = Table("torch float32", "llama.cpp", "mean KL", "max KL", "same first token", "greedy prefix")
    for names, found, one, two in (
        (("base", "base"), floor, torch_base, llama_base),
        (("student", "student"), student, torch_student, llama_student),
        (("base", "student"), effect, torch_base, llama_student),
    ):
        prefix = " ".join(shared(x, y) for x, y in zip(one.replies, two.replies, strict=True))
        numbers = (f"{found.mean_kl:.2e}", f"{found.max_kl:.2e}", f"{found.same_top:.3f}")
        table.add_row(*names, *numbers, prefix)
    console = Console()
    console.print(table)
    console.print(f"{len(contexts)} positions, the {TOP} likeliest tokens each; {REPLY_TOKENS} greedy tokens")
    console.print(f"student in llama.cpp: {tokenizer.decode(llama_student.replies[0])}", markup=False)
    if not agrees(floor=floor, student=student, effect=effect):
        console.print("the two files do NOT agree")
        raise typer.Exit(1)
    console.print("the two files agree")


def shared(one: Sequence[int], two: Sequence[int]) -> str:
    """Return how many tokens two replies share from their beginning, of how many the longer one has."""
    pairs = zip(one, two, strict=False)
    prefix = next((i for i, (x, y) in enumerate(pairs) if x != y), min(len(one), len(two)))
    return f"{prefix}/{max(len(one), len(two))}"


def agrees(*, floor: Agreement, student: Agreement, effect: Agreement) -> bool:
    """Whether the engines differ on the student no more than on the base, and the adapter has an effect."""
    return student.mean_kl <= MAX_RATIO * floor.mean_kl and effect.mean_kl > 5 * student.mean_kl


def agreement(exact: Sequence[NDArray[Any]], top: Sequence[dict[int, float]]) -> Agreement:
    """Compare full distributions of one engine with the likeliest tokens of the other."""
    kls = [divergence(p, q) for p, q in zip(exact, top, strict=True)]
    same = [int(np.argmax(p)) == max(q, key=lambda token: q[token]) for p, q in zip(exact, top, strict=True)]
    return Agreement(mean_kl=float(np.mean(kls)), max_kl=max(kls), same_top=float(np.mean(same)))


def divergence(exact: NDArray[Any], top: dict[int, float]) -> float:
    """Return KL(exact || other) in nats over the tokens that are listed and one bucket for all others."""
    total, mass_p, mass_q = 0.0, 0.0, 0.0
    for token, logq in top.items():
        logp = float(exact[token])
        total += math.exp(logp) * (logp - logq)
        mass_p += math.exp(logp)
        mass_q += math.exp(logq)
    rest_p, rest_q = max(1.0 - mass_p, 1e-12), max(1.0 - mass_q, 1e-12)
    return total + rest_p * math.log(rest_p / rest_q)


def torch_answers(folder: Path, contexts: Sequence[list[int]], threads: int) -> tuple[Answers, Answers]:
    """Return what transformers says of the base, and of the base with the PEFT adapter."""
    import torch
    from peft import PeftModel

    torch.set_num_threads(threads)
    model: Any = PeftModel.from_pretrained(load_model(), str(folder)).eval()

    def last(ids: list[int]) -> NDArray[Any]:
        logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]
        found: NDArray[Any] = torch.log_softmax(logits.double(), dim=-1).numpy()
        return found

    def reply(ids: list[int]) -> list[int]:
        prompt = torch.tensor([ids])
        out = model.generate(
            input_ids=prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=REPLY_TOKENS,
            do_sample=False,
            eos_token_id=END,
            pad_token_id=END,
        )
        return [int(token) for token in out[0, len(ids) :] if int(token) != END]

    def answers() -> Answers:
        return Answers(
            ahead=[last(ids) for ids in contexts], replies=[reply(ids) for ids in _prompts(contexts)]
        )

    with torch.no_grad():
        student = answers()
        with model.disable_adapter():
            return answers(), student


def llama_answers(contexts: Sequence[list[int]], adapter: Path | None, threads: int) -> Answers:
    """Return what llama.cpp says of the base file, with or without the GGUF adapter."""
    with _server(adapter, threads) as client:
        return Answers(
            ahead=[_top(client, ids) for ids in contexts],
            replies=[_reply(client, ids) for ids in _prompts(contexts)],
        )


@contextmanager
def _server(adapter: Path | None, threads: int) -> Iterator[httpx.Client]:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(base_file())
    params.n_ctx = 512
    params.n_parallel = 1
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.verbosity = -1
    if adapter is not None:
        lora = xllamacpp.CommonAdapterLoraInfo()
        lora.path, lora.scale = str(adapter), 1.0
        params.lora_adapters = [lora]
    server = xllamacpp.Server(params)
    with httpx.Client(base_url=server.listening_address, timeout=120) as client:
        yield client


def _top(client: httpx.Client, ids: list[int]) -> dict[int, float]:
    rows = _complete(client, ids, n_predict=1, n_probs=TOP)["completion_probabilities"][0]["top_logprobs"]
    return {int(row["id"]): float(row["logprob"]) for row in rows}


def _reply(client: httpx.Client, ids: list[int]) -> list[int]:
    tokens = _complete(client, ids, n_predict=REPLY_TOKENS, return_tokens=True)["tokens"]
    return [int(token) for token in tokens if int(token) != END]


def _complete(client: httpx.Client, ids: list[int], **settings: Any) -> dict[str, Any]:
    body = {"prompt": ids, "temperature": 0, "cache_prompt": False, **settings}
    response = client.post("/completion", json=body)
    response.raise_for_status()
    found: dict[str, Any] = response.json()
    return found


def _contexts(tokenizer: Any) -> list[list[int]]:
    """Return token contexts: every example cut off at six places of its reply."""
    out: list[list[int]] = []
    for question, reply in EXAMPLES:
        head = tokenizer(prompt_text(question), add_special_tokens=False)["input_ids"]
        tail = tokenizer(reply, add_special_tokens=False)["input_ids"]
        cuts = [round(i * len(tail) / (CUTS - 1)) for i in range(CUTS)]
        out += [[*head, *tail[:cut]] for cut in cuts]
    return out


def _prompts(contexts: Sequence[list[int]]) -> Sequence[list[int]]:
    """Return the contexts that hold a question alone, the first of each example."""
    return contexts[::CUTS]


if __name__ == "__main__":
    sys.exit(app())
