"""Replies of mixed lengths through the hf engine, against lm-eval, Inspect and a bare loop, in one run.

    python bench/generations.py [--replies 50] [--cap 128] [--rounds 1] [--batch 16,50] [--threads 2] [--inspect PYTHON]

Greedy replies of the bundled base in float32 to questions that ask for a word, a list or a story. Ours, lm-eval and the
bare loop compute with the same weights in this process; `--inspect` names the Python of an environment with inspect-ai,
torch and transformers, where its `hf` provider is asked all of them at once. Loading and starting are in no number; what
lm-eval and Inspect take for it is printed. The bare loop is one batch padded at the left, from which replies that ended
are dropped, with the library's own cache; `--slots` is for ours and `--batch` for the peers, of which the fastest
counts. Asks for at least 1.7 times lm-eval, 4 times Inspect and 0.9 of the bare loop.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

import raw_hf
from choices import opened, quiet
from hydrometer.engines.hf import HfEngine
from hydrometer.items import Kind, Message, Request
from smollm import make_folder

QUESTIONS = (
    "What is the capital of {}? Answer with the name of the city only.",
    "Name three things that {} is known for.",
    "Tell me a short story about a traveller who comes to {}.",
    "Is {} a country in Europe? Answer yes or no.",
    "Explain step by step how one could travel to {} without flying.",
)
PLACES = ("France", "Peru", "Norway", "Egypt", "Japan", "Chile", "Kenya", "Poland", "India", "Cuba")
INSPECT = """
import asyncio, json, sys, time, warnings
warnings.simplefilter("ignore")
import torch
from inspect_ai.model import GenerateConfig, get_model
folder, threads, size, cap, dtype = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
torch.set_num_threads(threads)
questions = json.load(sys.stdin)
model = get_model("hf/local", model_path=folder, device="cpu", dtype=getattr(torch, dtype), do_sample=False,
                  config=GenerateConfig(max_tokens=cap, max_connections=size))
async def all_of_them():
    return await asyncio.gather(*(model.generate(question) for question in questions))
