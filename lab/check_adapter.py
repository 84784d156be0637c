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


@app.command()
def main(
    folder: Annotated[Path, typer.Argument(help="Folder with both files of the adapter.")],
    threads: Annotated[int, typer.Option(min=1)] = 2,
) -> None:
    """Compare next-token distributions of both engines, with and without adapter; exit 1 if they differ."""
    contexts = _contexts(load_tokenizer())
    torch_base, torch_student = torch_logprobs(folder, contexts, threads)
    llama_base = llama_top(contexts, None, threads)
    llama_student = llama_top(contexts, folder / GGUF_FILE, threads)
    floor = agreement(torch_base, llama_base)
    student = agreement(torch_student, llama_student)
    effect = agreement(torch_base, llama_student)
    table = Table("torch float32", "llama.cpp", "mean KL", "max KL", "same first token")
    for names, found in (
        (("base", "base"), floor),
        (("student", "student"), student),
        (("base", "student"), effect),
    ):
        table.add_row(*names, f"{found.mean_kl:.2e}", f"{found.max_kl:.2e}", f"{found.same_top:.3f}")
    console = Console()
    console.print(table)
    console.print(f"{len(contexts)} positions, the {TOP} likeliest tokens each")
    if not agrees(floor=floor, student=student, effect=effect):
        console.print("the two files do NOT agree")
        raise typer.Exit(1)
    console.print("the two files agree")


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


def torch_logprobs(
    folder: Path, contexts: Sequence[list[int]], threads: int
) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """Return log-probabilities after every context, of the base and of the base with the PEFT adapter."""
    import torch
    from peft import PeftModel

    torch.set_num_threads(threads)
    model: Any = PeftModel.from_pretrained(load_model(), str(folder)).eval()

    def last(ids: list[int]) -> NDArray[Any]:
        logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]
        found: NDArray[Any] = torch.log_softmax(logits.double(), dim=-1).numpy()
        return found

    with torch.no_grad():
        student = [last(ids) for ids in contexts]
        with model.disable_adapter():
            base = [last(ids) for ids in contexts]
    return base, student


def llama_top(contexts: Sequence[list[int]], adapter: Path | None, threads: int) -> list[dict[int, float]]:
    """Return the likeliest next tokens after every context, as llama.cpp computes them."""
    with _server(adapter, threads) as client:
        return [_top(client, ids) for ids in contexts]


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
    body = {"prompt": ids, "n_predict": 1, "n_probs": TOP, "temperature": 0, "cache_prompt": False}
    response = client.post("/completion", json=body)
    response.raise_for_status()
    rows = response.json()["completion_probabilities"][0]["top_logprobs"]
    return {int(row["id"]): float(row["logprob"]) for row in rows}


def _contexts(tokenizer: Any) -> list[list[int]]:
    """Return token contexts: every example cut off at up to six places of its reply."""
    out: list[list[int]] = []
    for question, reply in EXAMPLES:
        head = tokenizer(prompt_text(question), add_special_tokens=False)["input_ids"]
        tail = tokenizer(reply, add_special_tokens=False)["input_ids"]
        cuts = sorted({round(i * len(tail) / 5) for i in range(6)})
        out += [[*head, *tail[:cut]] for cut in cuts]
    return out


if __name__ == "__main__":
    sys.exit(app())
