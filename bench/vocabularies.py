"""Memory and time of comparing two large tokenizers that differ: `python bench/vocabularies.py`.

Two made-up files of 262,144 tokens and 514,906 merges in pairs, as the largest in use have, one token and one merge
swapped; read and compared as an inspection does. Prints what the process held at most, imports included.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import tempfile
import time
from pathlib import Path

from hydrometer.checkpoint.places import LocalFolder, json_limit
from hydrometer.surface.tokenizer import compare_tokenizers
from hydrometer.surface.vocabulary import of_file

TOKENS, MERGES = 262_144, 514_906
LETTERS = "abcdefghijklmnopqrstuvwxyz▁áéíóúñçäöüабвгдежзиклмнопрстуфх中文字符的一是不了人我在有他这"


def make(path: Path, *, swapped: bool) -> None:
    """Write a tokenizer."""
    rng = random.Random(0)
    words: dict[str, None] = {}
    while len(words) < TOKENS:
        words["".join(rng.choices(LETTERS, k=rng.randint(2, 9)))] = None
    tokens = list(words)
    merges = [[tokens[rng.randrange(TOKENS)], tokens[rng.randrange(TOKENS)]] for _ in range(MERGES)]
    if swapped:
        tokens[5], tokens[6] = tokens[6], tokens[5]
        merges[-9], merges[-8] = merges[-8], merges[-9]
    model = {"type": "BPE", "vocab": {token: number for number, token in enumerate(tokens)}, "merges": merges}
    path.write_text(json.dumps({"added_tokens": [], "model": model}, ensure_ascii=False, indent=1), encoding="utf-8")


def most_held() -> float:
    """Megabytes that this process held at most."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(row.split()[1]) for row in status.splitlines() if row.startswith("VmHWM")) / 1000


def main() -> None:
    """Make, read, compare, print."""
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for name, swapped in (("one", False), ("other", True)):
            # In a process of its own: what making takes is not counted.
            maker = multiprocessing.get_context("spawn").Process(
                target=make, args=(Path(folder) / name,), kwargs={"swapped": swapped}
            )
            maker.start()
            maker.join()
        size = (Path(folder) / "one").stat().st_size
        print(f"{size / 1e6:.0f} MB each; {most_held():.0f} MB held before")
        start = time.process_time()
        for name in ("one", "other"):
            raw = LocalFolder(Path(folder)).read(name, json_limit("tokenizer.json")) or b""
            found.append(of_file(raw, name))
            del raw
            print(f"{name} read: {time.process_time() - start:.1f} s, {most_held():.0f} MB")
        topic = compare_tokenizers(*found)
        print(f"compared: {time.process_time() - start:.1f} s, {most_held():.0f} MB held at most; {topic.text}")


if __name__ == "__main__":
    main()
