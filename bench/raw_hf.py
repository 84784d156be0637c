"""The ceiling of the hf engine: the same prompts through bare transformers, in the best simple way.

    python bench/raw_hf.py MODEL.gguf|FOLDER [--with-engine]

Prints the best rate of a step loop (left-padded batch) and of choice scoring (prompt computed once, cache repeated
per choice). `--with-engine` lets the engine do the same in turns: compare numbers of one run only.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers

from hydrometer.engines.base import EngineSettings
from hydrometer.engines.hf import open_model
from hydrometer.items import Kind, Message, Request
from hydrometer.spec import ModelRef

Job = Callable[[], int]
SUBJECTS = ("a river", "the moon", "bread", "a bicycle", "glass", "the wind", "a library", "iron")
CHOICES = ("It is made by people.", "It is found in nature.", "It cannot be seen at all.", "Nobody knows it.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    defaults = {"rows": 8, "tokens": 32, "items": 16, "threads": 2, "repeats": 3}
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--with-engine", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    transformers.utils.logging.disable_progress_bar()
    warnings.simplefilter("ignore")
    model, tokenizer = load(args.model)
    prompts = [encode(tokenizer, question(i)) for i in range(max(args.rows, args.items))]
    asked = prompts[: args.items]
    choices = [tokenizer(c, add_special_tokens=False)["input_ids"] for c in CHOICES]
    jobs: dict[str, Job] = {
        "raw generate": lambda: step(model, prompts[: args.rows], args.tokens),
        "raw score": lambda: sum(score(model, asked[i : i + 16], choices) for i in range(0, len(asked), 16)),
    }
    if args.with_engine:
        jobs |= engine(args)
    best = dict.fromkeys(jobs, 0.0)
    for _ in range(args.repeats):  # in turns, so that other work on the machine hits all alike
        for name, job in jobs.items():
            best[name] = max(best[name], rate(job))
    for name, value in best.items():
        print(f"{name:16} {value:8.1f} tok/s  {value / best['raw ' + name.split()[1]]:6.1%} of raw")


def rate(job: Job) -> float:
    with torch.inference_mode():
        start = time.perf_counter()
        return job() / (time.perf_counter() - start)


def load(path: Path) -> tuple[Any, Any]:
    place, more = (str(path.parent), {"gguf_file": path.name}) if path.is_file() else (str(path), {})
    tokenizer = transformers.AutoTokenizer.from_pretrained(place, **more)
    model = transformers.AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32, **more)
    return model.eval(), tokenizer


def question(index: int) -> str:
    subject = SUBJECTS[index % len(SUBJECTS)]
    return (
        f"Think of {subject}, number {index}. Explain step by step where it comes from and what it is used for. "
        * 3
    )


def encode(tokenizer: Any, text: str) -> list[int]:
    turns = [{"role": "user", "content": text}]
    rendered = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    ids: list[int] = tokenizer(rendered, add_special_tokens=False)["input_ids"]
    return ids


def padded(rows: list[list[int]]) -> tuple[Any, Any, Any]:
    width = max(map(len, rows))
    ids = torch.tensor([[0] * (width - len(r)) + r for r in rows])
    mask = torch.tensor([[0] * (width - len(r)) + [1] * len(r) for r in rows])
    return ids, mask, (mask.cumsum(-1) - 1).clamp(min=0)


def step(model: Any, rows: list[list[int]], tokens: int) -> int:
    ids, mask, positions = padded(rows)
    cache, position = {}, positions
    for _ in range(tokens):
        out = model(
            input_ids=ids, attention_mask=mask, position_ids=position, use_cache=True, logits_to_keep=1, **cache
        )
        cache, ids = kept(out), out.logits[:, -1].argmax(-1, keepdim=True)
        mask, position = torch.cat([mask, torch.ones_like(ids)], -1), position[:, -1:] + 1
    return len(rows) * tokens


def kept(out: Any) -> dict[str, Any]:
    """The cache under the name that this version of transformers takes it back under."""
    name = "cache" if "cache" in out else "past_key_values"
    return {name: out[name]}


def score(model: Any, rows: list[list[int]], choices: list[list[int]]) -> int:
    ids, mask, positions = padded(rows)
    out = model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=True, logits_to_keep=1)
    out.logits[:, -1].float().log_softmax(-1)
    times, width = len(choices), max(map(len, choices)) - 1
    cache = kept(out)
    for layers in cache.values():
        layers.batch_repeat_interleave(times)
    tails = torch.tensor([c[:-1] + [0] * (width - len(c) + 1) for c in choices] * len(rows))
    marks = torch.tensor([[1] * (len(c) - 1) + [0] * (width - len(c) + 1) for c in choices] * len(rows))
    start = positions[:, -1:].repeat_interleave(times, 0) + 1
    logits = model(
        input_ids=tails,
        attention_mask=torch.cat([mask.repeat_interleave(times, 0), marks], -1),
        position_ids=start + torch.arange(width),
        use_cache=True,
        **cache,
    ).logits
    logits.float().log_softmax(-1)
    return unique(sum(map(len, rows)), len(rows), sum(map(len, choices)))


def unique(prompts: int, items: int, choices: int) -> int:
    """Tokens that must be computed at least: every prompt once, every choice once."""
    return prompts + items * choices


def engine(args: argparse.Namespace) -> dict[str, Job]:
    ref = ModelRef(text=str(args.model), engine="hf", target=str(args.model))
    opened = open_model(ref, EngineSettings(threads=args.threads, slots=args.rows))
    turns = [(Message("user", question(i)),) for i in range(max(args.rows, args.items))]
    asked = [Request(kind=Kind.GENERATE, messages=t, max_tokens=args.tokens) for t in turns[: args.rows]]
    scored = [Request(kind=Kind.CHOICES, messages=t, choices=CHOICES) for t in turns[: args.items]]
    return {
        "engine generate": lambda: sum(a.completion.completion_tokens or 0 for a in opened.generate(asked)),
        "engine score": lambda: sum(
            unique(a.completion.prompt_tokens or 0, 1, sum(c.tokens for c in a.completion.choices))
            for a in opened.score(scored, "continuation")
        ),
    }


if __name__ == "__main__":
    main()
