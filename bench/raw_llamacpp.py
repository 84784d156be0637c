"""The raw loop: the same requests straight against llama.cpp's server, without Hydrometer.

    python bench/raw_llamacpp.py MODEL.gguf --requests R.json [--choices C.json] [--slots 16] [--threads N]

R.json holds `[{"prompt": text, "n_predict": number}]`, C.json `[{"prompt": text, "choices": [text, ...]}]`, prompts
already rendered. Every request computes its whole prompt, as an audit does; only choices of one item share theirs. One
line of JSON per loop: wall seconds, tokens and tokens per second. What Hydrometer takes for the same requests, divided
by this, is its own share.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "3000")

import httpx
import xllamacpp


def main() -> None:
    args = _arguments()
    params = xllamacpp.CommonParams()
    params.model.path = str(args.model)
    params.n_parallel = args.slots
    params.n_ctx = args.slots * args.context
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = args.threads
    params.verbosity = -1
    params.cache_ram_mib = 0
    params.n_threads_http = 2 * args.slots + 8
    server = xllamacpp.Server(params)
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
    with httpx.Client(base_url=server.listening_address, timeout=600, limits=limits, trust_env=False) as client:
        if args.requests:
            _loop("generate", json.loads(args.requests.read_text()), 2 * args.slots, lambda r: _reply(client, r))
        if args.choices:
            _loop("score", json.loads(args.choices.read_text()), args.slots, lambda r: _scores(client, r))
    del server


def _loop(name: str, asked: list[dict[str, Any]], flights: int, answer: Callable[[dict[str, Any]], int]) -> None:
    start = time.perf_counter()
    with ThreadPoolExecutor(flights) as pool:
        tokens = sum(pool.map(answer, asked))
    wall = time.perf_counter() - start
    row = {"loop": name, "requests": len(asked), "seconds": wall, "tokens": tokens, "tokens_per_s": tokens / wall}
    print(json.dumps(row))


def _reply(client: httpx.Client, asked: dict[str, Any]) -> int:
    body = {
        "prompt": _ids(client, asked["prompt"]), "n_predict": asked["n_predict"], "temperature": 0.0,
        "cache_prompt": False,
    }  # fmt: skip
    reply = client.post("/completion", json=body).raise_for_status().json()
    return int(reply["tokens_predicted"])


def _scores(client: httpx.Client, asked: dict[str, Any]) -> int:
    prompt = _ids(client, asked["prompt"])
    tokens = 0
    for choice in asked["choices"]:
        ids = _ids(client, asked["prompt"] + choice)[len(prompt) :]
        body = {
            "prompt": prompt, "n_predict": len(ids), "n_probs": 1, "temperature": 0.0,
            "cache_prompt": choice != asked["choices"][0],
            "grammar": "root ::= " + " ".join(f"<[{token}]>" for token in ids),
        }  # fmt: skip
        client.post("/completion", json=body).raise_for_status()
        tokens += len(ids)
    return tokens


def _ids(client: httpx.Client, text: str) -> list[int]:
    body = {"content": text, "add_special": False, "parse_special": True}
    tokens: list[int] = client.post("/tokenize", json=body).raise_for_status().json()["tokens"]
    return tokens


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--requests", type=Path)
    parser.add_argument("--choices", type=Path)
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--context", type=int, default=2048)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