start = time.perf_counter()
outputs = asyncio.run(all_of_them())
print(json.dumps({"seconds": time.perf_counter() - start, "replies": [one.completion for one in outputs]}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in {"replies": 50, "cap": 128, "rounds": 1, "threads": 2, "slots": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--batch", default="16,50", help="batch sizes of the peers to choose from")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--inspect", default="", help="Python of an environment with inspect-ai")
    parser.add_argument("--model", type=Path, default=Path(tempfile.gettempdir(), "smollm2-float32"))
    parser.add_argument("--no-peer", action="store_true", help="leave lm-eval out")
    args = parser.parse_args()
    quiet()
    folder = make_folder(args.model)
    engine = opened(folder, dtype=args.dtype, threads=args.threads, slots=args.slots)
    model, tokenizer = engine._opened()[0].model, engine._tokenizer
    asked = questions(args.replies)
    ways: dict[str, Callable[[], list[str]]] = {
        "ours": lambda: ours(engine, asked, args.cap),
        "bare loop": lambda: bare(model, tokenizer, asked, args.cap),
    }
    sizes = [int(size) for size in args.batch.split(",")]
    if not args.no_peer:
        ways |= {f"lm-eval, batches of {n}": peer(model, tokenizer, n, asked, args.cap) for n in sizes}
    ours(engine, asked[:2], 4)
    times: dict[str, float] = dict.fromkeys(ways, 0.0)
    computing = dict.fromkeys(ways, 0.0)
    said: dict[str, list[str]] = {}
    for _ in range(args.rounds):
        for name, way in ways.items():
            start, used = time.perf_counter(), time.process_time()
            said[name] = way()
            times[name] += (time.perf_counter() - start) / args.rounds
            computing[name] += (time.process_time() - used) / args.rounds
    if args.inspect:
        for size in sizes:
            name = f"Inspect, batches of {size}"
            times[name], said[name] = inspect(args, folder, size, asked)
    report(times, computing, said, tokenizer)


def questions(number: int) -> list[str]:
    return [QUESTIONS[n % len(QUESTIONS)].format(PLACES[n // len(QUESTIONS) % len(PLACES)]) for n in range(number)]


def rendered(tokenizer: Any, question: str) -> str:
    turns = [{"role": "user", "content": question}]
    return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))


def ours(engine: HfEngine, asked: Sequence[str], cap: int) -> list[str]:
    requests = [Request(kind=Kind.GENERATE, messages=(Message("user", text),), max_tokens=cap) for text in asked]
    found = {a.request.digest: a.completion.text for a in engine.generate(requests)}
    return [found[r.digest] for r in requests]


def peer(model: Any, tokenizer: Any, size: int, asked: Sequence[str], cap: int) -> Callable[[], list[str]]:
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    with contextlib.redirect_stderr(io.StringIO()):
        lm = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=size, device="cpu", backend="causal")
    wanted = {"until": ["<|im_end|>"], "max_gen_toks": cap, "do_sample": False}
    made = [
        Instance(request_type="generate_until", doc={}, arguments=(rendered(tokenizer, text), wanted), idx=0)
        for text in asked
    ]
    return lambda: lm.generate_until(made, disable_tqdm=True)


def bare(model: Any, tokenizer: Any, asked: Sequence[str], cap: int) -> list[str]:
    """All replies in one batch; those that end are dropped."""
    rows = [tokenizer(rendered(tokenizer, text), add_special_tokens=False)["input_ids"] for text in asked]
    ids, mask, positions = raw_hf.padded(rows)
    said: list[list[int]] = [[] for _ in rows]
    alive, cache, end = list(range(len(rows))), {}, tokenizer.eos_token_id
    with torch.inference_mode():
        for _ in range(cap):
            out = model(
                input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=True, logits_to_keep=1, **cache
            )
            cache, picked = raw_hf.kept(out), out.logits[:, -1].argmax(-1)
            going = []
            for row, token in enumerate(picked.tolist()):
                if token != end:
                    said[alive[row]].append(token)
                    going.append(row)
            if not going:
                break
            mask, positions = torch.cat([mask, torch.ones_like(mask[:, :1])], -1), positions[:, -1:] + 1
            if len(going) < len(alive):
                index = torch.tensor(going)
                for layers in cache.values():
                    layers.batch_select_indices(index)
                alive = [alive[row] for row in going]
                picked, mask, positions = picked[index], mask[index], positions[index]
            ids = picked[:, None]
    return [str(tokenizer.decode(own, skip_special_tokens=True)) for own in said]


def inspect(args: argparse.Namespace, folder: Path, size: int, asked: Sequence[str]) -> tuple[float, list[str]]:
    """Seconds of Inspect's provider in a process of its own, and its replies."""
    command = [args.inspect, "-c", INSPECT, folder, args.threads, size, args.cap, args.dtype]
    start = time.perf_counter()
    done = subprocess.run(
        list(map(str, command)), input=json.dumps(asked), capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"Inspect failed: {done.stderr.strip().splitlines()[-1]}")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    print(f"Inspect, batches of {size}: {time.perf_counter() - start - found['seconds']:.1f} s to start", flush=True)
    return float(found["seconds"]), list(found["replies"])


def report(
    times: dict[str, float], computing: dict[str, float], said: dict[str, list[str]], tokenizer: Any
) -> None:
    lengths = sorted(len(tokenizer(text)["input_ids"]) for text in said["ours"])
    deciles = ", ".join(str(lengths[len(lengths) * n // 10]) for n in range(1, 10, 2))
    print(f"{len(lengths)} replies, {sum(lengths)} tokens, mean {statistics.mean(lengths):.0f}, deciles {deciles}")
    for name, seconds in times.items():
        same = sum(a.strip() == b.strip() for a, b in zip(said[name], said["ours"], strict=True))
        used = f"{computing[name]:7.1f} s of processor, " if name in computing else ""
        print(
            f"{name:24} {seconds:7.1f} s, {used}{sum(lengths) / seconds:6.1f} tokens/s, {seconds / times['ours']:5.2f} times ours; "
            f"{times['bare loop'] / seconds:5.2f} of the bare loop; {same} replies like ours",
            flush=True,
        )


if __name__ == "__main__":
    main()
