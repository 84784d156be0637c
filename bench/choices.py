"""Four-choice items through the hf engine, against lm-eval and against bare loops that share prompts, in one run.

    python bench/choices.py [--items 200] [--rounds 4] [--batch 1,8,32] [--dtype float32] [--threads 2] [--model FOLDER]

Items of `knowledge_facts` behind solved ones, about 150 tokens of prompt and 4 choices of several tokens, on the bundled
base. All of them compute with the same weights in this process; loading them and starting lm-eval, which takes it some
15 s, is in no number. A round takes a share of the items, in turns, so that other work on the machine hits all alike; the
batch size of lm-eval that was fastest on the first round's share does the rest. The bare loops are the prompt
computed once with its cache repeated per choice, and one row per item with a mask for its choices: the faster one is the
ceiling. Asks for at least 4 times lm-eval and 0.9 of the ceiling, and for scores within 1e-3 of lm-eval's.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers

import raw_hf
from hydrometer.catalog import load_task
from hydrometer.engines.base import EngineSettings
from hydrometer.engines.hf import HfEngine, open_model
from hydrometer.items import Kind, Message, Request
from hydrometer.spec import ModelRef
from smollm import make_folder

PROMPT = 150
Made = tuple[list[int], list[list[int]]]
Scores = list[list[float]]


class Asked(NamedTuple):
    """One item: its text, its choices, and the place of the right one."""

    prompt: str
    choices: tuple[str, ...]
    answer: int


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in {"items": 200, "rounds": 4, "threads": 2}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--batch", default="1,8,32", help="batch sizes of lm-eval to choose from")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--model", type=Path, default=Path(tempfile.gettempdir(), "smollm2-float32"))
    parser.add_argument("--no-peer", action="store_true", help="leave lm-eval out")
    args = parser.parse_args()
    quiet()
    engine = opened(make_folder(args.model), dtype=args.dtype, threads=args.threads)
    model, tokenizer = engine._opened()[0].model, engine._tokenizer
    asked = items(args.items, tokenizer)
    shares = [asked[number :: args.rounds] for number in range(args.rounds)]
    say_what(asked, tokenizer)
    ways: dict[str, Callable[[Sequence[Asked]], Scores]] = {
        "ours": lambda own: ours(engine, own),
        "bare, cache repeated": lambda own: bare_cache(model, tokenizer, own),
        "bare, one row an item": lambda own: bare_row(model, tokenizer, own),
    }
    ours(engine, asked[:4])
    if not args.no_peer:
        ways["lm-eval"] = best_peer(model, tokenizer, shares[0], [int(b) for b in args.batch.split(",")])
    report(ways, shares, asked)
    again = dict(zip(asked[::-1], ours(engine, asked[::-1]), strict=True))
    moved = sum(again[a] != s for a, s in zip(asked, ours(engine, asked), strict=True))
    print(f"asked in the other order: the scores of {moved} of {len(asked)} items moved in the last bit or more")


def quiet() -> None:
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    warnings.simplefilter("ignore")


def opened(folder: Path, *, dtype: str, threads: int, slots: int = 0) -> HfEngine:
    ref = ModelRef(text=str(folder), engine="hf", target=str(folder))
    return open_model(ref, EngineSettings(threads=threads, dtype=dtype, slots=slots))


def items(number: int, tokenizer: Any) -> list[Asked]:
    """Questions behind as many solved ones as make a prompt of some 150 tokens."""
    own = [item for item in load_task("knowledge_facts").items(220, 0) if len(item.choices) == 4]
    found = []
    for index in range(number):
        item = own[index % len(own)]
        text = f"Question: {item.messages[-1].content}\nAnswer:"
        at = index
        while len(tokenizer(text)["input_ids"]) < PROMPT - 12:
            at = (at + 7) % len(own)
            solved = own[at]
            text = f"Question: {solved.messages[-1].content}\nAnswer: {stated(solved.choices[solved.answer])}\n\n{text}"
        found.append(Asked(text, tuple(f" {stated(choice)}" for choice in item.choices), item.answer))
    return found


def stated(choice: str) -> str:
    return f"The answer is {choice}."


def say_what(asked: Sequence[Asked], tokenizer: Any) -> None:
    prompts = [len(tokenizer(a.prompt)["input_ids"]) for a in asked]
    choices = [len(tokenizer(c)["input_ids"]) for a in asked for c in a.choices]
    unique = sum(prompts) + sum(choices)
    naive = sum(4 * prompt for prompt in prompts) + sum(choices)
    print(
        f"{len(asked)} items, prompts of {statistics.mean(prompts):.0f} tokens, choices of {statistics.mean(choices):.1f}; "
        f"{unique} tokens if shared, {naive} ({naive / unique:.2f} times) if not",
        flush=True,
    )


def ours(engine: HfEngine, asked: Sequence[Asked]) -> Scores:
    requests = [
        Request(kind=Kind.CHOICES, messages=(Message("raw", a.prompt),), choices=a.choices, max_tokens=0)
        for a in asked
    ]
    found = {a.request.digest: a.completion for a in engine.score(requests, "continuation")}
    return [[c.logprob for c in found[r.digest].choices] for r in requests]


def best_peer(
    model: Any, tokenizer: Any, share: Sequence[Asked], sizes: Sequence[int]
) -> Callable[[Sequence[Asked]], Scores]:
    """lm-eval with the batch size that does a share fastest."""
    times = {}
    for size in sizes:
        start = time.perf_counter()
        peer(model, tokenizer, size)(share)
        times[size] = time.perf_counter() - start
        print(f"lm-eval, batches of {size}: {times[size]:.1f} s for {len(share)} items", flush=True)
    best = min(times, key=lambda size: times[size])
    print(f"lm-eval does the rest with batches of {best}", flush=True)
    return peer(model, tokenizer, best)


def peer(model: Any, tokenizer: Any, size: int) -> Callable[[Sequence[Asked]], Scores]:
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    with contextlib.redirect_stderr(io.StringIO()):
        lm = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=size, device="cpu", backend="causal")

    def score(asked: Sequence[Asked]) -> Scores:
        pairs = [
            Instance(request_type="loglikelihood", doc={}, arguments=(a.prompt, choice), idx=number)
            for a in asked
            for number, choice in enumerate(a.choices)
        ]
        with torch.inference_mode():
            values = [value for value, _ in lm.loglikelihood(pairs, disable_tqdm=True)]
        return [values[4 * n : 4 * n + 4] for n in range(len(asked))]

    return score


def tokens(tokenizer: Any, asked: Asked) -> Made:
    prompt = tokenizer(asked.prompt)["input_ids"]
    return prompt, [tokenizer(asked.prompt + choice)["input_ids"][len(prompt) :] for choice in asked.choices]


def bare_cache(model: Any, tokenizer: Any, asked: Sequence[Asked], size: int = 8) -> Scores:
    """Prompts of a batch once, padded at the left; the cache repeated per choice."""
    made = [tokens(tokenizer, a) for a in asked]
    return in_batches(made, [len(prompt) for prompt, _ in made], size, lambda batch: repeated(model, batch))


def in_batches(
    made: Sequence[Made], sizes: Sequence[int], size: int, score: Callable[[Sequence[Made]], Scores]
) -> Scores:
    """Score in batches of items of like sizes; the values come back in the order of `made`."""
    order = sorted(range(len(made)), key=sizes.__getitem__)
    out: Scores = [[] for _ in made]
    with torch.inference_mode():
        for at in range(0, len(order), size):
            own = order[at : at + size]
            for number, values in zip(own, score([made[n] for n in own]), strict=True):
                out[number] = values
    return out


def repeated(model: Any, batch: Sequence[Made]) -> Scores:
    ids, mask, positions = raw_hf.padded([prompt for prompt, _ in batch])
    first = model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=True, logits_to_keep=1)
    before = first.logits[:, -1].log_softmax(-1)
    cache = raw_hf.kept(first)
    for layers in cache.values():
        layers.batch_repeat_interleave(4)
    choices = [choice for _, own in batch for choice in own]
    width = max(map(len, choices)) - 1
    tails = torch.tensor([c[:-1] + [0] * (width - len(c) + 1) for c in choices])
    marks = torch.tensor([[1] * (len(c) - 1) + [0] * (width - len(c) + 1) for c in choices])
    behind = model(
        input_ids=tails,
        attention_mask=torch.cat([mask.repeat_interleave(4, 0), marks], -1),
        position_ids=positions[:, -1:].repeat_interleave(4, 0) + 1 + torch.arange(width),
        use_cache=True,
        **cache,
    ).logits.log_softmax(-1)
    values = [
        float(before[n // 4, c[0]]) + sum(float(behind[n, k, token]) for k, token in enumerate(c[1:]))
        for n, c in enumerate(choices)
    ]
    return [values[n : n + 4] for n in range(0, len(values), 4)]


def bare_row(model: Any, tokenizer: Any, asked: Sequence[Asked], size: int = 6) -> Scores:
    """One row per item: the prompt, then its choices, each of which a mask lets see the prompt and itself."""
    made = [tokens(tokenizer, a) for a in asked]
    sizes = [len(prompt) + sum(map(len, choices)) for prompt, choices in made]
    return in_batches(made, sizes, size, lambda batch: masked(model, batch))


def masked(model: Any, batch: Sequence[Made]) -> Scores:
    width = max(len(prompt) + sum(len(c) - 1 for c in choices) for prompt, choices in batch)
    ids = torch.zeros(len(batch), width, dtype=torch.long)
    places = ids.clone()
    seen = torch.eye(width, dtype=torch.bool).repeat(len(batch), 1, 1, 1).transpose(0, 1).contiguous()
    seen = seen.reshape(len(batch), 1, width, width)
    wanted, following = [], []
    for row, (prompt, choices) in enumerate(batch):
        end = len(prompt)
        ids[row, :end], places[row, :end] = torch.tensor(prompt), torch.arange(end)
        seen[row, 0, :end, :end] = torch.ones(end, end).tril().bool()
        at = end
        for choice in choices:
            stop = at + len(choice) - 1
            ids[row, at:stop] = torch.tensor(choice[:-1], dtype=torch.long)
            places[row, at:stop] = torch.arange(end, end + stop - at)
            seen[row, 0, at:stop, :end] = True
            seen[row, 0, at:stop, at:stop] = torch.ones(stop - at, stop - at).tril().bool()
            wanted += [row * width + end - 1, *range(row * width + at, row * width + stop)]
            following += choice
            at = stop
    body = model.get_decoder()(input_ids=ids, attention_mask=seen, position_ids=places, use_cache=False)
    logits = model.get_output_embeddings()(body.last_hidden_state.flatten(0, 1)[torch.tensor(wanted)])
    values = (logits.gather(-1, torch.tensor(following)[:, None])[:, 0] - logits.logsumexp(-1)).tolist()
    out: Scores = []
    for _, choices in batch:
        out.append([sum(values.pop(0) for _ in choice) for choice in choices])
    return out


def report(
    ways: dict[str, Callable[[Sequence[Asked]], Scores]], shares: Sequence[Sequence[Asked]], asked: Sequence[Asked]
) -> None:
    wall, computing = dict.fromkeys(ways, 0.0), dict.fromkeys(ways, 0.0)
    scores: dict[str, dict[Asked, list[float]]] = {name: {} for name in ways}
    for share in shares:
        for name, way in ways.items():
            start, used = time.perf_counter(), time.process_time()
            scores[name] |= dict(zip(share, way(share), strict=True))
            wall[name] += time.perf_counter() - start
            computing[name] += time.process_time() - used
    ceiling = min(wall[name] for name in ways if name.startswith("bare"))
    for name in ways:
        right = statistics.mean(max(range(4), key=scores[name][a].__getitem__) == a.answer for a in asked)
        gap = max(abs(x - y) for a in asked for x, y in zip(scores[name][a], scores["ours"][a], strict=True))
        print(
            f"{name:22} {wall[name]:7.1f} s, {computing[name]:7.1f} s of processor; {wall[name] / wall['ours']:5.2f} times ours; "
            f"{ceiling / wall[name]:5.2f} of the ceiling; right {right:.3f}; at most {gap:.1e} nats from ours",
            flush=True,
        )


if __name__ == "__main__":
    main()
